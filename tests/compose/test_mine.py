"""Mining: what is never a negative, that no row is lost, and that nothing depends on blocks."""

from __future__ import annotations

import csv
import json
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from embedkit.compose import ComposeOptions, compose
from embedkit.compose.concepts.graph import build
from embedkit.compose.mine.candidates.base import Bar, Candidates, Question, best_first
from embedkit.compose.mine.candidates.dense import DenseMiner
from embedkit.compose.mine.candidates.hybrid import HybridMiner
from embedkit.compose.mine.candidates.lexical import QUERY_FEATURES, LexicalMiner, features
from embedkit.compose.mine.choose import Choice, choose_miner, miner_factory
from embedkit.compose.mine.hubs import LEAST as HUB_LEAST
from embedkit.compose.mine.negatives import NegativeStore
from embedkit.compose.mine.options import MiningOptions
from embedkit.compose.mine.parts import Mined
from embedkit.compose.mine.pools import Mask
from embedkit.compose.mine.select import MinedRow, mine
from embedkit.compose.rows.drafts import draft_rows
from embedkit.data.entries import Entry, Record
from embedkit.errors import UserError
from embedkit.models.readable import unreadable_share
from embedkit.models.resolve import ModelSource
from embedkit.ranking.near_duplicates import near_pairs

from .conftest import near_duplicates

LEXICAL = miner_factory(Choice("lexical", "asked for"), MiningOptions())
NONE = np.empty(0, dtype=np.int64)


class Spelling:
    """An encoder whose vectors are letter counts: near texts are near, and no weights are needed."""

    source = ModelSource(requested="letters", path="letters", origin="folder")
    hash = "letters"

    def encode(self, texts: Sequence[str], *, role: str = "document") -> NDArray[np.float32]:
        counts = np.array(
            [[text.casefold().count(c) for c in "abcdefghijklmnopqrstuvwxyz"] for text in texts]
        )
        vectors = counts.astype(np.float32) + 1e-3
        unit: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit


def dense(
    pool: Sequence[str], *, max_relative: float = 0.95, bar: Bar | None = None, budget_bytes: int = 1 << 20
) -> DenseMiner:
    bar = bar or Bar(max_relative=max_relative)
    return DenseMiner(pool, Spelling(), bar=bar, budget_bytes=budget_bytes)  # type: ignore[arg-type]


def stated(*pairs: tuple[str, str]) -> list[Record]:
    return [
        Record("t.csv", n, Entry(term=a, definition=b, lang="en"), True) for n, (a, b) in enumerate(pairs)
    ]


def collected(size: int, rows: Iterable[tuple[int, MinedRow]]) -> Mined:
    found = Mined(NegativeStore(size))
    for number, row in rows:
        found.add(number, row)
    return found


def mined(records: Sequence[Record], *, hard_k: int = 3) -> list[list[str]]:
    drafts = list(draft_rows(records))
    texts = sorted({text for draft in drafts for text in (draft.anchor, draft.positive)})
    near = [(texts[i], texts[j]) for i, j in near_pairs(texts)]
    rows = mine(drafts, Mask(build(records), near), LEXICAL, options=MiningOptions(hard_k=hard_k))
    found = collected(len(drafts), rows)
    return [[negative.text for negative in row] for row in found.negatives]


def test_no_text_of_the_concept_is_a_negative() -> None:
    chain = [("tree graph", "connected acyclic graph"), ("connected acyclic graph", "free tree")]
    others = [(f"graph number {n}", f"network {n}") for n in range(8)]
    for row in mined(stated(*chain, *others))[:2]:
        assert len(row) == 3
        assert not set(row) & {"tree graph", "connected acyclic graph", "free tree"}


def test_every_meaning_of_an_ambiguous_abbreviation_is_masked() -> None:
    both = [("PCB", "printed circuit board"), ("PCB", "polychlorinated carbon biphenyl")]
    others = [(f"circuit board {n}", f"carbon biphenyl {n}") for n in range(6)]
    rows = mined(stated(*both, *others))
    assert "polychlorinated carbon biphenyl" not in rows[0]
    assert "printed circuit board" not in rows[1]


def test_a_near_duplicate_of_the_positive_is_no_negative() -> None:
    text = "A two-terminal device that lets current pass in one direction and blocks it in the other"
    pairs = [
        ("diode", text),
        ("valve", text.replace("blocks", "stops")),
        *[(f"n{i}", f"device {i} " * 12) for i in range(6)],
    ]
    assert pairs[1][1] not in mined(stated(*pairs))[0]


def test_one_spelling_of_a_text_is_enough() -> None:
    pairs = [
        ("red lamp", "crimson light"),
        ("Blue Lamp", "blue-lamp"),
        ("blue lamp", "azure"),
        *[(f"x{i}", f"lamp {i}") for i in range(5)],
    ]
    for row in mined(stated(*pairs)):
        assert len({"".join(c for c in text.casefold() if c.isalnum()) for text in row}) == len(row)


def test_no_row_is_lost_when_no_word_is_shared() -> None:
    words = ["aa", "bb", "cc", "dd", "ee", "ff", "gg", "hh"]
    rows = mined(stated(*zip(words[::2], words[1::2], strict=True)))
    assert [len(row) for row in rows] == [3] * 4


def test_a_long_text_among_names_gets_names_when_there_is_nothing_else() -> None:
    long = "a name that goes on for so long that it could as well be a whole sentence"
    assert len(mined(stated(("short", long), *[(f"a{n}", f"b{n}") for n in range(5)]))[0]) == 3


def test_a_row_without_other_concepts_keeps_an_empty_list() -> None:
    assert mined(stated(("one", "two"))) == [[]]


def test_no_text_is_a_negative_all_the_time() -> None:
    pairs = [(f"alpha {n}", f"alpha beta {n}") for n in range(120)]
    counts: defaultdict[str, int] = defaultdict(int)
    for row in mined(stated(*pairs), hard_k=1):
        counts[row[0]] += 1
    assert max(counts.values()) <= HUB_LEAST


def test_negatives_of_a_definition_are_definitions_of_its_language_first() -> None:
    entries = [
        Entry(term=f"part {n}", definition=f"an english text about thing {n}", lang="en") for n in range(5)
    ]
    entries += [
        Entry(term=f"부품 {n}", definition=f"물건 {n}에 대한 한국어 설명", lang="ko") for n in range(5)
    ]
    records = [Record("t.csv", n, entry) for n, entry in enumerate(entries)]
    rows = mined(records)
    assert all("english" in text for row in rows[:5] for text in row)
    assert all("한국어" in text for row in rows[5:] for text in row)


def test_best_first_breaks_ties_by_place() -> None:
    ranked = best_first(np.array([3, 1, 2]), np.array([1.0, 1.0, 2.0]), 3)
    assert ranked.indices.tolist() == [2, 1, 3]
    assert ranked.complete


def test_korean_words_share_pairs_of_syllables_through_particles() -> None:
    assert set(features("다이오드를", spelled=False)) & set(features("다이오드는", spelled=False))


def test_bm25_ranks_the_rarer_word_first() -> None:
    pool = ["common word", "common rare", "common other", "common thing"]
    ranked = next(LexicalMiner(pool, spelled=False).rank([Question("rare", "common", NONE)], 4))
    assert pool[int(ranked.indices[0])] == "common rare"


def test_the_rare_words_of_a_long_positive_do_not_hide_those_it_shares() -> None:
    alone = " ".join(f"alone{n}" for n in range(2 * QUERY_FEATURES))
    pool = [f"{alone} coil", "coil in a field", "bird", "a bird named pulse"]
    blocked = np.array([0], dtype=np.int64)
    miner = LexicalMiner(pool, spelled=False)
    asked = [Question("term", pool[0], blocked), Question("pulse", pool[0], blocked)]
    found = [{pool[int(i)] for i in ranked.indices} for ranked in miner.rank(asked, 4)]
    assert found == [{"coil in a field"}, {"coil in a field", "a bird named pulse"}]


def test_definitions_find_the_neighbours_of_names_that_share_no_letters() -> None:
    pool, about = ["foo", "bar", "qux"], ["coil in a field", "coil near iron", "bird"]
    ranked = next(LexicalMiner(pool, spelled=True, about=about).rank([Question("a", "b", NONE, "coil")], 3))
    assert {pool[int(i)] for i in ranked.indices} == {"foo", "bar"}


POOL = sorted({f"{a}{b} {c}" for a in "abcd" for b in "efgh" for c in ("lamp", "pump", "gear", "wheel")})
QUESTIONS = [Question(text[::-1], text, np.array([n], dtype=np.int64)) for n, text in enumerate(POOL)]


def answers(rankings: Iterator[Candidates], limit: int) -> list[list[tuple[int, float]]]:
    return [list(zip(r.indices.tolist(), r.scores.tolist(), strict=True))[:limit] for r in rankings]


@pytest.mark.parametrize("budget", [1, 4096, 1 << 20])
def test_dense_answers_do_not_depend_on_the_block(budget: int) -> None:
    expected = answers(dense(POOL, budget_bytes=1 << 24).rank(QUESTIONS, 4), 4)
    assert answers(dense(POOL, budget_bytes=budget).rank(QUESTIONS, 4), 4) == expected


def test_lexical_answers_do_not_depend_on_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = answers(LexicalMiner(POOL, spelled=True).rank(QUESTIONS, 4), 4)
    monkeypatch.setattr("embedkit.compose.mine.candidates.lexical.BLOCK_CELLS", 1)
    assert answers(LexicalMiner(POOL, spelled=True).rank(QUESTIONS, 4), 4) == expected


def test_dense_is_exact_and_obeys_the_bar_and_the_mask() -> None:
    vectors = Spelling().encode(POOL).astype(np.float64)
    for question, ranked in zip(QUESTIONS, dense(POOL, max_relative=0.9).rank(QUESTIONS, 3), strict=True):
        anchor = Spelling().encode([question.anchor])[0].astype(np.float64)
        scores = np.round(vectors @ anchor, 6)
        own = float(Spelling().encode([question.positive])[0].astype(np.float64) @ anchor)
        allowed = [i for i in np.lexsort((np.arange(len(POOL)), -scores)) if scores[i] <= round(0.9 * own, 6)]
        allowed = [i for i in allowed if i not in question.blocked]
        assert ranked.indices.tolist()[:3] == [int(i) for i in allowed[:3]]


def test_hybrid_keeps_the_dense_bar() -> None:
    fused = HybridMiner(LexicalMiner(POOL, spelled=True), dense(POOL, max_relative=0.9))
    for question, ranked in zip(QUESTIONS, fused.rank(QUESTIONS, 3), strict=True):
        assert dense(POOL, max_relative=0.9).admits(question, ranked.indices).all()
        assert not set(ranked.indices.tolist()) & set(question.blocked.tolist())


def test_near_pairs_are_those_that_a_full_comparison_finds() -> None:
    rng = random.Random(3)
    words = [f"word{n}" for n in range(40)]
    texts = [" ".join(rng.choices(words, k=12)) for _ in range(60)]
    texts += [text.replace(text.split()[5], "other", 1) for text in texts[:20]] + [
        "fast diodes",
        "diode, fast",
    ]
    whole = {(i, j) for j in range(len(texts)) for i in range(j) if near_duplicates(texts[i], texts[j])}
    assert set(near_pairs(texts)) == whole
    assert len(whole) >= 20


def test_hard_names_are_no_near_duplicates() -> None:
    assert not near_duplicates("NPN transistor", "PNP transistor")
    assert near_duplicates("theory of fields", "Field theory")


def test_auto_is_lexical_where_the_model_is_not_at_hand() -> None:
    choice = choose_miner("auto", ["text"], model="nobody/nothing")
    assert (choice.miner, choice.source) == ("lexical", None)
    assert "nobody/nothing" in choice.reason


def test_an_unknown_miner_is_refused() -> None:
    with pytest.raises(UserError, match="not one of"):
        compose(ComposeOptions(inputs=["x.csv"], miner="magic", output="-"))


@pytest.fixture
def word_tokenizer(tmp_path: Path) -> ModelSource:
    tokenizers = pytest.importorskip("tokenizers")
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    tokenizer = tokenizers.Tokenizer(
        WordLevel({"[UNK]": 0, "diode": 1, "current": 2, "ᄀ": 3}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return ModelSource(requested="words", path=str(tmp_path), origin="folder")


def test_a_tokenizer_that_cannot_read_the_text_is_found_out(word_tokenizer: ModelSource) -> None:
    assert unreadable_share(word_tokenizer, ["diode current"]) == 0
    assert unreadable_share(word_tokenizer, ["다이오드 current ᄀ diode"]) == 0.5


def chain_pairs(path: Path) -> tuple[list[tuple[str, str]], dict[str, set[str]]]:
    """The synonym pairs of MathGloss and the Wikidata IDs of each name."""
    pairs: list[tuple[str, str]] = []
    ids: defaultdict[str, set[str]] = defaultdict(set)
    with path.open(encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle):
            values = [row["Wikidata Label"], *(v for k, v in row.items() if k.endswith(" Name"))]
            names = list(dict.fromkeys(v.strip() for v in values if v and v.strip()))
            for name in names:
                ids[name].add(row["Wikidata ID"])
            random.Random(row["Wikidata Label"]).shuffle(names)
            pairs += pairwise(names)
    return list(dict.fromkeys(pairs)), ids


def test_mathgloss_has_no_false_negative_and_loses_no_row(shared: Path, tmp_path: Path) -> None:
    pairs, ids = chain_pairs(shared / "samples" / "mathgloss" / "database.csv")
    table, output = tmp_path / "pairs.csv", tmp_path / "out.jsonl"
    with table.open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle).writerows(pairs)
    compose(ComposeOptions(inputs=[str(table)], output=str(output), miner="lexical", split="1/0/0"))
    rows = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == len(pairs) == 3515
    assert all(len(row["hard_negatives"]) == 3 for row in rows)
    assert not [row for row in rows for text in row["hard_negatives"] if ids[row["anchor"]] & ids[text]]
