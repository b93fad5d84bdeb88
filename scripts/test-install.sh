#!/usr/bin/env bash
# The installs a user can make: the wheel without torch, the editable checkout without torch, the wheel with everything.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HF_HUB_OFFLINE=1 EMBEDKIT_CACHE="$work/cache"

step() { printf '\n== %s\n' "$*"; }
pip_in() { "$1/bin/python" -m pip install --quiet --disable-pip-version-check -c "$root/constraints.txt" "${@:2}"; }

# The commands that promise to work without torch, typed as a user would in an empty folder.
torch_free() {
  local bin=$1/bin folder
  folder=$(mktemp -d -p "$work")
  cd "$folder"
  if "$bin/python" -c 'import torch' 2>/dev/null; then echo "torch is there: this proves nothing"; exit 1; fi
  "$bin/embedkit" --version
  "$bin/embedkit" crawl --sources wikipedia_glossary --dry-run >dry-run.txt
  grep -q . dry-run.txt
  printf '<dl><dt>alpha</dt><dd>the first letter of the alphabet</dd><dt>beta</dt><dd>the second letter in order</dd><dt>gamma</dt><dd>the third one, after both</dd></dl>' >page.html
  "$bin/embedkit" crawl --from-file page.html
  test -s data/glossary.csv
  data=$("$bin/python" -c 'from embedkit.shipped_data import data_path; print(data_path())')
  "$bin/embedkit" compose --input "$data/electronics.en.csv" --input "$data/electronics.ko.csv" --hard-k 3
  "$bin/embedkit" validate data/pairs.jsonl
  # Training without torch is one line that names the command which brings it.
  if "$bin/embedkit" train 2>error.txt; then echo "train without torch should have failed"; exit 1; fi
  grep -q "pip install 'embedkit-toolkit\[train" error.txt
  "$bin/embedkit" doctor
}

step "build the wheel"
"$python" -m venv "$work/build"
pip_in "$work/build" build hatchling
"$work/build/bin/python" -m build --quiet --wheel --outdir "$work/dist" "$root"
wheel=$(ls "$work"/dist/*.whl)
"$work/build/bin/python" -m zipfile -l "$wheel" | awk '{print $1}' >"$work/names.txt"
for room in crawler compose trainer evaluation explore serving; do
  printf '%s\n' "embedkit/$room/__init__.py" "embedkit/$room/commands.py" "embedkit/$room/py.typed"
done >"$work/wanted.txt"
for name in $(cat "$work/wanted.txt") embedkit/cli.py embedkit/py.typed embedkit/shipped/electronics.ko.csv embedkit/shipped/forms/ko.toml embedkit/shipped/prompts/questions.toml embedkit/shipped/questions.ko.jsonl \
  embedkit/shipped/pages/circuits.en.html embedkit/schemas/pairs.schema.json; do
  grep -qx "$name" "$work/names.txt" || { echo "the wheel lacks $name"; exit 1; }
done
if grep -E 'data/(glossary|pairs|NOTICE)|runs/|tests/' "$work/names.txt"; then echo "the wheel carries what a run wrote"; exit 1; fi

step "the wheel without torch"
"$python" -m venv "$work/wheel"
pip_in "$work/wheel" "$wheel"
torch_free "$work/wheel"

step "the editable checkout without torch"
"$python" -m venv "$work/editable"
pip_in "$work/editable" -e "$root"
torch_free "$work/editable"

step "the wheel with everything: demo in an empty folder"
pip_in "$work/wheel" "$wheel[train,demo,report]"
mkdir "$work/demo" && cd "$work/demo"
"$work/wheel/bin/embedkit" demo
test -s runs/demo/report.html && test -s runs/demo/metrics.json && test -s runs/demo/model/model.safetensors

echo
echo "install tests passed"
