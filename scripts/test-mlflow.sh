#!/usr/bin/env bash
# A run in MLflow from training to a served model, in a local store. Needs .venv; a venv of its own stays in build/test-mlflow.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}
here=${VENV:-$root/.venv}/bin/python
venv=$root/build/test-mlflow
work=$(mktemp -d)
server=''
finish() { [ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"; }
trap finish EXIT
export HF_HUB_OFFLINE=1 EMBEDKIT_CACHE="$work/cache" OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false
step() { printf '\n== %s\n' "$*"; }

step "venv: MLflow beside the packages of .venv"
PYTHONPATH=$("$here" -c 'import sys; print(":".join(path for path in sys.path if "packages" in path))')
export PYTHONPATH
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check mlflow==3.17.2
# mlflow models serve starts this program, which lies in the other venv.
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --ignore-installed -c "$root/constraints.txt" uvicorn
embedkit() { "$venv/bin/python" -m embedkit "$@"; }

step "train and evaluate with report_to mlflow"
cd "$work"
data=$("$here" -c 'from embedkit.shipped_data import data_path; print(data_path())')
for language in en ko; do head -n 61 "$data/electronics.$language.csv" >"$language.csv"; done
embedkit compose --input en.csv --input ko.csv --hard-k 1 --split 0.8/0.1/0.1 2>log
export MLFLOW_TRACKING_URI="sqlite:///$work/mlflow.db" MLFLOW_EXPERIMENT_NAME=glossary
embedkit train --set output.save_name=x --set train.epochs=1 --set train.steps_per_epoch=2 --set train.batch_size=8 \
  --set train.max_length=64 --set output.log_steps=1 --set 'output.report_to=["mlflow"]' 2>log
tail -n 4 log
embedkit evaluate --model runs/x --sample-size 10 --resamples 100 >log 2>&1
grep MLflow log

step "what the store holds"
cat >look.py <<'PYTHON'
import hashlib, json, pathlib, mlflow
known = json.loads(pathlib.Path("runs/x/tracking.json").read_text())
run = mlflow.get_run(known["run_id"])
client = mlflow.MlflowClient()
files = {file.path for file in client.list_artifacts(known["run_id"])}
assert run.info.status == "FINISHED", run.info.status
assert mlflow.get_experiment(run.info.experiment_id).name == "glossary"
assert run.data.params["train.batch_size"] == "8" and run.data.params["loss.name"], run.data.params
assert {"train/loss", "train/learning_rate", "test/ndcg_at_10"} <= set(run.data.metrics), sorted(run.data.metrics)
assert run.data.tags["embedkit.verdict"] and run.data.tags["embedkit.rows_sha256"], run.data.tags
assert {"config.json", "environment.json", "README.md", "report.html", "metrics.json"} <= files, files
print(len(run.data.params), "params,", len(run.data.metrics), "metrics,", ", ".join(sorted(files)))
PYTHON
"$venv/bin/python" look.py

step "mlflow models serve"
model=$("$venv/bin/python" -c 'import json; print(json.load(open("runs/x/tracking.json"))["model_uri"])')
port=$("$here" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
PATH="$venv/bin:$PATH" "$venv/bin/mlflow" models serve --model-uri "$model" --port "$port" --env-manager local >server.log 2>&1 &
server=$!
cat >ask.py <<'PYTHON'
import json, sys, time, urllib.request
import numpy as np
from sentence_transformers import SentenceTransformer
texts, url = ["a diode", "다이오드"], f"http://127.0.0.1:{sys.argv[1]}"
for _ in range(300):
    try:
        urllib.request.urlopen(url + "/ping", timeout=1)
        break
    except OSError:
        time.sleep(0.3)
call = urllib.request.Request(url + "/invocations", json.dumps({"inputs": texts}).encode(), {"Content-Type": "application/json"})
answer = json.load(urllib.request.urlopen(call, timeout=60))
wanted = SentenceTransformer("runs/x/model", device="cpu").encode(texts)
cosine = float((np.array(answer["predictions"]) * wanted).sum(1).min())
print(f"mlflow models serve: {len(answer['predictions'])} vectors, least cosine with torch {cosine:.6f}")
assert cosine > 0.9999
PYTHON
"$venv/bin/python" ask.py "$port" || { tail server.log; exit 1; }

echo
echo "MLflow tests passed"
