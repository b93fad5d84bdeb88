#!/usr/bin/env bash
# One run in TensorBoard, W&B (offline), MLflow and Trackio at once, cut off and gone on with. Needs .venv; a venv of its own
# stays in build/test-trackers.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}
here=${VENV:-$root/.venv}/bin/python
venv=$root/build/test-trackers
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HF_HUB_OFFLINE=1 EMBEDKIT_CACHE="$work/cache" OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false
export WANDB_MODE=offline WANDB_SILENT=true TRACKIO_DIR="$work/trackio" MLFLOW_TRACKING_URI="sqlite:///$work/mlflow.db"
step() { printf '\n== %s\n' "$*"; }

step "venv: the trackers beside the packages of .venv"
PYTHONPATH=$("$here" -c 'import sys; print(":".join(path for path in sys.path if "packages" in path))')
export PYTHONPATH
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  tensorboard==2.20.0 wandb==0.31.0 trackio==0.43.0 mlflow==3.17.2
embedkit() { "$venv/bin/python" -m embedkit "$@"; }

step "train with all four, then lose the model and go on from the last checkpoint"
cd "$work"
data=$("$here" -c 'from embedkit.shipped_data import data_path; print(data_path())')
head -n 61 "$data/electronics.en.csv" >en.csv
embedkit compose --input en.csv --miner lexical --hard-k 1 --split 0.8/0.1/0.1 2>log
train() {
  embedkit train --set output.save_name=x --set train.epochs=2 --set train.steps_per_epoch=2 --set train.batch_size=8 \
    --set train.max_length=32 --set output.log_steps=1 --set output.checkpoint_steps=1 \
    --set 'output.report_to=["tensorboard","wandb","mlflow","trackio"]' "$@" >>log 2>&1 || { tail -n 30 log; exit 1; }
}
train
rm -r runs/x/model
train --resume
grep -c "goes on\|trained" log

step "what the four hold"
"$venv/bin/python" "$root/scripts/look_at_trackers.py"

echo
echo "tracker tests passed"
