"""Rows from arbitrary lists: books, no duplicates, no concept on both sides, negatives of other concepts."""

import json
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedkit.compose.templates.concepts import Concept, gather, split_families
from embedkit.compose.templates.lists import ListItem, Reading, read_list
from embedkit.compose.templates.neighbours import neighbours
from embedkit.compose.templates.pack import find_pack, load_pack
from embedkit.compose.templates.proof import SynthProof, giveaway, prove
from embedkit.compose.templates.rows import RowOptions, Shortfall, SynthRow, echoes, make_rows
from embedkit.data.table.opening import BINARY
from embedkit.data.tally import Tally
from embedkit.errors import UserError

PACKS = [load_pack(find_pack(name)) for name in ("electronics-ko", "games-en")]
VOCABULARY = "flux Flux pump pumps (PWM) PWM 전류 거울 전류거울 the [을/를] {term} x-y xy 3 C# …"
WORDS = st.sampled_from(VOCABULARY.split())
# A file of control characters is refused as a binary one.
PLAIN = st.characters(exclude_categories=("Cs", "Cc"))
NAMES = st.lists(WORDS, min_size=1, max_size=3).map(" ".join) | st.text(PLAIN, min_size=1, max_size=8)
LINES = st.lists(st.tuples(NAMES, st.sampled_from(["", "A thing.", "물건", "Another thing"])), max_size=12)


def concepts_of(*items: ListItem) -> list[Concept]:
    return gather(items, Tally("synth"), known={})


def rows_of_sides(
    concepts: list[Concept], *, seed: int, pack: int = 0
) -> tuple[list[SynthRow], list[SynthRow], SynthProof]:
    plan = RowOptions(pairs_per_term=4, pairs_per_acronym=3, hard_k=2, seed=seed)
    chosen = split_families(concepts, test_share=0.3, seed=seed)
    sides = ([c for c in concepts if c.family not in chosen], [c for c in concepts if c.family in chosen])
    owners: dict[str, str] = {}
    train, test = ([*make_rows(s, PACKS[pack], plan, owners=owners, shortfall=Shortfall())] for s in sides)
    return train, test, prove(train, test, sides)


def unsplit_rows(concepts: list[Concept]) -> list[SynthRow]:
    plan = RowOptions(pairs_per_term=6, pairs_per_acronym=4, hard_k=2, seed=0)
    return [*make_rows(concepts, PACKS[1], plan, owners={}, shortfall=Shortfall())]


def six_devices() -> list[Concept]:
    names = [(a, b) for a in ("flux", "tide", "mist") for b in ("pump", "lamp")]
    return concepts_of(*(ListItem(name=f"{a} {b}", definition=f"{a} for {b}s.") for a, b in names))


@settings(max_examples=60, deadline=None)
@given(lines=LINES, acronyms=LINES, seed=st.integers(0, 9), pack=st.integers(0, 1))
def test_any_lists_make_sound_rows_and_balanced_books(
    lines: list[tuple[str, str]],
    acronyms: list[tuple[str, str]],
    seed: int,
    pack: int,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        reading = Reading(items=[], rejected=[], tally=Tally("synth"))
        terms, shorts = Path(folder) / "t.txt", Path(folder) / "a.jsonl"
        terms.write_bytes("\n".join("\t".join(line) for line in lines).encode("utf-8", "surrogatepass"))
        shorts.write_text(
            "\n".join(json.dumps({"acronym": a, "full": f}) for a, f in acronyms), encoding="utf-8"
        )
        read_list(terms, reading, acronyms=False)
        read_list(shorts, reading, acronyms=True)
    concepts = gather(reading.items, reading.tally, known={})
    assert reading.tally.balanced
    train, test, proof = rows_of_sides(concepts, seed=seed, pack=pack)
    assert proof.sound, proof
    assert not {row.pair.group for row in train} & {row.pair.group for row in test}
    families = {concept.family for concept in concepts}
    assert {row.pair.group for row in [*train, *test]} <= families


@given(st.one_of(st.binary(max_size=200), st.sampled_from(BINARY).map(lambda head: head + b"rest")))
@settings(max_examples=60, deadline=None)
def test_any_bytes_are_read_or_rejected(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.txt"
        path.write_bytes(data)
        for acronyms in (False, True):
            reading = Reading(items=[], rejected=[], tally=Tally("synth"))
            if data.startswith(BINARY):
                with pytest.raises(UserError, match="is a spreadsheet, an archive or another binary file"):
                    read_list(path, reading, acronyms=acronyms)
                assert not reading.items
                continue
            read_list(path, reading, acronyms=acronyms)
            assert reading.tally.taken_in == len(reading.items) + len(reading.rejected)


def test_what_shares_a_name_an_acronym_or_a_definition_is_one_family() -> None:
    concepts = concepts_of(
        ListItem(name="current transformer", acronym="CT"),
        ListItem(name="computed tomography", acronym="CT"),
        ListItem(name="notch filters"),
        ListItem(name="notch filter"),
        ListItem(name="phase-locked loop (PLL)"),
        ListItem(name="PLL"),
        ListItem(name="volume control", definition="Turns it up."),
        ListItem(name="loudness knob", definition="turns it up"),
        ListItem(name="antenna"),
    )
    assert sorted(Counter(concept.family for concept in concepts).values()) == [1, 2, 2, 2, 2]


def test_a_term_that_is_an_acronym_borrows_its_definition() -> None:
    concepts = concepts_of(
        ListItem(name="PWM"), ListItem(name="pulse-width modulation", acronym="PWM", definition="Duty.")
    )
    assert concepts[0].definitions == ("Duty.",)


def test_definitions_of_one_term_add_up_and_doubles_are_merged() -> None:
    tally = Tally("synth")
    items = [ListItem(name="via", definition=text) for text in ("One.", "Two.", "one")]
    concepts = gather(items, tally, known={})
    assert concepts[0].definitions == ("One.", "Two.")
    assert (tally.given_out, tally.merged) == (2, 1)


def test_near_concepts_come_first_and_parts_of_the_name_never() -> None:
    names = ("converter", "buck converter", "boost converter", "garden chair", "old garden gate")
    concepts = concepts_of(*(ListItem(name=name) for name in names))
    found = [[names[n.index] for n in near] for near in neighbours(concepts)]
    assert found[1][0] == "boost converter"
    assert "converter" not in found[1]
    assert "buck converter" not in found[0]


def test_a_positive_that_only_repeats_the_question_is_an_echo() -> None:
    names = ("PWM", "펄스 폭 변조")
    assert echoes("PWM은 무엇인가요?", "PWM", names=names)
    assert echoes("What does flux mean?", "Flux: what does it mean?", names=("flux",))
    assert not echoes("PWM은 무엇의 약자인가요?", "PWM: 펄스 폭 변조", names=names)


def test_a_negative_does_not_name_the_concept_asked_about() -> None:
    items = [
        ListItem(name="flux pump", definition="Moves flux."),
        ListItem(name="tide pump", definition="Like a flux pump, but for tides."),
        ListItem(name="echo lamp", definition="Shines twice."),
    ]
    rows = unsplit_rows(concepts_of(*items))
    own = [row.pair for row in rows if row.pair.group == "flux pump"]
    assert own
    assert not [n for pair in own for n in pair.hard_negatives if "flux pump" in n.casefold()]


def test_negatives_carry_receipts_and_share_the_positives_wording() -> None:
    rows = unsplit_rows(six_devices())
    for row in rows:
        assert len(row.pair.mining) == len(row.pair.hard_negatives) == 2
        assert row.wordings[1] == row.wordings[0]


def test_a_pack_that_words_negatives_otherwise_is_found_out() -> None:
    rows = unsplit_rows(six_devices())
    told = [SynthRow(pair=row.pair, wordings=("good", "bad", "bad")) for row in rows]
    assert giveaway(told)[0] == 1.0
    assert giveaway(rows)[0] < 0.5
