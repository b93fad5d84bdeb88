"""The serving core: what a request may look like, and an export's vectors without torch."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedkit.errors import UserError
from embedkit.serving import ExportOptions, export
from embedkit.serving.score import ExportScorer, Limits, RequestError, load, parse_request
from embedkit.serving.score.tokens import TokenizedText

TEXTS = ["PWM", "a diode lets current pass one way", "펄스 폭 변조", "", "다이오드 " * 100]


@pytest.fixture(scope="module")
def folder(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling

    model = SentenceTransformer(str(tiny_model), device="cpu")
    pooling = Pooling(32, ["mean", "cls", "max"], include_prompt=False)
    model = SentenceTransformer(
        modules=[model[0], pooling, Normalize()], prompts={"query": "query: "}, device="cpu"
    )
    saved = tmp_path_factory.mktemp("score")
    model.save_pretrained(str(saved / "m"), create_model_card=False)
    return export(ExportOptions(model=str(saved / "m"), to=["onnx", "onnx-int8"], output=saved / "out"))


@pytest.fixture(scope="module")
def scorer(folder: Path) -> ExportScorer:
    return load(folder, threads=1)


def vectors(answer: dict[str, Any]) -> np.ndarray:
    return np.array([row["embedding"] for row in answer["data"]])


@pytest.mark.parametrize("role", ["query", "document"])
def test_the_vectors_are_torchs(role: str, folder: Path, scorer: ExportScorer) -> None:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu")
    wanted = {"query": model.encode_query, "document": model.encode_document}[role](TEXTS)
    answer = scorer.answer({"input": TEXTS, "input_type": role})
    np.testing.assert_allclose(vectors(answer), wanted, atol=1e-5)
    assert answer["truncated"] == [4]
    assert json.loads(json.dumps(answer)) == answer


def test_int8_is_near(folder: Path, scorer: ExportScorer) -> None:
    near = vectors(load(folder, graph="onnx-int8").answer({"input": TEXTS}))
    assert np.einsum("ij,ij->i", near, vectors(scorer.answer({"input": TEXTS}))).min() > 0.95


def test_a_part_of_a_long_text_is_read_and_gives_the_vector_of_the_whole(scorer: ExportScorer) -> None:
    text = "다이오드 " * 200_000
    asked = scorer.answer({"input": [text, text[:5000], " " * 9000 + "PWM"]})
    np.testing.assert_array_equal(vectors(asked)[0], vectors(asked)[1])
    assert asked["truncated"] == [0, 1]


def test_the_form_is_openais(scorer: ExportScorer) -> None:
    answer = scorer.answer({"input": "PWM", "dimensions": 8, "encoding_format": "base64", "model": None})
    packed = np.frombuffer(base64.b64decode(answer["data"][0]["embedding"]), dtype="<f4")
    first = vectors(scorer.answer({"input": "PWM"}))[0, :8]
    np.testing.assert_allclose(packed, first / np.linalg.norm(first), atol=1e-6)
    assert answer["usage"] == {"prompt_tokens": 5, "total_tokens": 5}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([], "the body is not a JSON object"),
        ({}, "input is missing"),
        ({"input": None}, "input is missing"),
        ({"input": {}}, "input is neither a text nor a list of texts"),
        ({"input": []}, "input is an empty list"),
        ({"input": ["a", 1]}, "input[1] is not a text"),
        ({"input": ["a", [1]]}, "input[1] is not a text"),
        ({"input": [1, 2]}, "--token-arrays"),
        ({"input": [[1, 2], "a"]}, "input[1] is not an array of tokens"),
        ({"input": ["a", "bbbbbb"]}, "input[1] has 6 characters; at most 5"),
        ({"input": ["a"] * 4}, "input has 4 texts; at most 3"),
        ({"input": "\ud800"}, "input[0] holds half a surrogate pair"),
        ({"input": "a", "dimensions": True}, "dimensions is not a whole number"),
        ({"input": "a", "dimensions": 8.0}, "dimensions is not a whole number"),
        ({"input": "a", "dimensions": 0}, "dimensions is not a whole number"),
        (
            {"input": "a", "encoding_format": "int8"},
            "encoding_format is 'int8'; wanted is 'float' or 'base64'",
        ),
        ({"input": "a", "input_type": []}, "input_type is []"),
        ({"input": "a", "model": 7}, "model is not a text"),
    ],
)
def test_a_request_that_is_wrong_is_a_400_that_says_where(body: Any, message: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse_request(body, limits=Limits(texts=3, characters=5))
    assert message in str(caught.value)
    assert caught.value.status == 400
    assert caught.value.to_object()["error"]["type"] == "invalid_request_error"


def test_null_is_as_good_as_absent() -> None:
    optional = dict.fromkeys(("model", "encoding_format", "dimensions", "input_type", "user"))
    assert parse_request({"input": ["a"], **optional}) == parse_request({"input": "a"})


def test_tokens_are_decoded_where_there_is_a_tokenizer() -> None:
    asked = parse_request({"input": [[1, 2], [3]]}, decode=lambda arrays: [str(sum(each)) for each in arrays])
    assert asked.texts == ("3", "3")
    assert parse_request({"input": [1, 2]}, decode=lambda arrays: [str(list(a)) for a in arrays]).texts == (
        "[1, 2]",
    )


def test_more_dimensions_than_there_are_and_another_model_are_refused(scorer: ExportScorer) -> None:
    for body, status in (({"input": "a", "dimensions": 97}, 400), ({"input": "a", "model": "gpt"}, 404)):
        with pytest.raises(RequestError) as caught:
            scorer.answer(body)
        assert caught.value.status == status


def test_what_is_no_export_is_told(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no export"):
        load(tmp_path)
    with pytest.raises(UserError, match="has no graph 'openvino'; it has onnx, onnx-int8"):
        load(folder, graph="openvino")


def test_it_needs_neither_torch_nor_a_web_framework() -> None:
    heavy = {"torch", "starlette", "pydantic", "transformers"}
    code = f"import sys, embedkit.serving.score; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_text_without_tokens_is_one_pad_token(scorer: ExportScorer) -> None:
    tokenizer = scorer._tokenizer
    nothing = TokenizedText([], [], cut=False)
    (group,) = tokenizer.groups([nothing, nothing], size=2, overhead=1)
    assert group.arrays["input_ids"].shape == group.arrays["attention_mask"].shape == (2, 1)
    assert group.arrays["attention_mask"].all()
