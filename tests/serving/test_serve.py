"""The service as its clients see it: a real process, a tiny model, a loopback address."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

KEY = "Geheimnis-비밀"
TEXTS = ["펄스 폭 변조", "a diode lets current pass one way", "PWM"]


@dataclass(frozen=True)
class Service:
    """A running `embedkit serve`."""

    url: str
    process: subprocess.Popen[str]

    def ask(self, value: Any, *, key: str = "", **more: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {key}".encode()} if key else {}
        return requests.post(f"{self.url}/v1/embeddings", json=value, headers=headers, timeout=60, **more)

    def vectors(self, value: Any) -> np.ndarray:
        answer = self.ask(value)
        assert answer.status_code == 200, answer.text
        return np.array([row["embedding"] for row in answer.json()["data"]])


@contextmanager
def served(model: Path, *options: str, **environment: str) -> Iterator[Service]:
    command = [sys.executable, "-m", "embedkit", "serve", "--model", str(model), "--port", "0", *options]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
    ) as process:
        try:
            assert process.stdout is not None
            yield Service(process.stdout.readline().strip(), process)
        finally:
            process.kill()


@pytest.fixture(scope="module")
def prompted(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with a prompt for queries."""
    folder = tmp_path_factory.mktemp("served") / "terms"
    shutil.copytree(tiny_model, folder)
    path = folder / "config_sentence_transformers.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(config | {"prompts": {"query": "query: "}}), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def service(prompted: Path) -> Iterator[Service]:
    with served(prompted) as running:
        yield running


@pytest.fixture(scope="module")
def model(prompted: Path) -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(prompted), device="cpu")


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("role", ["document", "query"])
def test_the_vectors_are_those_of_the_model(role: str, service: Service, model: Any) -> None:
    encode = {"document": model.encode_document, "query": model.encode_query}[role]
    got = service.vectors({"input": TEXTS, "input_type": role})
    np.testing.assert_allclose(got, unit(encode(TEXTS)), atol=1e-5)


def test_an_answer_has_the_form_that_openais_clients_read(service: Service) -> None:
    answer = service.ask({"input": "PWM", "model": "terms", "user": "somebody"}).json()
    assert {key: answer[key] for key in ("object", "model", "usage")} == {
        "object": "list",
        "model": "terms",
        "usage": {"prompt_tokens": 5, "total_tokens": 5},  # [CLS] p w m [SEP]
    }
    assert [(row["object"], row["index"], len(row["embedding"])) for row in answer["data"]] == [
        ("embedding", 0, 32)
    ]
    listed = requests.get(f"{service.url}/v1/models", timeout=10).json()["data"]
    assert [(row["id"], row["dimensions"], row["max_tokens"]) for row in listed] == [("terms", 32, 64)]


def test_base64_is_the_same_numbers(service: Service) -> None:
    answer = service.ask({"input": TEXTS, "encoding_format": "base64"}).json()
    packed = [np.frombuffer(base64.b64decode(row["embedding"]), dtype="<f4") for row in answer["data"]]
    np.testing.assert_allclose(np.array(packed), service.vectors({"input": TEXTS}), atol=1e-6)


def test_fewer_dimensions_are_the_first_ones_at_length_one(service: Service) -> None:
    short = service.vectors({"input": TEXTS, "dimensions": 8})
    np.testing.assert_allclose(short, unit(service.vectors({"input": TEXTS})[:, :8]), atol=1e-5)


def test_texts_that_were_cut_are_named(service: Service) -> None:
    answer = service.ask({"input": ["PWM", "가나다 " * 60]}).json()
    assert answer["truncated"] == [1]
    assert answer["usage"]["prompt_tokens"] == 5 + 64


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"{", 400, "the body is not JSON"),
        (b"[]", 400, "the body is not a JSON object"),
        ({}, 400, "input is missing"),
        ({"input": [[1, 2]]}, 400, "--token-arrays"),
        ({"input": ["a"] * 2049}, 400, "at most 2,048 are accepted"),
        ({"input": "a", "dimensions": 33}, 400, "32 dimensions at most"),
        ({"input": "a", "dimensions": True}, 400, "dimensions is not a whole number"),
        ({"input": "a", "model": "gpt"}, 404, "'gpt' is not served here; 'terms' is"),
    ],
)
def test_a_mistake_is_an_error_in_openais_form(
    body: Any, status: int, message: str, service: Service
) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = requests.post(f"{service.url}/v1/embeddings", data=raw, timeout=30)
    error = answer.json()["error"]
    assert answer.status_code == status
    assert message in error["message"]
    assert error["type"] == "invalid_request_error"


def test_a_body_that_does_not_end_is_refused(service: Service) -> None:
    body = b'{"input": "' + b"a" * (33 << 20) + b'"}'
    assert requests.post(f"{service.url}/v1/embeddings", data=body, timeout=30).status_code == 413


def test_what_is_not_there_says_what_is(service: Service) -> None:
    missing = requests.get(f"{service.url}/embed", timeout=10)
    assert (missing.status_code, "POST /v1/embeddings" in missing.text) == (404, True)
    assert requests.get(f"{service.url}/v1/embeddings", timeout=10).status_code == 405


def test_many_clients_get_their_own_vectors_and_batches_hold_several(service: Service) -> None:
    texts = [f"{letter}{number}" for letter in "abcdefgh" for number in range(8)]
    alone = service.vectors({"input": texts})
    with ThreadPoolExecutor(16) as clients:
        together = list(clients.map(lambda text: service.vectors({"input": text})[0], texts))
    np.testing.assert_allclose(np.array(together), alone, atol=1e-5)
    lines = requests.get(f"{service.url}/metrics", timeout=10).text.splitlines()
    counts = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert float(counts["embedkit_texts_total"]) >= 2 * len(texts)
    assert float(counts["embedkit_batch_texts_count"]) < float(counts["embedkit_texts_total"])
    assert float(counts['embedkit_requests_total{path="/v1/embeddings",status="200"}']) >= len(texts)


def test_with_a_key_only_those_who_have_it_are_served(tiny_model: Path) -> None:
    with served(tiny_model, "--name", "mine", EMBEDKIT_API_KEY=KEY) as service:
        for key in ("", "wrong"):
            answer = service.ask({"input": "a"}, key=key)
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
        assert requests.get(f"{service.url}/metrics", timeout=10).status_code == 401
        assert requests.get(f"{service.url}/health", timeout=10).json() == {"status": "ok", "model": "mine"}
        assert service.ask({"input": "a"}, key=KEY).status_code == 200


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, -signal.SIGTERM), (signal.SIGINT, 130)])
def test_a_stop_answers_what_was_asked_before(number: int, code: int, tiny_model: Path) -> None:
    with served(tiny_model, "--batch-size", "1") as service, ThreadPoolExecutor(1) as client:
        asked = client.submit(service.ask, {"input": [f"text {n}" for n in range(1500)]})
        while not _encoding(service):
            time.sleep(0.01)
        service.process.send_signal(number)
        assert len(asked.result(60).json()["data"]) == 1500
        assert service.process.wait(60) == code
        assert service.process.stderr is not None
        assert "Traceback" not in service.process.stderr.read()


def _encoding(service: Service) -> bool:
    metrics = requests.get(f"{service.url}/metrics", timeout=10).text
    return "embedkit_waiting_texts 0" not in metrics and "embedkit_batch_texts_count" in metrics


def test_a_port_that_is_taken_is_an_error_before_a_model_is_loaded(tiny_model: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "embedkit", "serve", "--model", str(tiny_model), "--port", port]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"cannot listen on 127.0.0.1:{port} (Address already in use)\n")
    assert len(done.stderr.splitlines()) == 2


def test_an_open_address_without_a_key_is_warned_about(tiny_model: Path) -> None:
    with served(tiny_model, "--host", "0.0.0.0") as service:
        service.process.terminate()
        assert service.process.stderr is not None
        assert "warning: anyone who can reach 0.0.0.0 can use this model" in service.process.stderr.read()
