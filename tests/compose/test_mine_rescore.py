"""Rescoring by a cross-encoder: a tiny real one, its bar, its receipts, and what is no cross-encoder."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from embedkit.compose import ComposeOptions, compose
from embedkit.compose.mine.candidates.base import NO_INDICES, Bar, Candidates, Question
from embedkit.compose.mine.candidates.cross_encoder import DEPTH, Rescorer, RescoringMiner
from embedkit.compose.mine.candidates.lexical import LexicalMiner
from embedkit.errors import UserError
from embedkit.models.cross_encoder import find_cross_encoder
from embedkit.models.resolve import weights_hash

from .conftest import Run, made_glossary, rows_of


def own_scores(folder: Path, pairs: Sequence[tuple[str, str]]) -> list[float]:
    """What sentence-transformers' own CrossEncoder says."""
    from sentence_transformers import CrossEncoder

    model = CrossEncoder(str(folder), device="cpu", local_files_only=True)
    scores: list[float] = model.predict(list(pairs), show_progress_bar=False).tolist()
    return scores


class Counting:
    """A rescorer that counts how often and with how many pairs it is asked."""

    weights = "lengths"

    def __init__(self) -> None:
        self.calls: list[int] = []

    def scores(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        self.calls.append(len(pairs))
        return np.array([1 / (1 + abs(len(left) - len(right))) for left, right in pairs])


def test_scores_are_those_of_sentence_transformers(cross_encoder: Path) -> None:
    pairs = [("diode", "lets current pass"), ("저항", "limits the current"), ("diode", "lets current pass")]
    scores = Rescorer(find_cross_encoder(str(cross_encoder))).scores(pairs)
    assert scores.tolist() == pytest.approx(own_scores(cross_encoder, pairs), abs=1e-5)


def test_rows_are_rescored_in_one_call() -> None:
    pool = [f"lamp {n} {'x' * n}" for n in range(60)]
    counting = Counting()
    miner = RescoringMiner(LexicalMiner(pool, spelled=False), pool, counting, bar=Bar())  # type: ignore[arg-type]
    questions = [Question(text, text, np.array([n], dtype=np.int64)) for n, text in enumerate(pool[:10])]
    rankings: list[Candidates] = list(miner.rank(questions, 3))
    assert len(counting.calls) == 1
    assert counting.calls[0] == 10 * (DEPTH + 1)
    assert len(rankings) == 10


def test_its_bar_is_held_against_its_own_scores() -> None:
    pool = ["lamp aa", "lamp cccccc", "lamp x"]
    miner = RescoringMiner(LexicalMiner(pool, spelled=False), pool, Counting(), bar=Bar(0.5))  # type: ignore[arg-type]
    ranked = next(iter(miner.rank([Question("lamp 0", "lamp 1", NO_INDICES)], 3)))
    assert ranked.indices.tolist() == [0, 1]
    assert ranked.refused is not None
    assert (ranked.refused.own, ranked.refused.bar) == (1, 0.5)
    assert ranked.refused.indices.tolist() == [2]


def test_the_deeper_look_ends_the_search() -> None:
    def rank(limit: int) -> Iterator[Candidates]:
        pool = [f"lamp {n}" for n in range(400)]
        miner = RescoringMiner(LexicalMiner(pool, spelled=False), pool, Counting(), bar=Bar(0.1))  # type: ignore[arg-type]
        return miner.rank([Question("lamp", "lamp", NO_INDICES)], limit)

    assert not next(rank(3)).complete
    assert next(rank(DEPTH + 1)).complete


def test_compose_writes_its_receipts(cross_encoder: Path, tmp_path: Path) -> None:
    table = made_glossary(tmp_path / "g.csv", terms=14)
    output = tmp_path / "p.jsonl"
    options = ComposeOptions(
        inputs=[str(table)],
        output=str(output),
        kinds="term-definition,alias-definition,abbreviation-full_form",  # rows that are mined themselves
        miner="lexical",
        split="1/0/0",
        cross_encoder=str(cross_encoder),
        max_relative=1.0,
        max_score=0.999,
    )
    compose(options)
    rows = rows_of(output)
    assert all(len(row["hard_negatives"]) == 3 for row in rows)
    rescored = [
        (row["anchor"], text, m)
        for row in rows
        for text, m in zip(row["hard_negatives"], row["mining"], strict=True)
        if m["miner"] == "cross-encoder"
    ]
    weights = weights_hash(str(cross_encoder))
    assert {m["weights"] for _, _, m in rescored} == {weights}
    scores = own_scores(cross_encoder, [(anchor, text) for anchor, text, _ in rescored])
    assert [m["score"] for _, _, m in rescored] == pytest.approx(scores, abs=1e-5)
    own = own_scores(cross_encoder, [(row["anchor"], row["positive"]) for row in rows])
    bars = {row["anchor"] + row["positive"]: score for row, score in zip(rows, own, strict=True)}
    assert all(
        m["score"] <= bars[row["anchor"] + row["positive"]] + 1e-5
        for row in rows
        for m in row["mining"]
        if m["rule"] == "bar"
    )
    manifest = json.loads((tmp_path / "p.manifest.json").read_text(encoding="utf-8"))
    assert manifest["settings"]["cross_encoder_weights"] == weights


def test_an_embedding_model_is_no_cross_encoder(run: Run, tmp_path: Path, tiny_model: Path) -> None:
    made_glossary(tmp_path / "g.csv", terms=6)
    done = run("compose", "--input", "g.csv", "--miner", "lexical", "--cross-encoder", str(tiny_model))
    assert done.returncode == 2
    assert "is not a cross-encoder" in done.stderr
    assert not (tmp_path / "data").exists()


def test_a_model_of_three_classes_is_refused(
    build_cross_encoder: Callable[..., Path], tmp_path: Path
) -> None:
    folder = build_cross_encoder(tmp_path / "three", labels=3)
    with pytest.raises(UserError, match="gives 3 scores a pair"):
        Rescorer(find_cross_encoder(str(folder))).scores([("a", "b")])


def test_a_model_that_is_not_there_is_refused_before_any_work(run: Run, tmp_path: Path) -> None:
    made_glossary(tmp_path / "g.csv", terms=6)
    done = run("compose", "--input", "g.csv", "--miner", "lexical", "--cross-encoder", "no/where/at/all")
    assert done.returncode == 2
    assert "no model" in done.stderr
