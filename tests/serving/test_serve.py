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

from embedkit.explore.search import SearchOptions, search

KEY = "Geheimnis-비밀"
TEXTS = ["펄스 폭 변조", "a diode lets current pass one way", "PWM"]


@dataclass
class Service:
    """A running `embedkit serve`."""

    url: str
    process: subprocess.Popen[str]
    log: Path = Path()

    def ask(self, value: Any, *, key: str = "", **more: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {key}".encode()} if key else {}
        return requests.post(f"{self.url}/v1/embeddings", json=value, headers=headers, timeout=60, **more)

    def vectors(self, value: Any) -> np.ndarray:
        answer = self.ask(value)
        assert answer.status_code == 200, answer.text
        return np.array([row["embedding"] for row in answer.json()["data"]])


@contextmanager
def served(model: Path, *options: str, **environment: str) -> Iterator[Service]:
    command = [sys.executable, "-m", "embedkit", "serve", "--model", str(model), "--port", "0"]
    command += options if "--backend" in options else ("--backend", "torch", *options)
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
    missing = requests.get(f"{service.url}/nowhere", timeout=10)
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


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "terms.csv"
    path.write_text(
        'term,definition\nPWM,"변조, 펄스 폭"\ndiode,lets current pass one way\n', encoding="utf-8"
    )
    return path


@pytest.fixture(scope="module")
def rich(
    tiny_model: Path, corpus: Path, cross_encoder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service with everything on: two names, a corpus, token arrays, CORS, a log, short time-outs."""
    log = tmp_path_factory.mktemp("log") / "access.jsonl"
    more = (
        "--token-arrays",
        "model",
        "--cors",
        "https://a.example",
        "--timeout",
        "1",
        "--max-characters",
        "9000",
    )
    more += ("--cross-encoder", str(cross_encoder))
    names = ("--name", "mine", "--name", "text-embedding-3-small", "--max-connections", "30")
    with served(tiny_model, "--corpus", str(corpus), *names, *more, "--access-log", str(log)) as running:
        running.log = log
        yield running


def post(service: Service, path: str, body: Any, **headers: str) -> requests.Response:
    return requests.post(f"{service.url}{path}", json=body, headers=headers, timeout=30)


def test_a_model_has_several_names_and_answers_by_the_one_it_was_asked_by(rich: Service) -> None:
    assert post(rich, "/v1/embeddings", {"input": "a", "model": "text-embedding-3-small"}).json()[
        "model"
    ] == ("text-embedding-3-small")
    assert post(rich, "/v1/embeddings", {"input": "a"}).json()["model"] == "mine"
    listed = requests.get(f"{rich.url}/v1/models", timeout=10).json()["data"]
    assert [row["id"] for row in listed] == ["mine", "text-embedding-3-small"]
    assert requests.get(f"{rich.url}/v1/models/mine", timeout=10).json() == listed[0]
    missing = requests.get(f"{rich.url}/v1/models/gpt", timeout=10)
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "model_not_found")


def test_an_empty_text_has_a_vector_and_spoils_no_batch(rich: Service) -> None:
    answer = post(rich, "/v1/embeddings", {"input": ["PWM", "", " "]}).json()
    alone = post(rich, "/v1/embeddings", {"input": "PWM"}).json()
    assert len(answer["data"]) == 3
    np.testing.assert_allclose(answer["data"][0]["embedding"], alone["data"][0]["embedding"], atol=1e-5)


def test_token_arrays_are_texts_again(rich: Service) -> None:
    named = post(rich, "/tokenize", {"inputs": TEXTS, "add_special_tokens": False}).json()
    tokens = [[row["id"] for row in each] for each in named]
    texts = post(rich, "/decode", {"ids": tokens}).json()
    np.testing.assert_allclose(rich.vectors({"input": tokens}), rich.vectors({"input": texts}), atol=1e-5)
    assert len(rich.vectors({"input": tokens[0]})) == 1
    bad = post(rich, "/v1/embeddings", {"input": [-5]})
    assert (bad.status_code, bad.json()["error"]["param"]) == (400, "input")


def test_a_packed_body_is_unpacked(rich: Service) -> None:
    import gzip

    packed = gzip.compress(json.dumps({"input": "PWM"}).encode())
    url = f"{rich.url}/v1/embeddings"

    def send(body: bytes, how: str) -> int:
        return requests.post(url, data=body, headers={"Content-Encoding": how}, timeout=10).status_code

    assert [send(packed, "gzip"), send(packed[:-9], "gzip"), send(b"x", "gzip"), send(packed, "br")] == [
        200,
        400,
        400,
        415,
    ]
    assert send(gzip.compress(b" " * (33 << 20)), "gzip") == 413


def test_origins_are_allowed_that_were_named(rich: Service) -> None:
    for origin, allowed in (("https://a.example", "https://a.example"), ("https://b.example", None)):
        answer = post(rich, "/v1/embeddings", {"input": "a"}, Origin=origin)
        assert answer.headers.get("access-control-allow-origin") == allowed
    asked = {
        "Origin": "https://a.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    assert requests.options(f"{rich.url}/v1/embeddings", headers=asked, timeout=10).status_code == 200


def test_a_long_text_is_refused_and_named(rich: Service) -> None:
    error = post(rich, "/v1/embeddings", {"input": ["a", "b" * 9001]}).json()["error"]
    assert (error["code"], error["message"]) == (
        "string_above_max_length",
        "input[1] has 9,001 characters; at most 9,000 are accepted",
    )


def test_slow_and_half_sent_requests_are_cut_and_stop_nobody(rich: Service) -> None:
    host, port = rich.url.removeprefix("http://").split(":")
    open_ = [socket.create_connection((host, int(port))) for _ in range(60)]  # twice what is allowed
    body = socket.create_connection((host, int(port)))
    body.sendall(b"POST /v1/embeddings HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n{")
    try:
        for each in open_[::2]:
            each.sendall(b"POST /v1/embeddings HTTP/1.1\r\nHo")
        started = time.perf_counter()
        assert post(rich, "/v1/embeddings", {"input": "a"}).status_code == 200
        assert time.perf_counter() - started < 5
        body.settimeout(10)
        assert b" 408 " in body.recv(4096)
        for each in open_:
            each.settimeout(10)
            try:
                assert each.recv(10) == b""
            except ConnectionResetError:
                continue
    finally:
        for each in (*open_, body):
            each.close()


def test_the_log_has_sizes_and_no_texts(rich: Service) -> None:
    answer = post(rich, "/v1/embeddings", {"input": ["secret words", "b"]}, **{"X-Request-Id": "r-1"})
    assert answer.headers["x-request-id"] == "r-1"
    lines = [json.loads(line) for line in rich.log.read_text(encoding="utf-8").splitlines()]
    mine = next(line for line in lines if line["id"] == "r-1")
    assert (mine["path"], mine["status"], mine["texts"], mine["model"]) == ("/v1/embeddings", 200, 2, "mine")
    assert mine["tokens"] > 10
    assert "secret" not in rich.log.read_text(encoding="utf-8")


@pytest.mark.parametrize("ranker", ["auto", "hybrid", "lexical", "dense"])
def test_search_is_that_of_the_command(ranker: str, rich: Service, corpus: Path, tiny_model: Path) -> None:
    options = SearchOptions(query="펄스 폭 변조", model=str(tiny_model), corpus=corpus, ranker=ranker)
    wanted = search(options)[0].hits
    answer = post(rich, "/v1/search", {"query": "펄스 폭 변조", "ranker": ranker, "top_k": 2}).json()
    hits = answer["data"][0]["hits"]
    assert (answer["ranker"], answer["entries"], hits[0]["term"]) == (ranker, 2, "PWM")
    assert [hit["term"] for hit in hits] == [hit.term for hit in wanted]
    np.testing.assert_allclose([hit["score"] for hit in hits], [hit.score for hit in wanted], atol=1e-5)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "query is missing"),
        ({"query": " "}, "query[0] is empty"),
        ({"query": ["a"] * 65}, "at most 64"),
        ({"query": "a", "ranker": "best"}, "ranker is 'best'"),
        ({"query": "a", "top_k": True}, "top_k is not a whole number"),
        ({"query": "a", "rerank": 1}, "rerank is neither true nor false"),
    ],
)
def test_a_search_that_is_wrong_says_where(body: Any, message: str, rich: Service) -> None:
    answer = post(rich, "/v1/search", body)
    assert (answer.status_code, message in answer.json()["error"]["message"]) == (400, True)


def test_a_changed_corpus_is_searched_and_a_broken_one_is_not(rich: Service, corpus: Path) -> None:
    def entries() -> int:
        return int(post(rich, "/v1/search", {"query": "a"}).json()["entries"])

    before = corpus.read_text(encoding="utf-8")
    corpus.write_text("", encoding="utf-8")
    time.sleep(2.5)
    assert entries() == 2
    corpus.write_text(before + "op amp,amplifies the difference of two voltages\n", encoding="utf-8")
    until = time.monotonic() + 20
    while entries() != 3 and time.monotonic() < until:
        time.sleep(0.2)
    assert entries() == 3


def test_without_a_corpus_search_says_how_to_name_one(service: Service) -> None:
    answer = post(service, "/v1/search", {"query": "a"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "no_corpus")


def test_the_pages_need_nothing_from_elsewhere(rich: Service) -> None:
    page, docs = (requests.get(f"{rich.url}{path}", timeout=10) for path in ("/", "/docs"))
    for each in (page, docs):
        assert each.headers["content-type"].startswith("text/html")
        assert "default-src 'none'" in each.headers["content-security-policy"]
        assert "src=" not in each.text
        assert "https://" not in each.text
    spec = requests.get(f"{rich.url}/openapi.json", timeout=10).json()
    assert spec["openapi"] == "3.1.0"
    assert {"/v1/embeddings", "/v1/search", "/embed", "/api/embed"} <= set(spec["paths"])
    for path, operations in spec["paths"].items():
        if "post" in operations:
            example = operations["post"]["requestBody"]["content"]["application/json"]["example"]
            answer = post(rich, path.replace("{deployment}", "mine"), example)
            assert answer.status_code == 200, (path, answer.text)
            assert path in docs.text


def test_clients_of_other_servers_are_answered_in_their_form(rich: Service) -> None:
    wanted = np.array(
        [row["embedding"] for row in post(rich, "/v1/embeddings", {"input": TEXTS}).json()["data"]]
    )
    for path in ("/embed", "/"):
        np.testing.assert_allclose(post(rich, path, {"inputs": TEXTS}).json(), wanted, atol=1e-5)
    ollama = post(rich, "/api/embed", {"model": "mine:latest", "input": TEXTS}).json()
    np.testing.assert_allclose(ollama["embeddings"], wanted, atol=1e-5)
    assert ollama["prompt_eval_count"] > 5
    azure = post(rich, "/openai/deployments/mine/embeddings?api-version=2024-10-21", {"input": TEXTS})
    assert azure.json()["usage"]["prompt_tokens"] == ollama["prompt_eval_count"]
    near = post(rich, "/similarity", {"inputs": {"source_sentence": TEXTS[0], "sentences": TEXTS[1:]}}).json()
    np.testing.assert_allclose(near, wanted[1:] @ wanted[0], atol=1e-5)
    assert requests.get(f"{rich.url}/info", timeout=10).json()["max_input_length"] == 64
    names = requests.get(f"{rich.url}/api/tags", timeout=10).json()["models"]
    assert names[0]["name"] == "mine:latest"


def test_texts_are_ranked_in_the_form_of_text_embeddings_inference(
    rich: Service, cross_encoder: Path
) -> None:
    from sentence_transformers import CrossEncoder
    from torch.nn import Identity

    texts = ["diode lets current pass", "", "펄스 폭 변조", "noise " * 80, "diode lets current pass"]
    model = CrossEncoder(str(cross_encoder), device="cpu")
    pairs = [("what is PWM?", text) for text in texts]
    for raw, activation in ((False, None), (True, Identity())):
        wanted = model.predict(pairs, activation_fn=activation, show_progress_bar=False)
        body = {"query": "what is PWM?", "texts": texts, "raw_scores": raw, "return_text": raw}
        ranks = post(rich, "/rerank", body).json()
        assert [set(rank) for rank in ranks] == [{"index", "score", *(["text"] if raw else [])}] * 5
        np.testing.assert_allclose(
            [rank["score"] for rank in sorted(ranks, key=lambda rank: rank["index"])], wanted, atol=1e-5
        )
        assert [rank["score"] for rank in ranks] == sorted((rank["score"] for rank in ranks), reverse=True)
        assert all(rank["text"] == texts[rank["index"]] for rank in ranks if raw)
    body = {"query": "what is PWM?", "documents": texts, "top_n": 2, "return_documents": True}
    answer = post(rich, "/v1/rerank", body).json()
    assert post(rich, "/rerank", body).json()["results"] == answer["results"]  # as vLLM has it
    assert [(each["index"], each["document"]["text"]) for each in answer["results"]] == [
        (rank["index"], rank["text"]) for rank in ranks[:2]
    ]
    assert answer["usage"]["total_tokens"] > 40


def test_a_search_is_ordered_anew_by_the_cross_encoder(rich: Service, cross_encoder: Path) -> None:
    body = {"query": ["one way", "펄스"], "ranker": "lexical", "top_k": 2}
    plain, anew = (post(rich, "/v1/search", body | {"rerank": rerank}).json() for rerank in (False, True))
    assert (plain["cross_encoder"], anew["cross_encoder"]) == (None, "encoder")
    for query, row, other in zip(body["query"], anew["data"], plain["data"], strict=True):
        texts = [f"{hit['term']}: {hit['text']}" for hit in row["hits"]]
        ranks = post(rich, "/rerank", {"query": query, "texts": texts}).json()
        assert [rank["index"] for rank in ranks] == [0, 1]
        np.testing.assert_allclose(
            [hit["score"] for hit in row["hits"]], [rank["score"] for rank in ranks], atol=1e-5
        )
        first = post(rich, "/v1/search", body | {"query": query, "rerank": True, "candidates": 1, "top_k": 1})
        assert first.json()["data"][0]["hits"][0]["term"] == other["hits"][0]["term"]


def test_without_a_cross_encoder_nothing_is_ranked(service: Service, corpus: Path) -> None:
    for path, body in (("/rerank", {"query": "a", "texts": ["b"]}), ("/v1/rerank", {})):
        answer = post(service, path, body)
        assert (answer.status_code, "--cross-encoder" in answer.text) == (501, True)
    assert "/rerank" not in requests.get(f"{service.url}/openapi.json", timeout=10).json()["paths"]


@pytest.mark.parametrize(
    ("path", "body", "status", "error"),
    [
        ("/embed", {"inputs": None}, 422, "inputs is missing"),
        ("/embed", {"inputs": "a", "normalize": False}, 422, "normalize is false"),
        ("/embed", {"inputs": "가 " * 80, "truncate": False}, 413, "truncate is false"),
        ("/embed", {"inputs": "a", "prompt_name": "x"}, 422, "prompt_name is 'x'"),
        ("/embed_all", {"inputs": "a"}, 501, "vectors of single tokens"),
        ("/rerank", {"query": "a", "texts": []}, 422, "texts is an empty list"),
        ("/rerank", {"query": "a", "texts": "b"}, 422, "texts is not a list"),
        ("/rerank", {"query": "a", "texts": ["b", 1]}, 422, "texts[1] is not a text"),
        ("/rerank", {"query": "a", "texts": ["b" * 9001]}, 422, "at most 9,000"),
        ("/rerank", {"query": "a", "texts": ["b"] * 2049}, 422, "at most 2,048"),
        ("/rerank", {"query": ["a"], "texts": ["b"]}, 422, "query is not one text"),
        ("/rerank", {"texts": ["b"]}, 422, "query is missing"),
        ("/rerank", {"query": "a", "texts": ["b"], "raw_scores": "yes"}, 422, "raw_scores is neither"),
        ("/rerank", {"query": "a", "texts": ["b " * 80], "truncate": False}, 413, "truncate is false"),
        ("/v1/rerank", {"query": "a", "documents": [{"title": "b"}]}, 400, "documents[0] is not a text"),
        ("/v1/rerank", {"query": "a", "documents": ["b"], "model": "gpt"}, 404, "'gpt' is not served"),
        ("/similarity", {"inputs": "a"}, 422, "not a JSON object"),
        ("/api/embed", {"input": "a"}, 400, "model is missing"),
        ("/api/embed", {"input": "a", "model": "llama3"}, 404, "'llama3' is not served here"),
        ("/openai/deployments/gpt/embeddings", {"input": "a"}, 404, "'gpt' is not served here"),
    ],
)
def test_their_errors_have_their_form(path: str, body: Any, status: int, error: str, rich: Service) -> None:
    answer = post(rich, path, body)
    told = answer.json()["error"]
    assert answer.status_code == status
    assert error in (told["message"] if isinstance(told, dict) else told)


def test_each_client_has_a_key_and_a_rate(tiny_model: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("# team\nana key-of-ana\nkey-of-bob\n", encoding="utf-8")
    keys.chmod(0o600)
    with served(
        tiny_model, "--key-file", str(keys), "--rate-limit", "3", EMBEDKIT_API_KEY="one,two"
    ) as service:

        def ask(key: str) -> requests.Response:
            return service.ask({"input": "a"}, key=key)

        assert [ask("key-of-ana").status_code for _ in range(4)] == [200, 200, 200, 429]
        refused = ask("key-of-ana")
        assert (refused.json()["error"]["code"], int(refused.headers["retry-after"]) > 5) == (
            "rate_limit_exceeded",
            True,
        )
        assert [ask(key).status_code for key in ("key-of-bob", "one", "two", "one,two", "ana")] == [
            200,
            200,
            200,
            401,
            401,
        ]
        assert post(service, "/v1/embeddings", {"input": "a"}, **{"api-key": "one"}).status_code == 200


def test_what_cannot_be_served_is_told_before_the_model_is_loaded(tiny_model: Path, tmp_path: Path) -> None:
    from embedkit.errors import UserError
    from embedkit.serving import ServeOptions, serve

    def file(name: str, text: str, mode: int) -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
        return path

    for options, message in (
        ({"key_file": file("open", "key-of-ana\n", 0o644)}, "everyone on this machine may read it"),
        ({"key_file": file("short", "abc\n", 0o600)}, "short:1: is not a key of at least 8 characters"),
        ({"key_file": file("none", "# none\n", 0o600)}, "holds no keys"),
        ({"key_file": tmp_path / "missing"}, "missing: cannot be read"),
        ({"corpus": tmp_path / "none.csv"}, "none.csv"),
        ({"token_arrays": "nonesuch"}, "'nonesuch' is neither model nor one of"),
        ({"access_log": str(tmp_path)}, "cannot be written"),
        ({"backend": "tensor"}, "is not one of"),
    ):
        with pytest.raises(UserError) as caught:
            serve(ServeOptions(model=str(tiny_model), port=0, **options))
        assert message in str(caught.value), options


def test_workers_share_an_address_a_count_and_the_end(tiny_model: Path, corpus: Path) -> None:
    options = ("--backend", "auto", "--workers", "2", "--corpus", str(corpus))
    with served(tiny_model, *options) as service:
        with ThreadPoolExecutor(8) as clients:
            got = list(clients.map(lambda n: service.ask({"input": f"text {n}"}).status_code, range(60)))
        assert got == [200] * 60
        lines = requests.get(f"{service.url}/metrics", timeout=10).text.splitlines()
        counts = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        assert float(counts["embedkit_texts_total"]) == 60
        first = post(service, "/v1/embeddings", {"input": ["PWM"]}).json()["data"][0]["embedding"]
        together = post(service, "/v1/embeddings", {"input": ["PWM", "a diode", "펄스"]}).json()
        assert together["data"][0]["embedding"] == first  # in int8, too, whatever stands beside it
        own = f"/proc/{service.process.pid}/task/{service.process.pid}/children"
        children = Path(own).read_text(encoding="ascii").split()
        os.kill(int(children[0]), signal.SIGKILL)
        until = time.monotonic() + 20
        while len(set(Path(own).read_text(encoding="ascii").split()) - set(children)) < 1:
            assert time.monotonic() < until
            time.sleep(0.05)
        assert service.ask({"input": "a"}).status_code == 200
        service.process.terminate()
        assert service.process.wait(30) == -signal.SIGTERM
        assert service.process.stderr is not None
        told = service.process.stderr.read()
        assert "by onnx-int8" in told
        assert "another takes its place" in told
        assert "Traceback" not in told


def test_a_stop_under_load_leaves_no_request_without_an_answer(tiny_model: Path) -> None:
    with served(tiny_model) as service, ThreadPoolExecutor(8) as clients:
        stop = time.monotonic() + 1.0

        def client(_: int) -> list[int]:
            seen = []
            with requests.Session() as session:
                while time.monotonic() < stop + 5:
                    try:
                        answer = session.post(f"{service.url}/v1/embeddings", json={"input": "a"}, timeout=20)
                    except requests.ConnectionError as error:
                        assert time.monotonic() > stop, error
                        assert (
                            "Connection refused" in str(error)
                            or "closed" in str(error)
                            or "reset" in str(error)
                        )
                        return seen
                    seen.append(answer.status_code)
            return seen

        asked = [clients.submit(client, n) for n in range(8)]
        time.sleep(1.0)
        service.process.terminate()
        for each in asked:
            assert set(each.result(30)) <= {200, 503}
        assert service.process.wait(30) == -signal.SIGTERM
