"""Known questions: which entry is right, ranked as search ranks, and how they decide the verdict."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from embedkit.data.entries import Alias, Entry, write_glossary
from embedkit.data.manifest import Manifest, hashes, manifest_path, write_manifest
from embedkit.errors import AnswerNoError, UserError
from embedkit.evaluation.evaluate import evaluate
from embedkit.evaluation.known.decision import decide, is_worse
from embedkit.evaluation.plan import EvaluateOptions
from embedkit.evaluation.records import (
    Evaluation,
    Findings,
    Forgetting,
    Interval,
    Kept,
    KnownFindings,
    KnownSlice,
    MetricResult,
    read_evaluation,
)
from embedkit.evaluation.report.markdown import summary
from embedkit.evaluation.report.page import render_page
from embedkit.evaluation.report.plain import advice_lines, loud_lines, of_100, plain_lines
from embedkit.evaluation.report.terminal import evaluation_lines
from embedkit.evaluation.report.verdict import evaluation_sentence
from embedkit.ranking.hybrid.questions import NO_ENTRY, known_files, read_known_set
from embedkit.ranking.hybrid.shares import LanguageShare, LearntShares, write_shares

CONCEPTS = 24
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def _word(number: int) -> str:
    """A word that shares few letters with the next one."""
    return "".join(LETTERS[(number * 7 + step * step * 3) % 26] for step in range(7))


def _entries() -> list[Entry]:
    entries = []
    for n in range(CONCEPTS):
        alias = Alias(f"also {_word(n)[::-1]}", "synonym")
        entries.append(
            Entry(term=_word(n), definition=f"text of {_word(n + 40)}", aliases=(alias,), lang="en")
        )
        entries.append(Entry(term=f"펄스{n}", definition=f"신호 {n}의 폭", lang="ko"))
    return entries


def write(name: str, rows: list[dict[str, Any]]) -> Path:
    Path(name).write_text(
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8"
    )
    return Path(name)


def _rows(first: int, last: int) -> list[dict[str, Any]]:
    entries = _entries()
    return [
        {
            "anchor": entry.term,
            "positive": entry.definition,
            "group": f"c{n // 2}",
            "kind": "term-definition",
            "lang": entry.lang,
        }
        for n, entry in enumerate(entries)
        if first <= n // 2 < last
    ]


def _known(first: int, last: int) -> list[dict[str, Any]]:
    rows = []
    for row in _rows(first, last):
        rows.append(row | {"anchor": f"what is {row['anchor']}?", "kind": "question"})
        rows.append(row | {"anchor": row["positive"].split(" ", 1)[1] + " thing", "kind": "description"})
    return rows


@pytest.fixture
def run(tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run (its model is the tiny one) with its glossary, pairs, test and known rows, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMBEDKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("EMBEDKIT_LANG", raising=False)
    write_glossary("g.csv", _entries())
    write("pairs.jsonl", _rows(0, 16))
    write("pairs.test.jsonl", _rows(16, CONCEPTS))
    write("pairs.known.jsonl", _known(0, 16))
    inputs = hashes([Path("g.csv")])
    manifest = Manifest(step="compose", inputs=inputs, outputs={}, settings={}, counts={}, versions={})
    write_manifest(manifest_path(Path("pairs.jsonl")), manifest)
    shutil.copytree(tiny_model, "runs/r/model")
    config = {"model_id": str(tiny_model), "data": {"pairs_path": "pairs.jsonl"}}
    Path("runs/r/config.json").write_text(json.dumps(config))
    return Path("runs/r")


def _blank(model: Path) -> str:
    """The same model with no knowledge: every text has one vector."""
    import torch
    from sentence_transformers import SentenceTransformer

    blank = SentenceTransformer(str(model), device="cpu")
    with torch.no_grad():
        for weights in blank.parameters():
            weights.zero_()
    blank.save_pretrained("blank", create_model_card=False)
    return "blank"


def test_every_entry_of_the_concept_is_right(run: Path) -> None:
    known = read_known_set([Path("pairs.known.jsonl")], corpus=None, run=None)
    first = known.questions[0]
    assert (first.text, first.kind, first.lang, first.concept) == (
        f"what is {_word(0)}?",
        "question",
        "en",
        "c0",
    )
    assert [known.entries[place].term for place in first.right] == [_word(0), "펄스0"]
    assert (len(known.questions), len(known.entries), known.corpus) == (64, 2 * CONCEPTS, "g.csv")


def test_a_question_that_no_entry_answers_is_counted(run: Path) -> None:
    rows = [*_known(0, 2), {"anchor": "what?", "positive": "gone", "group": "x", "kind": "question"}]
    known = read_known_set([write("pairs.known.jsonl", rows)], corpus=None, run=None)
    assert known.dropped == {NO_ENTRY: 1}
    with pytest.raises(UserError, match=r"no entry of g\.csv answers any"):
        read_known_set([write("pairs.known.jsonl", rows[-1:])], corpus=None, run=None)


def test_a_held_out_name_is_not_in_the_index(run: Path) -> None:
    name = _entries()[0].names[0]
    row = _rows(0, 1)[0] | {"anchor": name, "kind": "name"}
    known = read_known_set([write("pairs.known.jsonl", [row])], corpus=None, run=None)
    assert not [entry for entry in known.entries if name in entry.texts]
    assert known.questions[0].right.tolist() == [0, 1]


def test_the_known_rows_stand_beside_the_pairs(run: Path) -> None:
    assert known_files(None, Path("pairs.test.jsonl")) == (Path("pairs.known.jsonl"),)
    Path("pairs.known.jsonl").unlink()
    assert known_files(None, Path("pairs.test.jsonl")) == ()


def test_known_questions_are_ranked_and_written(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = evaluate(EvaluateOptions(model=str(run), resamples=200))
    assert result.known is not None
    assert (result.word, result.known.queries, result.known.concepts) == ("NO DIFFERENCE", 64, 16)
    assert result.known.own == 0
    assert {part.value for part in result.known.slices} >= {"all", "named", "described", "en", "question, ko"}
    assert len(result.known.examples) == 10
    assert read_evaluation(run / "metrics.json") == result
    page = (run / "report.html").read_text(encoding="utf-8")
    printed = capsys.readouterr()
    asked, first, second, third, *_ = printed.out.splitlines()
    assert asked == "16 queries of 8 concepts over 48 texts (pairs.jsonl + pairs.test.jsonl)"
    assert first.startswith("Your terms: finds ")
    assert first in page
    assert second.startswith("Terms outside the glossary: ")
    assert third == "Everyday language: kept."
    assert "give questions of people" in printed.out
    assert "leak check, known questions: of 64 test rows, 0 are identical" in printed.err
    assert "64 questions for known terms over 48 entries (g.csv)" in printed.err


def test_every_ranker_has_a_row_and_what_was_learnt_is_said(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    learnt = LanguageShare(lang="ko", share=0, hybrid=0.35, definitions=0, questions=60, recall=(1, 1, 0))
    write_shares(run / "ranker.json", LearntShares((learnt,)))
    result = evaluate(EvaluateOptions(model=str(run), resamples=100))
    assert result.known is not None
    assert result.known.rankers == (learnt,)
    assert read_evaluation(run / "metrics.json") == result
    lines = capsys.readouterr().out.splitlines()
    assert "  search in ko: lexical, 0 % meaning, learnt on 60 dev questions" in lines
    start = lines.index("recall@1 of the same search by ranker:")
    rows = {name: values for name, *values in map(str.split, lines[start + 1 : start + 6])}
    assert rows["--ranker"] == ["all", "en", "ko"]
    assert rows["auto"][2] == rows["lexical"][2]
    assert len(rows) == 5
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "<h2 id=" in page
    assert "How search weighs words and meaning</h2>" in page
    cells = [f'<td class="n">{cell}</td>' for cell in ("lexical", "0 %", "60", "1.000", "1.000", "0.000")]
    assert f"<td>ko</td>{''.join(cells)}" in page


def test_the_ranks_are_those_of_search(run: Path) -> None:
    from embedkit.explore.search import SearchOptions, search

    result = evaluate(EvaluateOptions(model=str(run), resamples=100))
    assert result.known is not None
    for example in result.known.examples:
        (found,) = search(SearchOptions(query=example.query, model=str(run), top_k=1))
        assert example.after[0].text == f"{found.hits[0].term}: {found.hits[0].text}"
        assert example.after[0].score == pytest.approx(found.hits[0].score, abs=1e-5)


def test_a_known_question_that_was_trained_on_is_a_leak(run: Path) -> None:
    write("pairs.jsonl", [*_rows(0, 16), _rows(0, 1)[0] | {"anchor": f"What is {_word(0)}"}])
    with pytest.raises(AnswerNoError, match="1 of 64 test rows were trained on"):
        evaluate(EvaluateOptions(model=str(run), resamples=100))


def test_a_model_without_a_baseline_prints_levels(
    run: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = evaluate(EvaluateOptions(model=str(tiny_model), resamples=100))
    assert result.known is not None
    printed = capsys.readouterr().out
    assert "(base" not in printed
    assert "plain words" in printed
    assert result.word == ""


def test_a_worse_model_is_not_shipped_for_the_known_terms(run: Path, tiny_model: Path) -> None:
    worse = evaluate(
        EvaluateOptions(model=_blank(tiny_model), baseline=str(tiny_model), resamples=500, output=Path("o"))
    )
    assert worse.known is not None
    meaning = worse.known.slices[0].meaning[0]
    assert meaning.difference < 0
    assert meaning.difference_interval is not None
    assert meaning.difference_interval.high < 0


def test_a_sample_asks_fewer_questions(run: Path) -> None:
    result = evaluate(EvaluateOptions(model=str(run), resamples=100, sample_size=9))
    assert result.known is not None
    assert (result.known.queries, result.queries) == (9, 9)


# The decision, on made-up numbers


def _metric(
    difference: float, *, name: str = "recall@1", before: float = 0.5, width: float = 0.01
) -> MetricResult:
    interval = Interval(difference - width, difference + width)
    return MetricResult(
        name=name,
        before=before,
        after=before + difference,
        difference=difference,
        before_interval=None,
        after_interval=None,
        difference_interval=interval,
        permutation_p=0.0001,
        bm25=before,
    )


def _slice(
    difference: float,
    *,
    dimension: str = "all",
    value: str = "all",
    before: float = 0.5,
    concepts: int = 40,
) -> KnownSlice:
    metrics = (
        _metric(difference, before=before),
        _metric(difference, name="recall@10", before=before + 0.1),
    )
    return KnownSlice(
        dimension=dimension,
        value=value,
        queries=90,
        concepts=concepts,
        fused=metrics,
        meaning=metrics,
        fused_from_words=_metric(difference, before=before),
        meaning_from_words=_metric(difference, before=before),
    )


def _findings(difference: float, **more: Any) -> KnownFindings:
    before = more.pop("before", 0.5)
    part, concepts = more.pop("part", difference), more.pop("concepts", 40)
    own = more.pop("own", ())
    slices = (
        _slice(difference, before=before, concepts=concepts),
        *([_slice(own[0], dimension="own", value="your own", concepts=own[1])] if own else []),
        _slice(difference, dimension="asked", value="named", before=before),
        _slice(part, dimension="kind, lang", value="question, ko", before=before),
    )
    return KnownFindings(
        queries=90,
        concepts=concepts,
        own=90 if own else 0,
        entries=50,
        corpus="g.csv",
        files=("pairs.known.jsonl",),
        dropped={},
        slices=slices,
        definitions=slices,
        examples=(),
    )


def _unseen(difference: float, *, concepts: int = 40, before: float = 0.4) -> Findings:
    return Findings(
        task="retrieval",
        queries=80,
        concepts=concepts,
        metrics=(_metric(difference, name="ndcg@10", before=before), _metric(difference, before=before)),
        dimensions_before=2,
        dimensions_after=2,
    )


def _forgetting(*, lost: bool = False) -> Forgetting:
    metric = _metric(-0.1 if lost else 0, name="spearman_cosine")
    word: Kept = "forgotten" if lost else "kept"
    return Forgetting(file="s.jsonl", pairs=300, tolerance=0.02, word=word, metric=metric, languages=())


FLOOR = {"recall@10": 0.5, "recall@1": 0.3}


@pytest.mark.parametrize(
    ("known", "unseen", "lost", "word", "reason"),
    [
        (_findings(0.1), _unseen(0), False, "SHIP", ""),
        (_findings(0, own=(0.1, 20)), _unseen(0), False, "SHIP", ""),  # a person's own questions decide
        (_findings(0.1, own=(0, 20)), _unseen(0), False, "NO DIFFERENCE", ""),
        (_findings(0.1, own=(0, 19)), _unseen(0), False, "SHIP", ""),  # unless they are few
        (_findings(0.1), _unseen(-0.025), False, "SHIP", ""),  # the interval reaches above -0.02
        (_findings(0.1), _unseen(-0.1), False, "DO NOT SHIP", "unseen"),
        (_findings(0.1), _unseen(0), True, "DO NOT SHIP", "forgotten"),
        (_findings(0.1, part=-0.1), _unseen(0), False, "DO NOT SHIP", "slice"),
        (_findings(-0.1), _unseen(0.2), False, "DO NOT SHIP", ""),
        (_findings(0.0), _unseen(0.2), False, "NO DIFFERENCE", ""),
        (_findings(0.1, before=0.1), _unseen(0), False, "NOT YET", "floor"),
        (_findings(0.1, concepts=12), _unseen(0), False, "NOT YET", "few"),
        (_findings(0.1, concepts=3), _unseen(0), False, "NOT YET", "few"),
        (_findings(0.0, concepts=3), _unseen(0), False, "NO DIFFERENCE", ""),
        (None, _unseen(0.1), False, "SHIP", ""),
        (None, _unseen(0.1, before=0.1), False, "NOT YET", "floor"),
        (None, _unseen(0.1, concepts=19), False, "NOT YET", "few"),
        (None, _unseen(-0.1), False, "DO NOT SHIP", ""),
    ],
)
def test_the_verdict(
    known: KnownFindings | None, unseen: Findings, lost: bool, word: str, reason: str
) -> None:
    found = decide(unseen, known, _forgetting(lost=lost), floor=FLOOR)
    assert (found.word, found.reason) == (word, reason)


def test_one_of_many_slices_must_be_worse_by_more_than_chance() -> None:
    metric = replace(_metric(-0.1), permutation_p=0.01)
    assert is_worse(metric, among=5)
    assert not is_worse(metric, among=6)
    assert not is_worse(_metric(-0.001), among=1)


@pytest.fixture
def measured(run: Path) -> Evaluation:
    return evaluate(EvaluateOptions(model=str(run), resamples=100))


def test_every_reason_has_a_sentence_with_its_numbers(measured: Evaluation) -> None:
    def said(known: KnownFindings, **more: Any) -> str:
        return evaluation_sentence(replace(measured, known=known, floor=FLOOR, **more))

    assert said(_findings(0.1), word="SHIP").startswith(
        "SHIP: recall@1 on your terms rises from 0.500 to 0.600"
    )
    floor = said(_findings(0.1, before=0.1), word="NOT YET", reason="floor")
    assert floor.endswith("but the floor is not reached: recall@1 0.200 < 0.3, recall@10 0.300 < 0.5.")
    assert "12 concepts are too few" in said(_findings(0.1, concepts=12), word="NOT YET", reason="few")
    assert "worse for question, ko" in said(_findings(0.1, part=-0.1), word="DO NOT SHIP", reason="slice")
    assert "found worse, nDCG@10 falls" in said(_findings(0.1), word="DO NOT SHIP", reason="unseen")


def test_the_plain_line_has_the_three_systems(measured: Evaluation) -> None:
    lines = list(plain_lines(replace(measured, known=_findings(0.1))))
    assert lines[0] == (
        "Your terms: finds 60 of 100 at the first place when named (base 50; plain words 50)."
    )
    assert next(plain_lines(replace(measured, known=None))).startswith("Your terms: not measured")


def test_what_beats_the_model_is_said_loud(measured: Evaluation) -> None:
    beaten = replace(measured, known=_findings(0.1, part=-0.1))
    words, base, alone = loud_lines(beaten)
    assert words.startswith("PLAIN WORDS BEAT THIS MODEL: question, ko 40 < 50.")
    assert base.startswith("THE BASE BEATS THIS MODEL: question, ko 40 < 50.")
    assert alone.startswith("Without words the model loses to plain words: question, ko 40 < 50.")
    assert not list(loud_lines(replace(measured, known=_findings(0.1))))
    needless = replace(measured, known=_findings(0.0, before=0.97), word="NO DIFFERENCE")
    assert "you may not need a model of your own" in next(loud_lines(needless))


def test_a_persons_own_questions_are_not_asked_for_again(measured: Evaluation) -> None:
    assert any("--questions" in line for line in advice_lines(replace(measured, known=_findings(0.1))))
    assert not list(advice_lines(replace(measured, known=_findings(0.1, own=(0.1, 20)))))


def test_korean_says_the_same(measured: Evaluation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDKIT_LANG", "ko")
    lines = list(evaluation_lines(replace(measured, known=_findings(0.1, part=-0.1))))
    assert lines[1].startswith("내 용어: 이름을 대고 물으면 100개 가운데 60개를")
    render_page(replace(measured, known=_findings(0.1)))


def test_an_evaluation_of_an_earlier_version_is_still_read(measured: Evaluation, run: Path) -> None:
    value = json.loads((run / "metrics.json").read_text())
    for name in ("known", "floor", "compared", "reason"):
        del value[name]
    (run / "metrics.json").write_text(json.dumps(value | {"schema_version": 1, "word": "SHIP"}))
    old = read_evaluation(run / "metrics.json")
    assert (old.known, old.compared) == (None, True)
    assert evaluation_sentence(old).startswith("SHIP: nDCG@10")
    render_page(old)


def test_own_questions_give_the_headline(run: Path) -> None:
    own = [row | {"anchor": f"{row['anchor']} hm", "kind": "named"} for row in _known(0, 16)[::2]]
    write("pairs.known.jsonl", [*_known(0, 16), *own])
    result = evaluate(EvaluateOptions(model=str(run), resamples=100))
    assert result.known is not None
    named, described = [part for part in result.known.slices if part.dimension == "asked"][::-1]
    assert (named.queries, described.queries, result.known.own) == (32, 32, 32)
    assert [part.queries for part in result.known.slices[:2]] == [96, 32]
    assert result.known.deciding.value == "all"  # 16 concepts are too few


def test_the_page_opens_with_the_questions_and_links_its_parts(measured: Evaluation) -> None:
    page = render_page(measured)
    first, contents = page.index("Your terms, named"), page.index('<nav id="contents">')
    assert (
        first
        < page.index("Terms outside the glossary")
        < contents
        < page.index("Questions and first answers</h2>")
    )
    assert "${" not in page[contents : page.index("</nav>", contents)]
    assert 'href="#s0">Questions and first answers</a>' in page
    assert 'id="s0">Questions and first answers</h2>' in page
    assert page.count('<article class="change">') >= 10


def test_rows_that_were_trained_on_are_said_beside_the_verdict(measured: Evaluation) -> None:
    leak = replace(measured.leaks[0], exact=3, known=True)
    lines = list(loud_lines(replace(measured, known=None, leaks=(leak,))))
    assert len(lines) == 1
    assert lines[0].startswith(f"3 of the {leak.rows} rows asked here were trained on")
    assert not list(loud_lines(replace(measured, known=None, leaks=(replace(leak, side="baseline"),))))


def test_a_hundred_of_a_hundred_is_all_and_a_small_difference_is_seen(measured: Evaluation) -> None:
    assert [of_100(share) for share in (0.0, 0.001, 0.814, 0.9999, 1.0)] == [0, 1, 81, 99, 100]
    findings = _findings(0.1, part=-0.002)
    slices = tuple(
        replace(
            part,
            fused_from_words=replace(
                part.fused_from_words, difference_interval=Interval(part.fused_from_words.difference, -0.001)
            ),
        )
        if part.dimension == "kind, lang"
        else part
        for part in findings.slices
    )
    lines = loud_lines(replace(measured, known=replace(findings, slices=slices), leaks=()))
    assert "question, ko 49.8 < 50.0" in next(lines)


def test_few_questions_do_not_say_that_no_model_is_needed(measured: Evaluation) -> None:
    needless = replace(
        measured, known=_findings(0.0, before=0.97, concepts=3), word="NO DIFFERENCE", leaks=()
    )
    assert not any("may not need" in line for line in loud_lines(needless))


def test_the_markdown_has_the_questions_that_decide(measured: Evaluation) -> None:
    lines = list(summary(replace(measured, known=_findings(0.1))))
    assert any(line.startswith("| question, ko | 90 | 40 | 0.500 | 0.600 |") for line in lines)


def test_the_page_says_what_the_verdict_rests_on(measured: Evaluation) -> None:
    with_known, without = render_page(measured), render_page(replace(measured, known=None))
    assert "The verdict rests on the questions for your terms" in with_known
    assert "The verdict rests on nDCG@10" in without
    assert "The verdict rests on nDCG@10" not in with_known


def test_what_cannot_measure_is_refused_with_the_way_on(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UserError, match="questions for concepts that are trained"):
        evaluate(EvaluateOptions(model=str(run), test=Path("pairs.known.jsonl")))
    Path("none.jsonl").touch()
    with pytest.raises(UserError, match="holds no questions"):
        evaluate(EvaluateOptions(model=str(run), known=Path("none.jsonl")))
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps(config | {"model_id": "not/here"}))
    with pytest.raises(UserError, match="that this run started from, 'not/here', is not found") as told:
        evaluate(EvaluateOptions(model=str(run)))
    assert "--baseline" in str(told.value.hint)
    (run / "config.json").write_text(json.dumps(config))
    shutil.copy("pairs.known.jsonl", "pairs.known.dev.jsonl")
    evaluate(EvaluateOptions(model=str(run), known=Path("pairs.known.dev.jsonl"), resamples=100))
    assert "pairs.known.dev.jsonl: the run chose by these questions" in capsys.readouterr().err
