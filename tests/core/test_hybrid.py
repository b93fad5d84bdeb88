"""The share of meaning beside words: learnt on dev questions, written whole, used by the rankers."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from embedkit.data.entries import Entry
from embedkit.errors import UserError
from embedkit.models.resolve import resolve_model, weights_hash
from embedkit.models.vectors import Encoder
from embedkit.ranking.hybrid.learning import GRID, choose, learn
from embedkit.ranking.hybrid.questions import KnownQuestion, KnownSet
from embedkit.ranking.hybrid.shares import (
    DEFAULT_SHARE,
    LanguageShare,
    LearntShares,
    keep_shares,
    read_shares,
    shares_of,
    write_shares,
)

DEFAULT = GRID.index(DEFAULT_SHARE)
KOREAN = LanguageShare(
    lang="ko", share=0.0, hybrid=0.1, definitions=0.5, questions=60, recall=(0.9, 0.9, 0.1)
)
LEARNT = LearntShares((KOREAN,))


def asked(count: int, kind: str = "question") -> list[KnownQuestion]:
    return [
        KnownQuestion(text=f"{kind} {n}", kind=kind, lang="en", concept=f"c{n}", right=np.array([0]))
        for n in range(count)
    ]


def right(count: int, hits: dict[int, int]) -> NDArray[np.bool_]:
    """Of each share of the grid, how many of the first questions it answers."""
    found = np.zeros((count, len(GRID)), dtype=np.bool_)
    for column in range(len(GRID)):
        found[: hits.get(column, 0), column] = True
    return found


def test_the_default_wins_unless_another_is_better_by_more_than_the_noise() -> None:
    questions = asked(100)
    best = len(GRID) - 1
    assert choose(questions, right(100, {DEFAULT: 60, best: 60}), range(len(GRID))) == DEFAULT
    assert choose(questions, right(100, {DEFAULT: 60, best: 61}), range(len(GRID))) == DEFAULT
    assert choose(questions, right(100, {DEFAULT: 60, best: 80}), range(len(GRID))) == best


def test_of_shares_that_are_as_good_the_nearest_to_the_default_wins() -> None:
    hits = {DEFAULT: 30, DEFAULT + 1: 79, DEFAULT + 2: 80, DEFAULT + 3: 80}
    assert choose(asked(100), right(100, hits), range(len(GRID))) == DEFAULT + 1


def test_a_persons_questions_count_most() -> None:
    questions = [*asked(40), *asked(40, "described")]
    found = right(80, {})
    found[:30, 0] = True  # made questions are answered by words
    found[40:60, -1] = True  # a person's by the model
    assert choose(questions, found, range(len(GRID))) == len(GRID) - 1


def test_questions_of_one_concept_are_one_draw() -> None:
    one = [replace(question, concept="same") for question in asked(100)]
    found = right(100, {DEFAULT: 60, 0: 75})
    apart = asked(100)
    assert choose(apart, found, range(len(GRID))) == 0
    tied = [*one[60:75], *apart[:60], *apart[75:]]
    found[:, 0], found[:, DEFAULT] = np.arange(100) < 15, False
    assert choose(apart, found, range(len(GRID))) == 0
    assert choose(tied, found, range(len(GRID))) == DEFAULT


def test_few_questions_teach_nothing(tiny_model: Path) -> None:
    entries = tuple(Entry(term=f"부품{n}", definition=f"무엇 {n}") for n in range(60))
    questions = tuple(
        KnownQuestion(text=f"부품{n}?", kind="question", lang="ko", concept=f"c{n}", right=np.array([n]))
        for n in range(60)
    )
    encoder = Encoder(resolve_model(str(tiny_model)))

    def learnt(count: int) -> LearntShares:
        known = KnownSet(questions=questions[:count], entries=entries, corpus="", files=(), dropped={})
        return learn(known, encoder)

    assert learnt(49) == LearntShares()
    (one,) = learnt(60).languages
    assert (one.lang, one.questions) == ("ko", 60)
    assert 0 < one.hybrid < 1
    assert all(0 <= value <= 1 for value in one.recall)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_shares(tmp_path / "ranker.json", LEARNT)
    assert read_shares(tmp_path / "ranker.json") == LEARNT


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"languages": [{"lang": "ko", "share": 2}]}'])
def test_a_damaged_file_is_named(text: str, tmp_path: Path) -> None:
    path = tmp_path / "ranker.json"
    path.write_text(text)
    with pytest.raises(UserError, match="not the shares of a ranker") as caught:
        read_shares(path)
    assert (caught.value.place, "delete it" in caught.value.hint) == (str(path), True)


def test_a_share_out_of_range_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "ranker.json"
    write_shares(path, LEARNT)
    value = json.loads(path.read_text())
    value["languages"][0]["share"] = 1.5
    path.write_text(json.dumps(value))
    with pytest.raises(UserError, match="not the shares"):
        read_shares(path)


def test_each_ranker_takes_its_share() -> None:
    queries = ["what is it?", "무엇인가요"]
    assert LEARNT.shares(queries).tolist() == pytest.approx([DEFAULT_SHARE, 0])
    assert LEARNT.shares(queries, names=False).tolist() == pytest.approx([DEFAULT_SHARE, 0.5])
    assert LEARNT.shares(queries, "hybrid").tolist() == pytest.approx([DEFAULT_SHARE, 0.1])
    assert LEARNT.shares(queries, "dense").tolist() == [1, 1]
    assert LEARNT.shares(queries, "lexical").tolist() == [0, 0]
    assert KOREAN.ranker == "lexical"


def _other_weights(model: Path) -> None:
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")


def test_a_run_and_its_model_have_the_same_shares_and_a_plain_model_none(
    tmp_path: Path, tiny_model: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(tiny_model, run / "model")
    (run / "config.json").write_text("{}")
    keep_shares(LEARNT, run / "model")
    found = shares_of(resolve_model(str(run)))
    assert found == shares_of(resolve_model(str(run / "model")))
    assert found.languages == LEARNT.languages
    assert shares_of(resolve_model(str(tiny_model))) == LearntShares()


def test_the_file_of_an_earlier_run_lies_beside_its_model(tmp_path: Path, tiny_model: Path) -> None:
    shutil.copytree(tiny_model, tmp_path / "run" / "model")
    write_shares(tmp_path / "run" / "ranker.json", LEARNT)
    assert shares_of(resolve_model(str(tmp_path / "run"))) == LEARNT


def test_a_copied_model_has_its_shares_and_one_of_other_weights_has_none(
    tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, copied = tmp_path / "model", tmp_path / "copied"
    shutil.copytree(tiny_model, model)
    before = weights_hash(str(model))
    keep_shares(LEARNT, model)
    assert weights_hash(str(model)) == before, "its vectors are still those of the cache"
    shutil.copytree(model, copied)
    (copied / "notes.txt").write_text("mine")
    assert shares_of(resolve_model(str(copied))).languages == LEARNT.languages
    assert capsys.readouterr().err == ""
    _other_weights(copied)
    assert shares_of(resolve_model(str(copied))) == LearntShares()
    assert "ranker.json was learnt for other weights: the search keeps" in capsys.readouterr().err


def test_nothing_learnt_is_nothing_written(tmp_path: Path) -> None:
    keep_shares(LearntShares(), tmp_path)
    assert not list(tmp_path.iterdir())
