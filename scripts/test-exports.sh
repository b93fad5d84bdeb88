#!/usr/bin/env bash
# An export loaded by other runtimes, from the package indexes, offline once installed: onnxruntime alone, fastembed,
# optimum, transformers.js. Each one's vectors beside torch's: float32 at least 0.9999, int8 is said.
set -euo pipefail
cd "$(dirname "$0")/.."
here=$PWD/${VENV:-.venv}/bin
work=${WORK:-build/test-exports}
mkdir -p "$work"
work=$(cd "$work" && pwd)
export HF_HUB_OFFLINE=1 OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}

step() { echo "== $*"; }

step "the export, and torch's vectors"
"$here/embedkit" export --model sentence-transformers/all-MiniLM-L6-v2 --to onnx --to onnx-int8 --output "$work/models/mini" --force
cat >"$work/vectors.py" <<'PYTHON'
"""TEXTS, and how a runtime's vectors compare with torch's."""
import json, sys
import numpy as np

TEXTS = ["PWM", "a diode lets current pass one way", "펄스 폭 변조", "pulse width modulation of a motor " * 12]


def compare(name, vectors, least):
    wanted = np.array(json.load(open("torch.json")))
    got = np.array(vectors, dtype=np.float64)
    got /= np.linalg.norm(got, axis=1, keepdims=True)
    found = np.einsum("ij,ij->i", wanted, got).min()
    print(f"{name:<32}least cosine {found:.5f}", flush=True)
    if not found >= least:
        sys.exit(f"{name}: wanted {least}")
PYTHON
cd "$work"
"$here/python" - <<'PYTHON' 2>log
import json
from sentence_transformers import SentenceTransformer
from vectors import TEXTS
json.dump(SentenceTransformer("models/mini", device="cpu").encode(TEXTS, normalize_embeddings=True).tolist(), open("torch.json", "w"))
PYTHON
"$here/python" - <<'PYTHON'
from embedkit.serving.score import load
from vectors import TEXTS, compare
for graph, least in (("onnx", 0.9999), ("onnx-int8", 0.95)):
    compare(f"onnxruntime, {graph}", load("models/mini", graph=graph).encode(TEXTS).vectors, least)
PYTHON

step "fastembed"
[ -x fastembed/bin/python ] || ${PYTHON:-python3} -m venv fastembed
if fastembed/bin/python -m pip install --quiet --disable-pip-version-check fastembed 2>log; then
  fastembed/bin/python - <<'PYTHON'
from fastembed import TextEmbedding
from fastembed.common.model_description import ModelSource, PoolingType
from vectors import TEXTS, compare
for graph, file, least in (("onnx", "model", 0.9999), ("onnx-int8", "model_quantized", 0.95)):
    TextEmbedding.add_custom_model(
        model=f"mini-{graph}", pooling=PoolingType.MEAN, normalization=True, dim=384,
        sources=ModelSource(hf="owner/mini"), model_file=f"onnx/{file}.onnx",
    )
    model = TextEmbedding(f"mini-{graph}", specific_model_path="models/mini")
    compare(f"fastembed, {graph}", list(model.embed(TEXTS, batch_size=1)), least)
PYTHON
else
  echo "fastembed does not install here"
fi

step "optimum, which needs an older transformers: both in a venv that borrows torch and onnxruntime from here"
[ -x optimum/bin/python ] || ${PYTHON:-python3} -m venv optimum
if optimum/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
  optimum optimum-onnx 'transformers<5' 'huggingface_hub<1' 'tokenizers<0.23' 2>log; then
  "$here/python" -c 'import pathlib, torch; print(pathlib.Path(torch.__file__).parents[1])' \
    >"$(optimum/bin/python -c 'import site; print(site.getsitepackages()[0])')/borrowed.pth"
  optimum/bin/python - <<'PYTHON' 2>log || { cat log; exit 1; }
from optimum.onnxruntime import ORTModelForFeatureExtraction
from transformers import AutoTokenizer
from vectors import TEXTS, compare
tokenizer = AutoTokenizer.from_pretrained("models/mini")
for file, least in (("model", 0.9999), ("model_quantized", 0.95)):
    model = ORTModelForFeatureExtraction.from_pretrained("models/mini", subfolder="onnx", file_name=f"{file}.onnx")
    given = tokenizer(TEXTS, padding=True, truncation=True, return_tensors="pt")
    mask = given["attention_mask"].unsqueeze(-1)
    hidden = model(**given).last_hidden_state
    compare(f"optimum, {file}", ((hidden * mask).sum(1) / mask.sum(1)).numpy(), least)
PYTHON
else
  echo "optimum does not install here"
fi

command -v npm >/dev/null || exit 0
step "transformers.js"
if npm install --silent --no-audit --no-fund --ignore-scripts @huggingface/transformers >log 2>&1; then
  for dtype in fp32 q8; do
    DTYPE=$dtype TEXTS=$("$here/python" -c 'import json, vectors; print(json.dumps(vectors.TEXTS))') \
      node --input-type=module -e '
      import { env, pipeline } from "@huggingface/transformers";
      env.allowRemoteModels = false;
      env.localModelPath = process.cwd() + "/models/";
      const extract = await pipeline("feature-extraction", "mini", { dtype: process.env.DTYPE });
      const rows = [];
      for (const text of JSON.parse(process.env.TEXTS))
        rows.push((await extract(text, { pooling: "mean", normalize: true })).tolist()[0]);
      console.log(JSON.stringify(rows));
    ' >rows.json 2>log || { cat log; exit 1; }
    "$here/python" - "$dtype" <<'PYTHON'
import json, sys
from vectors import compare
compare(f"transformers.js, {sys.argv[1]}", json.load(open("rows.json")), 0.9999 if sys.argv[1] == "fp32" else 0.95)
PYTHON
  done
else
  echo "transformers.js does not install here"
fi
