"""Known rows: how people ask, in words that no training row has; and what a person's own questions become."""

from __future__ import annotations

import json
import re
import tomllib
import unicodedata
from collections import Counter
from itertools import combinations, product
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import OSA, Indel

from embedkit.compose import ComposeOptions, ComposeResult, compose
from embedkit.compose.known.clauses import clauses_of
from embedkit.compose.known.forms import forms_of
from embedkit.compose.known.questions import kind_of
from embedkit.compose.known.rows import PER_SLICE, KnownRow, divide_known
from embedkit.compose.known.typos import with_typo
from embedkit.compose.rows.drafts import KINDS
from embedkit.data.entries import Alias, Entry, write_glossary
from embedkit.data.records import ASKING_KINDS
from embedkit.errors import AnswerNoError, UserError
from embedkit.shipped_data import data_path
from embedkit.text import fold

from .conftest import Run, near_duplicates, rows_of

KNOWN = ("known", "known.dev")
MOST_ALIKE = 0.6


# --- question forms ---------------------------------------------------------------------------------------------------


def wordings(lang: str) -> tuple[list[str], list[str]]:
    """The bare wordings of the forms that train and of those that measure: no term, particles, case or signs."""
    values = tomllib.loads((data_path("forms") / f"{lang}.toml").read_text(encoding="utf-8"))

    def bare(form: str) -> str:
        return re.sub(r"[\W_]", "", re.sub(r"\[[^\]]*\]", "", form.replace("{term}", "")).casefold())

    return [bare(f) for f in values["train"]], [bare(f) for f in (*values["question"], *values["keyword"])]


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_no_form_is_another_but_for_case_or_particles(lang: str) -> None:
    train, measured = wordings(lang)
    assert len(set(train) | set(measured)) == len(train) + len(measured)
    assert all([*train, *measured])


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_what_is_measured_is_not_worded_as_what_is_trained(lang: str) -> None:
    alike = {
        (a, b): Indel.normalized_similarity(a, b)
        for a, b in product(*wordings(lang))
        if Indel.normalized_similarity(a, b) > MOST_ALIKE
    }
    assert not alike


def test_a_form_follows_the_word_before_it() -> None:
    forms = forms_of("ko-KR")
    assert forms is not None
    assert forms == forms_of("ko")
    assert forms.train[0].render({"term": "저항"}) == "저항이 뭐야?"
    assert forms.train[0].render({"term": "다이오드"}) == "다이오드가 뭐야?"
    assert forms_of("fi") is None


# --- typos ------------------------------------------------------------------------------------------------------------

_TERMS = st.one_of(
    st.text(alphabet="abcdefghijklmnopqrstuvwxyzABC -1", max_size=24),
    st.text(alphabet=st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3), max_size=8),
    st.sampled_from(
        [
            "op amplifier",
            "커패시터",
            "벅 컨버터",
            "PN접합 다이오드",
            "SAR ADC",
            "LED",
            "저항",
            "MOSFET driver",
        ]
    ),
)


@given(_TERMS, st.integers(0, 50))
def test_a_typo_is_one_edit_and_never_the_first_letter_of_a_word(text: str, seed: int) -> None:
    typo = with_typo(text, Random(seed))
    left, right = (unicodedata.normalize("NFD", t) for t in (text, typo))
    assert OSA.distance(left, right) <= 1
    assert [word[0] for word in re.findall(r"\w+", typo)] == [word[0] for word in re.findall(r"\w+", text)]
    assert unicodedata.is_normalized("NFC", typo)


@pytest.mark.parametrize("word", ["LED", "MOSFET", "op", "buck"[:3], "저항", "전류 전압", "I2C", "", "7805"])
def test_short_words_and_abbreviations_stay(word: str) -> None:
    assert {with_typo(word, Random(seed)) for seed in range(40)} == {word}


def test_a_typo_in_hangul_changes_one_letter_of_a_syllable() -> None:
    typos = {with_typo("인덕터", Random(seed)) for seed in range(60)}
    assert "인덕터" not in typos
    for typo in typos:
        assert len(typo) == 3
        assert typo[0] == "인"
        assert sum(a != b for a, b in zip(typo, "인덕터", strict=True)) == 1


# --- clauses ----------------------------------------------------------------------------------------------------------


def test_a_clause_says_something_and_names_nothing() -> None:
    entry = Entry(
        term="buck converter",
        definition="A switching regulator that lowers its input voltage. A buck converter needs a coil, "
        "and it is more efficient than a linear one at high current.",
        lang="en",
    )
    assert clauses_of(entry) == (
        "A switching regulator that lowers its input voltage",
        "it is more efficient than a linear one at high current",
    )


def test_a_definition_of_one_clause_has_none() -> None:
    assert clauses_of(Entry(term="저항", definition="전류의 흐름을 방해하는 수동 소자이다.", lang="ko")) == ()


# --- dividing ---------------------------------------------------------------------------------------------------------


def known_rows(anchors: list[str], records: list[int] | None = None) -> list[KnownRow]:
    numbers = records or list(range(len(anchors)))
    return [
        KnownRow(anchor=a, kind="described", record=n, lang="en")
        for a, n in zip(anchors, numbers, strict=True)
    ]


def divided(own: list[KnownRow], made: list[KnownRow], training: list[str]) -> Any:
    return divide_known(own, made, lambda: training, concept_of=lambda record: record, seed=0)


def test_what_training_has_seen_is_left_out_and_counted() -> None:
    own = known_rows(
        [
            "which part keeps the voltage steady at five volts",
            "Which part keeps the voltage steady, at five volts?!",
            "what stores a charge",
            "which part is a thing that turns light into a current when lit",
        ]
    )
    training = ["What stores a charge?", "which part is a thing that turns light into a current when lit up"]
    known = divided(own[2:] + own[:1], [], training)
    assert [row.anchor for rows in known.parts.values() for row in rows] == [own[0].anchor]
    assert known.tally.rejected == {"stands in a training row": 1, "nearly stands in a training row": 1}
    assert known.tally.balanced


def test_a_question_that_two_concepts_answer_is_left_out_and_one_asked_twice_is_one() -> None:
    known = divided(known_rows(["same thing", "Same thing?", "once", "once"], [0, 1, 2, 2]), [], [])
    assert [row.anchor for rows in known.parts.values() for row in rows] == ["once"]
    assert (known.tally.rejected, known.tally.merged) == ({"asks for two concepts": 2}, 1)
    assert known.tally.balanced


def test_a_persons_own_questions_are_never_too_many() -> None:
    own = known_rows([f"own question {n} asked" for n in range(2 * PER_SLICE + 50)])
    made = known_rows([f"made question {n} asked" for n in range(2 * PER_SLICE + 50)])
    known = divided(own, made, [])
    anchors = Counter(row.anchor.split()[0] for rows in known.parts.values() for row in rows)
    assert anchors == {"own": 2 * PER_SLICE + 50, "made": 2 * PER_SLICE}
    assert known.tally.balanced


# --- a person's own questions -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("is a Buck-Converter noisy", "named"),
        ("버크 컨버터가 뭐죠", "other_name"),
        ("two step downs in parallel", "other_name"),
        ("the stepdown buckconverters hum", "named"),
        ("what lowers a voltage", "described"),
        ("a stepping stone", "described"),
    ],
)
def test_the_kind_of_a_question_is_told_by_the_names_in_it(question: str, kind: str) -> None:
    assert kind_of(question, "buck converter", ["step-down", "버크 컨버터"]) == kind


GLOSSARY = (
    Entry(
        term="buck converter",
        definition="A switching regulator that lowers its input voltage, and that wastes little of the power it takes.",
        aliases=(
            Alias("벅 컨버터", "translation", "ko"),
            Alias("step-down regulator", "synonym"),
            Alias("chopper supply", "synonym"),
        ),
        lang="en",
        license="CC0-1.0",
        entry_id="id-1",
    ),
    Entry(
        term="벅 컨버터",
        definition="입력보다 낮은 전압을 만드는 스위칭 전원 회로이다. 버려지는 전력이 적어 널리 쓰인다.",
        aliases=(Alias("buck converter", "translation", "en"),),
        lang="ko",
        license="CC0-1.0",
        entry_id="id-2",
    ),
    Entry(
        term="photodiode",
        definition="A junction that turns light into a current when it is lit, used in meters of brightness.",
        lang="en",
        license="CC0-1.0",
        entry_id="id-3",
    ),
    Entry(
        term="solenoid valve",
        definition="A plumbing part that opens when its coil is powered, and closes by a spring otherwise.",
        lang="en",
    ),
    Entry(
        term="thermocouple",
        definition="Two wires of unlike metals joined at one end, whose voltage tells how hot the joint is.",
        lang="en",
    ),
)


def composed(folder: Path, **options: Any) -> ComposeResult:
    write_glossary(folder / "g.csv", GLOSSARY)
    given_options = {"split": "1/0/0", "hard_k": 0} | options
    return compose(
        ComposeOptions(inputs=[str(folder / "g.csv")], output=str(folder / "p.jsonl"), **given_options)
    )


def written_known(folder: Path) -> list[dict[str, Any]]:
    files = [folder / f"p.{part}.jsonl" for part in KNOWN]
    return [row for path in files if path.is_file() for row in rows_of(path)]


def questions_file(folder: Path, rows: list[dict[str, str]], name: str = "q.jsonl") -> str:
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(folder / name)


def test_questions_of_a_persons_own_are_known_rows(tmp_path: Path) -> None:
    asked = [
        {"question": "how do i get 5 V from a 12 V battery", "term": "벅 컨버터"},
        {
            "question": "12볼트 배터리에서 5볼트는 어떻게 뽑나요",
            "term": "buck converter",
            "kind": "described",
        },
        {"question": "light sensor for my camera meter", "entry_id": "id-3"},
        {"question": "hot joint meter", "definition": GLOSSARY[4].definition},
    ]
    result = composed(tmp_path, questions=[questions_file(tmp_path, asked)])
    own = {row["anchor"]: row for row in written_known(tmp_path) if row["kind"] == "described"}
    assert set(own) == {row["question"] for row in asked}
    lowers = own[asked[0]["question"]]
    assert lowers["positive"].startswith("A switching regulator")  # the definition in the question's language
    assert own[asked[1]["question"]]["positive"].startswith("입력보다")
    assert lowers["group"] == own[asked[1]["question"]]["group"]
    assert lowers["license"] == "CC0-1.0"
    assert "hard_negatives" not in lowers or lowers["hard_negatives"] == []
    assert result.questions.to_object() == {"in": 4, "out": 4, "merged": 0, "rejected": {}}
    assert not {row["anchor"] for row in rows_of(tmp_path / "p.jsonl")} & set(own)


def test_a_bad_question_is_quarantined_with_its_place_and_reason(tmp_path: Path) -> None:
    rows = (
        "what is it,nothing such,",
        ",photodiode,",
        "no target,,",
        "odd,photodiode,loud",
        "what glows,photodiode,",
    )
    table = "\n".join(("question,term,kind", *rows, ""))
    (tmp_path / "q.csv").write_text(table, encoding="utf-8")
    result = composed(tmp_path, questions=[str(tmp_path / "q.csv")])
    rejects = rows_of(tmp_path / "p.rejected.jsonl")
    assert [(r["file"].endswith("q.csv"), r["line"], r["reason"]) for r in rejects] == [
        (True, 3, "missing cell (question)"),
        (True, 4, "missing cell (term)"),
        (True, 5, "unknown kind (loud)"),
        (True, 2, "unknown term (nothing such)"),
    ]
    assert result.questions.rejected == {"missing cell": 2, "unknown kind": 1, "unknown term": 1}
    assert result.questions.balanced
    with pytest.raises(AnswerNoError, match="4 rows were rejected"):
        composed(tmp_path, questions=[str(tmp_path / "q.csv")], strict=True, force=True)


def test_a_name_of_two_concepts_is_ambiguous(tmp_path: Path) -> None:
    alias = '"[{""text"": ""XY"", ""kind"": ""abbreviation""}]"'
    (tmp_path / "g.csv").write_text(
        f"term,definition,aliases\nxylo yard,a yard with xylophones,{alias}\nxenon yoke,a yoke lit by xenon,{alias}\n",
        encoding="utf-8",
    )
    file = questions_file(tmp_path, [{"question": "what does XY do", "term": "XY"}])
    compose(
        ComposeOptions(
            inputs=[str(tmp_path / "g.csv")], output=str(tmp_path / "p.jsonl"), questions=[file], hard_k=0
        )
    )
    assert rows_of(tmp_path / "p.rejected.jsonl")[0]["reason"] == "ambiguous term (XY)"


def test_a_file_without_the_columns_is_one_message(tmp_path: Path) -> None:
    file = questions_file(tmp_path, [{"text": "hello there", "label": "greeting"}])
    with pytest.raises(UserError, match="no column for the question"):
        composed(tmp_path, questions=[file])


def test_questions_to_train_on_are_training_rows(tmp_path: Path) -> None:
    asked = [{"question": "how do i get 5 V from a 12 V battery", "term": "buck converter"}]
    composed(tmp_path, train_questions=[questions_file(tmp_path, asked)])
    rows = [row for row in rows_of(tmp_path / "p.jsonl") if row["anchor"] == asked[0]["question"]]
    assert [row["kind"] for row in rows] == ["question-definition"]
    assert asked[0]["question"] not in {row["anchor"] for row in written_known(tmp_path)}


def test_questions_of_held_out_concepts_are_rows_of_their_part(tmp_path: Path) -> None:
    table = "term,definition\n" + "".join(
        f"gadget {n} model,Device number {n * 7919} that does the job of {n * 31}\n" for n in range(40)
    )
    (tmp_path / "g.csv").write_text(table, encoding="utf-8")
    asked = [{"question": f"who does job {n}?", "term": f"gadget {n} model"} for n in range(40)]
    file = questions_file(tmp_path, asked)
    compose(
        ComposeOptions(
            inputs=[str(tmp_path / "g.csv")],
            output=str(tmp_path / "p.jsonl"),
            questions=[file],
            split="0.6/0.2/0.2",
            hard_k=0,
        )
    )
    files = {part: rows_of(tmp_path / f"p.{part}.jsonl") for part in ("dev", "test", *KNOWN)}
    found = {part: [row for row in rows if row["kind"] == "described"] for part, rows in files.items()}
    assert {part: len(rows) for part, rows in found.items()} == {
        "dev": 8,
        "test": 8,
        "known": 12,
        "known.dev": 12,
    }
    for part in ("dev", "test"):
        groups = {row["group"] for row in files[part] if row["kind"] == "term-definition"}
        assert {row["group"] for row in found[part]} <= groups


def test_questions_without_known_rows_are_refused(tmp_path: Path) -> None:
    file = questions_file(tmp_path, [{"question": "what glows", "term": "photodiode"}])
    with pytest.raises(UserError, match="none are written"):
        composed(tmp_path, questions=[file], known=False)


# --- the rows ---------------------------------------------------------------------------------------------------------


def test_the_kinds_are_written_and_without_known_rows_nothing_is_kept_out(tmp_path: Path) -> None:
    composed(tmp_path)
    rows, known = rows_of(tmp_path / "p.jsonl"), written_known(tmp_path)
    assert {row["kind"] for row in rows} & set(ASKING_KINDS) == {"question-definition", "typo-definition"}
    assert {row["kind"] for row in known} >= {"question", "keyword", "typo", "description"}
    asked = {row["anchor"] for row in known}
    composed(tmp_path, known=False, kinds="all", force=True)
    assert not any((tmp_path / f"p.{part}.jsonl").exists() for part in KNOWN)
    clauses = {
        row["anchor"] for row in rows_of(tmp_path / "p.jsonl") if row["kind"] == "description-definition"
    }
    assert asked & clauses  # what was measured before is trained now


def test_a_clause_also_means_the_definition_in_the_other_language(tmp_path: Path) -> None:
    composed(tmp_path, known=False, kinds="all")
    across = [
        row
        for row in rows_of(tmp_path / "p.jsonl")
        if row["kind"] == "description-definition"
        and (row["lang"] == "en") == ("입력보다" in row["positive"])
    ]
    assert {row["lang"] for row in across} >= {"en"}


def test_the_number_of_forms_is_an_option(tmp_path: Path) -> None:
    def questions(forms: int) -> Counter[str]:
        composed(tmp_path, forms=forms, force=True)
        rows = rows_of(tmp_path / "p.jsonl")
        return Counter(
            row["positive"] for row in rows if row["kind"] == "question-definition" and row["lang"] == "en"
        )

    assert not questions(0)
    assert questions(3)[GLOSSARY[2].definition] == 3
    assert questions(6)[GLOSSARY[2].definition] == 6


def test_a_held_out_name_is_in_no_training_row(tmp_path: Path) -> None:
    words = [f"{a}{b}" for a in ("zor", "bli", "kam", "tuv") for b in ("pel", "mox", "rin", "dax", "fub")]
    entries = [
        Entry(
            term=word,
            definition=f"Apparatus {n * 37} for the work of {n * 91}",
            aliases=tuple(Alias(f"{word} {end}", "synonym") for end in ("widget", "gizmo", "doodad")),
            lang="en",
        )
        for n, word in enumerate(words)
    ]
    write_glossary(tmp_path / "g.csv", entries)
    result = compose(
        ComposeOptions(
            inputs=[str(tmp_path / "g.csv")],
            output=str(tmp_path / "p.jsonl"),
            split="1/0/0",
            hard_k=2,
            miner="lexical",
        )
    )
    names = [row["anchor"] for row in written_known(tmp_path) if row["kind"] == "name"]
    assert len(names) == 2  # a tenth of the concepts
    texts = {
        fold(text)
        for row in rows_of(tmp_path / "p.jsonl")
        for text in (row["anchor"], row["positive"], *row["hard_negatives"])
    }
    assert not any(fold(name) in text for name in names for text in texts)
    assert result.made.rejected["a name that only the known rows ask with"] == 2
    assert result.made.balanced


def test_the_line_and_the_books_agree(run: Run, tmp_path: Path) -> None:
    write_glossary(tmp_path / "g.csv", GLOSSARY)
    done = run("compose", "--input", "g.csv", "--split", "1/0/0", "--miner", "lexical", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    known = [row for part in KNOWN for row in rows_of(tmp_path / "data" / f"pairs.{part}.jsonl")]
    assert result["rows"]["known"] + result["rows"]["known.dev"] == result["known"]["out"] == len(known)
    assert f"known rows: {len(known)} questions for the concepts of the training rows" in done.stderr
    assert "none stands in a training row" in done.stderr
    assert "the default recipe of train encodes none" in done.stderr
    manifest = json.loads((tmp_path / "data" / "pairs.manifest.json").read_text(encoding="utf-8"))
    assert {"pairs.known.jsonl", "pairs.known.dev.jsonl"} <= manifest["outputs"].keys()
    assert manifest["counts"]["known"] == result["known"]
    for part in KNOWN:
        assert run("validate", f"data/pairs.{part}.jsonl").returncode == 0
    dry = run("compose", "--input", "g.csv", "--split", "1/0/0", "--miner", "lexical", "--dry-run", "--force")
    assert "would write data/pairs.known.jsonl" in dry.stderr


def test_the_default_recipe_encodes_no_hard_negatives() -> None:
    """What compose says of them holds."""
    from embedkit.trainer.config import DataSection

    assert DataSection().max_hard_negatives == 0


# --- the proof --------------------------------------------------------------------------------------------------------

_WORD = st.sampled_from(
    ["amber", "brass", "cobalt", "dynamo", "ember", "저항기", "커패시터", "콘덴서", "인덕터"]
)
_NAME = st.lists(_WORD, min_size=1, max_size=3).map(" ".join)
_SENTENCE = st.lists(_WORD, min_size=4, max_size=16).map(" ".join)
_DEFINITION = st.lists(_SENTENCE, min_size=1, max_size=3).map(". ".join)
_ENTRY = st.fixed_dictionaries(
    {"term": _NAME, "definition": _DEFINITION, "aliases": st.lists(_NAME, max_size=4).map("; ".join)}
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(_ENTRY, min_size=1, max_size=12),
    st.sets(st.sampled_from(KINDS), min_size=1),
    st.integers(0, 4),
    st.integers(0, 9),
    st.sampled_from(["", "1/0/0", "0.6/0.2/0.2"]),
    st.data(),
)
def test_no_known_anchor_stands_in_a_training_row_under_any_setting(
    entries: list[dict[str, str]], kinds: set[str], forms: int, seed: int, split: str, data: st.DataObject
) -> None:
    texts = [text for entry in entries for text in (entry["term"], entry["definition"])]
    asked = st.fixed_dictionaries(
        {
            "question": st.one_of(st.sampled_from(texts), _SENTENCE),
            "term": st.sampled_from([e["term"] for e in entries]),
        }
    )
    with TemporaryDirectory() as name:
        folder = Path(name)
        table = folder / "g.jsonl"
        table.write_text("".join(json.dumps(entry) + "\n" for entry in entries), encoding="utf-8")
        files = [
            questions_file(folder, data.draw(st.lists(asked, min_size=1, max_size=6)), file)
            for file in ("q.jsonl", "t.jsonl")
        ]
        options = ComposeOptions(
            inputs=[str(table)],
            output=str(folder / "p.jsonl"),
            kinds=",".join(kinds),
            split=split,
            forms=forms,
            seed=seed,
            questions=files[:1],
            train_questions=files[1:],
            miner="lexical",
            hard_k=2,
        )
        try:
            result = compose(options)
        except UserError as error:
            assert "not one usable row" in str(error)
            return
        training = [
            text
            for row in rows_of(folder / "p.jsonl")
            for text in (row["anchor"], row["positive"], *row["hard_negatives"])
        ]
        known = [row["anchor"] for row in written_known(folder)]
    assert all(tally.balanced for tally in (result.read, result.made, result.known, result.questions))
    assert sum(result.rows[part] for part in ("train", "dev", "test")) == result.made.given_out
    assert not set(map(fold, known)) & set(map(fold, training))
    assert not [(a, b) for a, b in product(known, training) if near_duplicates(a, b)]
    assert len(set(map(fold, known))) == len(known)
    assert not [pair for pair in combinations(known, 2) if pair[0] == pair[1]]
