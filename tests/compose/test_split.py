"""Splitting by concept, and the proof that nothing leaks."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedkit.compose.concepts.claims import text_key
from embedkit.compose.concepts.graph import build
from embedkit.compose.rows.drafts import Draft, draft_rows
from embedkit.compose.rows.split import Part, assign, parse_split, prove
from embedkit.data.entries import Entry, Record
from embedkit.errors import UserError
from embedkit.ranking.near_duplicates import near_pairs

from .conftest import near_duplicates

SHARES = (0.6, 0.2, 0.2)


def records(pairs: list[tuple[str, str]]) -> list[Record]:
    return [Record("t", n, Entry(term=a, definition=b, lang="en"), True) for n, (a, b) in enumerate(pairs)]


def divided(
    pairs: list[tuple[str, str]], *, shares: tuple[float, float, float] = SHARES, seed: int = 0
) -> tuple[list[Draft], list[Part]]:
    known = records(pairs)
    drafts = list(draft_rows(known))
    texts = sorted({text for draft in drafts for text in (draft.anchor, draft.positive)})
    near = [(texts[i], texts[j]) for i, j in near_pairs(texts)]
    concepts = build(known)
    parts = assign(drafts, concepts, near, shares=shares, seed=seed)
    assert prove(drafts, parts, concepts, near).clean
    return drafts, parts


PLAIN = [(f"name {n} x", f"text {n} y") for n in range(100)]


def test_the_shares_are_met() -> None:
    _, parts = divided(PLAIN)
    assert [parts.count(part) for part in ("train", "dev", "test")] == [60, 20, 20]


def test_a_share_of_nothing_is_empty() -> None:
    _, parts = divided(PLAIN, shares=(1.0, 0.0, 0.0))
    assert set(parts) == {"train"}


def test_the_seed_decides() -> None:
    assert divided(PLAIN, seed=1)[1] == divided(PLAIN, seed=1)[1] != divided(PLAIN, seed=2)[1]


def test_an_ambiguous_abbreviation_keeps_its_concepts_in_one_part() -> None:
    pairs = [*PLAIN, *[("PCB", f"p{n} circuit board") for n in range(5)]]
    drafts, parts = divided(pairs)
    assert len({part for draft, part in zip(drafts, parts, strict=True) if draft.anchor == "PCB"}) == 1


_WORDS = st.sampled_from(
    ["red lamp", "lamps red", "Red-Lamp", "PCB", "printed circuit board", "blue", "azure", "sky"]
)
_LONG = st.sampled_from(
    [f"a long sentence about the {w} thing that goes on and on for a while" for w in ("red", "blue", "rod")]
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.one_of(_WORDS, _LONG), st.one_of(_WORDS, _LONG)), min_size=1, max_size=12),
    st.integers(0, 3),
)
def test_whatever_the_pairs_no_part_knows_a_text_of_another(pairs: list[tuple[str, str]], seed: int) -> None:
    drafts, parts = divided(pairs, seed=seed)
    for (left, here), (right, there) in combinations(zip(drafts, parts, strict=True), 2):
        if here != there:
            for a in (left.anchor, left.positive):
                for b in (right.anchor, right.positive):
                    assert text_key(a) != text_key(b)
                    assert not near_duplicates(a, b)


def test_the_proof_sees_a_leak() -> None:
    known = records([("a b", "c d"), ("c d", "e f"), ("g h", "i j")])
    drafts, concepts = list(draft_rows(known)), build(known)
    leak = prove(
        drafts, ["train", "test", "test"], concepts, [("a b", "g h")], negatives=[("train", ["i j"])]
    )
    assert (leak.shared_concepts, leak.shared_texts, leak.near_duplicates, leak.held_out_negatives) == (
        1,
        1,
        1,
        1,
    )


@pytest.mark.parametrize("text", ["0.8/0.1", "a/b/c", "0.5/0.1/0.1", "-1/1/1", "0/0/1", "nan/0/0", "inf/0/0"])
def test_a_split_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="TRAIN/DEV/TEST"):
        parse_split(text)


def test_whole_numbers_are_parts_of_their_sum() -> None:
    assert parse_split("8/1/1") == (0.8, 0.1, 0.1)
