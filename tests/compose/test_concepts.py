"""The concept graph: what joins, what does not, and what a row must never meet as a negative."""

from __future__ import annotations

from embedkit.compose.check.lint import lint
from embedkit.compose.check.stubs import resolve_stubs, see_target
from embedkit.compose.concepts.claims import variants
from embedkit.compose.concepts.graph import build
from embedkit.data.entries import Alias, AliasKind, Entry, Record


def entry(term: str, definition: str, *aliases: tuple[str, AliasKind], source: str = "") -> Record:
    found = tuple(Alias(text, kind) for text, kind in aliases)
    return Record(
        "t.csv", 2, Entry(term=term, definition=definition, aliases=found, lang="en", source=source)
    )


def pair(anchor: str, positive: str) -> Record:
    return Record("t.csv", 1, Entry(term=anchor, definition=positive), stated_pair=True)


def groups(*records: Record) -> list[int]:
    return list(build(records).of_record)


def test_spellings_of_a_name_are_one_concept() -> None:
    assert groups(entry("Pulse-Width Modulation", "a"), entry("pulse width modulations", "b")) == [0, 0]


def test_korean_spacing_brackets_and_hanja_are_one_concept() -> None:
    assert groups(entry("펄스 폭 변조(PWM)", "a"), entry("펄스폭변조", "b")) == [0, 0]
    assert groups(entry("전압(電壓)", "a"), entry("전압", "b")) == [0, 0]


def test_a_disambiguation_in_brackets_stays_apart() -> None:
    assert groups(entry("set (mathematics)", "a"), entry("set (theatre)", "b")) == [0, 1]
    assert "set" not in variants("set (mathematics)")


def test_aliases_and_translations_join() -> None:
    english = entry("pulse-width modulation", "a", ("펄스 폭 변조", "translation"))
    assert groups(english, entry("펄스 폭 변조", "b", ("PWM", "abbreviation"))) == [0, 0]


def test_a_shared_definition_joins() -> None:
    assert groups(
        entry("SRAM", "memory that keeps its bits"), entry("static RAM", "Memory that keeps its bits.")
    ) == [
        0,
        0,
    ]


def test_chains_of_stated_pairs_are_one_concept() -> None:
    assert groups(pair("a1", "b1"), pair("b1", "c1"), pair("c1", "d1"), pair("x1", "y1")) == [0, 0, 0, 1]


def test_an_ambiguous_abbreviation_joins_nothing_but_belongs_to_both() -> None:
    board = entry("printed circuit board", "a flat carrier", ("PCB", "abbreviation"))
    oil = entry("polychlorinated biphenyl", "an oily liquid", ("PCB", "abbreviation"))
    concepts = build([board, oil])
    assert list(concepts.of_record) == [0, 1]
    assert concepts.of_text("PCB") == (0, 1)
    assert concepts.ambiguous == 1


def test_an_ambiguous_abbreviation_in_two_columns_joins_nothing() -> None:
    assert groups(pair("PCB", "printed circuit board"), pair("PCB", "polychlorinated carbon biphenyl")) == [
        0,
        1,
    ]


def test_an_abbreviation_of_one_concept_joins_its_own_entry() -> None:
    assert groups(entry("pulse-width modulation", "a", ("PWM", "abbreviation")), entry("PWM", "b")) == [0, 0]


def test_a_word_of_many_concepts_joins_none() -> None:
    many = [entry(f"thing {n} of its kind", f"text {n}", ("device", "synonym")) for n in range(12)]
    assert len(set(groups(*many))) == 12


def test_an_alias_that_stands_in_most_definitions_joins_nothing() -> None:
    filler = [entry(f"name{n}", f"a current of kind {n}") for n in range(60)]
    left, right = (
        entry("electric current", "flow", ("current", "synonym")),
        entry("river current", "water", ("current", "synonym")),
    )
    concepts = build([*filler, left, right])
    assert concepts.of_record[60] != concepts.of_record[61]


def test_ids_do_not_depend_on_the_order_of_the_records() -> None:
    records = [entry("a thing", "x"), entry("b thing", "y"), entry("c thing", "z", ("b thing", "redirect"))]
    assert set(build(records).ids) == set(build(records[::-1]).ids)


def test_a_large_concept_is_noticed() -> None:
    chain = [pair(f"name {n} x", f"name {n + 1} x") for n in range(20)]
    assert build(chain).over_merged
    assert not build([pair(f"left {n} x", f"right {n} x") for n in range(20)]).over_merged


def test_pointers_are_recognised() -> None:
    for text in ("See diode.", "see also: diode", "→ diode", "Synonym of diode"):
        assert see_target(text) == "diode"
    for text in (
        "다이오드 참조.",
        "다이오드를 참조하세요",
        "‘다이오드’ 참고",
        "다이오드 항목 참조",
        "다이오드를 보라",
    ):
        assert see_target(text) == "다이오드"
    for text in ("다이오드의 비슷한 말.", "다이오드의 준말", "다이오드와 같은 말"):
        assert see_target(text) == "다이오드"
    for text in ("인쇄 미리 보기", "파장이 가장 짧은 색인 보라", "빛을 비추어 보기"):
        assert see_target(text) == ""
    assert see_target("A device through which one can see light.") == ""


def test_a_pointer_becomes_a_name_of_its_target() -> None:
    target = entry("diode", "conducts one way")
    stub = entry("rectifier valve", "See diode.")
    (number, pointing), *others = resolve_stubs([stub, target])
    assert (number, others) == (0, [])
    resolved = [pointing, target]
    assert resolved[0].entry.definition == "conducts one way"
    assert resolved[0].entry.aliases[0] == Alias("rectifier valve", "redirect")
    assert list(build(resolved).of_record) == [0, 0]


def test_a_pointer_to_no_entry_is_a_pair_of_names() -> None:
    ((number, made),) = resolve_stubs([entry("valve", "See tube.")])
    assert (number, made.entry.term, made.entry.definition, made.stated_pair) == (0, "valve", "tube", True)


def test_pointers_in_a_chain_and_in_a_ring_join() -> None:
    chain = [entry("a valve", "See b valve."), entry("b valve", "See diode"), entry("diode", "one way")]
    ring = [entry("c valve", "See d valve."), entry("d valve", "See c valve.")]
    records = [*chain, *ring]
    for number, record in list(resolve_stubs(records)):
        records[number] = record
    assert list(build(records).of_record) == [0, 0, 0, 1, 1]


def codes(*records: Record) -> list[str]:
    return [problem.code for problem in lint(records)]


def test_lint_finds_what_is_doubtful() -> None:
    assert codes(entry("a", "same text"), entry("b", "same text")) == ["one definition on many terms"]
    assert codes(entry("a", "one text"), entry("a", "another text")) == ["conflicting definitions"]
    assert codes(pair("x", "x")) == ["self pair"]
    assert codes(pair("Pulse-Width", "pulse width")) == ["equal but for case or brackets"]
    assert codes(entry("fast memory", "A memory that is fast")) == ["circular definition"]
    assert codes(entry("a b", "c d"), entry("c d", "a b")) == ["circular definition"]
    assert codes(entry("valve", "See tube")) == ["See stub"]
    assert codes(entry("valve", "x" * 2001)) == ["long text"]


def test_lint_is_silent_about_a_sound_glossary() -> None:
    assert codes(entry("diode", "conducts one way"), entry("resistor", "opposes current")) == []


def test_hanja_tell_homophones_apart_and_the_hangul_belongs_to_both() -> None:
    concepts = build([entry("전기(電氣)", "a"), entry("전기(前期)", "b"), entry("電氣", "c")])
    assert list(concepts.of_record) == [0, 1, 0]
    assert concepts.of_text("전기") == (0, 1)


def test_an_acronym_in_brackets_is_a_name_of_its_concept() -> None:
    assert groups(entry("pulse-width modulation (PWM)", "a"), entry("PWM", "b")) == [0, 0]
    assert groups(entry("PWM (pulse-width modulation)", "a"), entry("Pulse width modulation", "b")) == [0, 0]
    assert groups(entry("printed board (PCB)", "a"), entry("an oil (PCB)", "b")) == [0, 1]


def test_an_acronym_joins_the_full_form_that_explains_it() -> None:
    full = entry("pulse-width modulation", "varies how long a pulse lasts")
    assert groups(full, entry("PWM", "Short for pulse width modulation, a way to dim lamps")) == [0, 0]
    assert groups(
        entry("pulse-width modulation", "Also PWM: varies a pulse"), entry("PWM", "dims lamps")
    ) == [0, 0]
    assert groups(full, entry("PWM", "Polish word for a municipal works")) == [0, 1]


def test_two_full_forms_of_an_acronym_stay_apart() -> None:
    board = entry("printed circuit board", "A PCB carries parts")
    oil = entry("polychlorinated carbon biphenyl", "A PCB is an oil")
    assert groups(entry("PCB", "something"), board, oil) == [0, 1, 2]


def test_an_abbreviation_of_two_things_in_two_languages_joins_nothing() -> None:
    clotting = entry("PT", "The time that plasma needs to clot.", ("prothrombin time", "synonym"))
    ours = Entry(
        term="PT",
        definition="다친 뒤 기능을 되찾게 하는 치료.",
        aliases=(Alias("physical therapy", "synonym"), Alias("물리 치료", "synonym")),
        lang="ko",
    )
    same = Entry(
        term="PT",
        definition="혈장이 굳는 데 걸리는 시간.",
        aliases=(Alias("프로트롬빈 시간", "synonym"),),
        lang="ko",
    )
    assert groups(clotting, Record("k.csv", 2, ours)) == [0, 1]
    assert groups(clotting, Record("k.csv", 2, same)) == [0, 0]
