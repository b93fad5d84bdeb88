#!/usr/bin/env bash
# The folder of `embedkit deploy azure` against everything of Azure that runs without a cloud: the loaders of azure-ai-ml
# without a network, the inference server on this machine, the notebooks with DRY_RUN=1, the job's command with --dry-run.
# Needs .venv (make test makes it); two venvs of its own stay in build/test-azure.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}
here=${VENV:-$root/.venv}/bin/python
venvs=$root/build/test-azure
work=$(mktemp -d)
server='' ; service=''
finish() { for pid in $server $service; do kill "$pid" 2>/dev/null || true; done; rm -rf "$work"; }
trap finish EXIT
export HF_HUB_OFFLINE=1 EMBEDKIT_CACHE="$work/cache" OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false
step() { printf '\n== %s\n' "$*"; }
embedkit() { "$here" -m embedkit "$@"; }
pip_in() { "$venvs/$1/bin/python" -m pip install --quiet --disable-pip-version-check "${@:2}"; }
wait_for() { for _ in $(seq 200); do curl -sf -o "$work/ready" "$1" && return; sleep 0.3; done; echo "no answer from $1"; exit 1; }

step "a run of MiniLM: two steps on sixty entries"
mkdir "$work/home" && cd "$work/home"
data=$("$here" -c 'from embedkit.shipped_data import data_path; print(data_path())')
for language in en ko; do head -n 61 "$data/electronics.$language.csv" >"$language.csv"; done
embedkit compose --input en.csv --input ko.csv --hard-k 1 --split 0.8/0.1/0.1 2>"$work/log"
embedkit train --set output.save_name=x --set train.epochs=1 --set train.steps_per_epoch=2 --set train.batch_size=8 \
  --set train.max_length=64 2>"$work/log"
embedkit export --model runs/x --to onnx --to onnx-int8
embedkit deploy azure --model runs/x --output azure
embedkit deploy azure --model runs/x --output int8 --graph onnx-int8
embedkit deploy azure --model runs/x --output again
diff -r azure again && rm -r again && echo "the same export gives the same bytes"

step "venvs"
[ -x "$venvs/azure/bin/python" ] || "$python" -m venv "$venvs/azure"
pip_in azure azure-ai-ml==1.35.2 azure-identity==1.27.0 nbformat==5.11.1 nbclient==0.11.0 ipykernel check-jsonschema
pip_in azure azure/src/*.whl
pip_in azure --force-reinstall --no-deps azure/src/*.whl
[ -x "$venvs/score/bin/python" ] || "$python" -m venv "$venvs/score"
sed -n 's/^      - \(.*==.*\)/\1/p' azure/environment/serve.yml >serve.txt
pip_in score -r serve.txt

step "Azure's loaders and GitHub's schema, no network"
"$venvs/azure/bin/embedkit" deploy check azure 2>&1 | tee checked.txt
grep -q "checked by embedkit, azure-ai-ml, check-jsonschema" checked.txt

step "edits that must be found"
refused() {
  rm -rf edited && cp -r azure edited && rm -r edited/data edited/model && (cd edited && sed -i "$2" "$1")
  if diff -rq azure/"$1" edited/"$1" >/dev/null; then echo "no edit: $2"; exit 1; fi
  if "$venvs/azure/bin/embedkit" deploy check edited >found.txt 2>&1; then echo "not found: $1 $2"; exit 1; fi
  grep -m 1 "$1" found.txt
}
refused azureml/endpoint.yml 's/^name: .*/name: a-name-of-more-than-thirty-two-letters/'
refused azureml/endpoint.yml 's/^auth_mode: .*/auth_mode: password/'
refused azureml/deployment.yml 's/request_timeout_ms: .*/request_timeout_ms: 400000/'
refused azureml/deployment.yml 's/scoring_script: .*/scoring_script: scores.py/'
refused azureml/deployment.yml 's/instance_count: .*/instance_count: 0/'
refused azureml/job.yml 's/inputs.rows}}/inputs.pairs}}/'
refused azureml/job.yml 's/^compute: .*/compute: gpu-cluster/'
refused azureml/job.yml 's/EMBEDKIT_CACHE: .*/EMBEDKIT_CACHE: 1/'
refused azureml/job.yml 's/ --resume/ --again/'
refused azureml/data.yml 's/^type: .*/type: folder/'
refused .github/workflows/azureml.yml 's/id-token: write/id-token: read/'
refused .github/workflows/azureml.yml 's/runs-on:/run-on:/'

step "the job's command, --dry-run"
"$here" -m pip install --quiet --disable-pip-version-check --no-deps --target "$work/mlflow" mlflow-skinny
cat >command.py <<'PYTHON'
import sys, yaml
job = yaml.safe_load(open("azure/azureml/job.yml", encoding="utf-8"))
command = job["command"].partition(" && if ")[0].replace(" train ", " train --dry-run ")
for name, path in zip(("inputs.rows", "outputs.run"), sys.argv[1:]):
    command = command.replace("${{" + name + "}}", path)
print(command.replace("python ", sys.argv[3] + " ", 1))
PYTHON
"$here" command.py "$PWD/azure/data" "$work/run" "$here" >command.sh
(cd azure/src && PYTHONPATH="$work/mlflow" bash -euo pipefail "$work/home/command.sh")

step "score.py under the inference server, beside embedkit serve"
port=$("$here" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
embedkit serve --model runs/x --backend torch --port 0 >address.txt 2>"$work/serve.log" &
service=$!
for graph in azure int8; do
  (cd "$work" && AZUREML_MODEL_DIR="$work/home/$graph/model" EMBEDKIT_MAX_TEXTS=4 exec "$venvs/score/bin/azmlinfsrv" \
    --entry_script "$work/home/$graph/src/score.py" --port "$port") >"$work/score.log" 2>&1 &
  server=$!
  wait_for "http://127.0.0.1:$port/" || { cat "$work/score.log"; exit 1; }
  for _ in $(seq 200); do [ -s address.txt ] && break; sleep 0.3; done
  "$here" "$root/scripts/compare_answers.py" "$(cat address.txt)/v1/embeddings" "http://127.0.0.1:$port/score" \
    "$([ $graph = azure ] && echo 0.9999 || echo 0.9)" azure/sample-request.json
  kill "$server" && wait "$server" || true
done
server=''

step "both notebooks, DRY_RUN=1"
cat >notebooks.py <<'PYTHON'
import sys
import nbformat
from nbclient import NotebookClient
for language in ("en", "ko"):
    notebook = nbformat.read(f"azure/notebooks/azureml.{language}.ipynb", as_version=4)
    nbformat.validate(notebook)
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": "azure/notebooks"}}).execute()
    printed = "".join(o.get("text", "") for c in notebook.cells for o in c.get("outputs", []))
    assert "384 numbers" in printed and "no problem found" in printed, printed
    print(language, len(notebook.cells), "cells")
PYTHON
env DRY_RUN=1 PATH="$venvs/azure/bin:$venvs/score/bin:$PATH" "$venvs/azure/bin/python" notebooks.py

echo
echo "Azure tests passed"
