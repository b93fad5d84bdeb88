#!/usr/bin/env bash
# `embedkit serve` asked by the clients that people have, from the package index, in a venv of their own.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=${VENV:-.venv}/bin
work=${WORK:-build/test-clients}
mkdir -p "$work"
export HF_HUB_OFFLINE=1 ANONYMIZED_TELEMETRY=False HAYSTACK_TELEMETRY_ENABLED=False

step() { echo "== $*"; }

step "the clients"
[ -x "$work/venv/bin/python" ] || ${PYTHON:-python3} -m venv "$work/venv"
for client in openai langchain-openai langchain-huggingface huggingface_hub llama-index-embeddings-openai haystack-ai \
  litellm chromadb qdrant-client ollama; do
  "$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check "$client" 2>"$work/pip.log" ||
    echo "$client does not install here"
done

# langchain-openai and the service both need OpenAI's encoding; litellm has it in its package.
encodings=$("$work/venv/bin/python" - <<'PYTHON'
from importlib.util import find_spec
from pathlib import Path

found = find_spec("litellm")
print(Path(found.origin).parent / "litellm_core_utils" / "tokenizers" if found else "")
PYTHON
)
export TIKTOKEN_CACHE_DIR=${TIKTOKEN_CACHE_DIR:-$encodings}

step "the service"
# torch: a client that sends texts one by one must get the same vectors as one that sends them together
"$bin/embedkit" serve --model sentence-transformers/all-MiniLM-L6-v2 --backend torch --port 0 --name mini \
  --name text-embedding-3-small --token-arrays cl100k_base >"$work/address" 2>"$work/serve.log" &
service=$!
trap 'kill $service 2>/dev/null || true' EXIT
for _ in $(seq 600); do
  [ -s "$work/address" ] && break
  kill -0 $service 2>/dev/null || { cat "$work/serve.log"; exit 1; }
  sleep 0.2
done
url=$(cat "$work/address")

step "Python"
# huggingface_hub takes our address for the hub when it is offline
HF_HUB_OFFLINE=0 LITELLM_LOCAL_MODEL_COST_MAP=True "$work/venv/bin/python" scripts/test_clients.py "$url"

if command -v npm >/dev/null; then
  step "npm openai"
  (cd "$work" && npm install --silent --no-audit --no-fund --ignore-scripts openai >npm.log 2>&1) ||
    { echo "npm openai does not install here"; exit 0; }
  (cd "$work" && URL=$url node --input-type=module -e '
    import OpenAI from "openai";
    const client = new OpenAI({ baseURL: process.env.URL + "/v1", apiKey: "none", maxRetries: 0 });
    const answer = await client.embeddings.create({ model: "text-embedding-3-small", input: ["PWM", "변조"] });
    if (answer.data.length !== 2 || answer.data[0].embedding.length !== 384) throw new Error("no vectors");
    console.log("openai (npm)            ok");
  ')
fi
