"""`embedkit evaluate`: queries, corpus, verdict, gates, files and bad input, with a real tiny transformer."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from embedkit.errors import AnswerNoError, UserError
from embedkit.evaluation.evaluate import evaluate
from embedkit.evaluation.gates import parse_bounds
from embedkit.evaluation.measure.compare import judge, word_of
from embedkit.evaluation.measure.per_query import read_queries
from embedkit.evaluation.plan import EvaluateOptions
from embedkit.evaluation.records import Interval, MetricResult, read_evaluation
from embedkit.evaluation.report.verdict import verdict_sentence
from embedkit.files import files_hash
from embedkit.models.run_folder import run_of
from embedkit.ranking.fingerprints import fingerprints_of, write_fingerprints
from embedkit.ranking.leak import file_rows
from embedkit.ranking.queries import OWN_TEXT, read_test_set

Write = Callable[[str, list[dict[str, Any]]], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write rows to a file of an empty folder that is also where we stand."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMBEDKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("EMBEDKIT_LANG", raising=False)

    def put(name: str, rows: list[dict[str, Any]]) -> Path:
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("\n".join(lines) + "\n", encoding="utf-8")
        return Path(name)

    return put


def _row(anchor: str, positive: str, group: str, **more: Any) -> dict[str, Any]:
    return {"anchor": anchor, "positive": positive, "group": group, "kind": "term-definition", **more}


def _concepts(first: int, last: int) -> Iterator[dict[str, Any]]:
    for number in range(first, last):
        yield _row(f"part {number}", f"part {number} does a thing", f"c{number}", lang="en")
        yield _row(f"부품 {number}", f"기능 {number}의 설명", f"c{number}", lang="ko")


@pytest.fixture
def split(write: Write) -> Path:
    """`pairs.jsonl`, dev and test files of twelve concepts in two languages."""
    write("pairs.jsonl", list(_concepts(0, 3)))
    write("pairs.dev.jsonl", list(_concepts(3, 4)))
    return write("pairs.test.jsonl", list(_concepts(4, 12)))


@pytest.fixture
def run(split: Path, tiny_model: Path) -> Path:
    """A run whose model is the tiny one, trained (it says) on `pairs.jsonl`."""
    folder = Path("runs/r")
    shutil.copytree(tiny_model, folder / "model")
    config = {"model_id": str(tiny_model), "data": {"pairs_path": "pairs.jsonl"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "metrics.jsonl").write_text(
        '{"step": 1, "loss": 2.0}\n{"step": 2, "loss": 1.0, "dev_mrr": 0.5}\n'
    )
    return folder


def test_the_base_model_is_measured_with_the_runs_prompts(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The weights are the same, so any difference would be the prompts'."""
    prompts = {"query": "query: ", "document": "passage: "}
    settings = run / "model" / "config_sentence_transformers.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"prompts": prompts}))
    config = json.loads((run / "config.json").read_text())
    config["train"] = {"query_prompt": "query: ", "document_prompt": "passage: "}
    (run / "config.json").write_text(json.dumps(config))
    found = evaluate(EvaluateOptions(model=str(run), resamples=100))
    assert "both models get the prompts of the run: 'query: ', 'passage: '" in capsys.readouterr().err
    assert {metric.difference for metric in found.metrics} == {0.0}
    bare = evaluate(EvaluateOptions(model=str(run), baseline=str(run / "model"), resamples=100))
    assert bare.metrics[0].after == found.metrics[0].after


def test_a_query_is_an_anchor_and_its_kind_with_all_its_positives(write: Write) -> None:
    rows = [
        _row("PWM", "definition", "c1"),
        _row("PWM", "정의", "c1"),
        _row("PWM", "펄스 폭 변조", "c1", kind="x"),
    ]
    tests = read_test_set(write("pairs.test.jsonl", rows))
    assert [(q.kind, len(q.relevant), len(q.excluded)) for q in tests.queries] == [
        ("term-definition", 2, 0),
        ("x", 1, 0),
    ]


def test_the_corpus_is_the_positives_of_all_splits_spelt_once(split: Path, write: Write) -> None:
    write("pairs.dev.jsonl", [_row("z", "Part 4 does a thing.", "c4")])
    tests = read_test_set(split)
    assert len(tests.corpus) == 3 * 2 + 8 * 2
    assert [path.name for path in tests.files] == ["pairs.jsonl", "pairs.dev.jsonl", "pairs.test.jsonl"]


def test_the_dev_file_is_asked_over_all_splits_too(split: Path) -> None:
    tests = read_test_set(split.with_name("pairs.dev.jsonl"))
    assert len(tests.queries) == 2
    assert set(tests.corpus) == set(read_test_set(split).corpus)


@pytest.mark.parametrize("name", ["test.jsonl", "asked.jsonl", "elsewhere/held-out.v2.jsonl", "q.test.jsonl"])
def test_a_test_file_searches_the_same_corpus_whatever_its_name(split: Path, name: str) -> None:
    Path(name).parent.mkdir(exist_ok=True)
    shutil.copy(split, name)
    named, found = (
        read_test_set(split),
        read_test_set(Path(name), trained_on=[split.with_name("pairs.jsonl")]),
    )
    assert (set(found.corpus), len(found.queries)) == (set(named.corpus), len(named.queries))
    assert found.hash == named.hash


def test_without_a_run_the_pairs_beside_a_test_file_are_searched(split: Path) -> None:
    shutil.copy(split, "asked.jsonl")
    assert read_test_set(Path("asked.jsonl")).hash == read_test_set(split).hash
    shutil.copy(split, "terms.test.jsonl")
    assert read_test_set(Path("terms.test.jsonl")).hash == read_test_set(split).hash


def test_texts_of_the_same_concept_in_other_splits_are_left_out(write: Write) -> None:
    write("pairs.jsonl", [_row("PWM", "an older definition", "c1"), _row("ADC", "unlike", "c2")])
    (query,) = read_test_set(write("pairs.test.jsonl", [_row("PWM signal", "definition", "c1")])).queries
    assert len(query.excluded) == 1


def test_the_querys_own_text_is_left_out(write: Write) -> None:
    rows = [_row("PWM", "definition", "c1"), _row("other", "pwm", "c2")]
    tests = read_test_set(write("pairs.test.jsonl", rows))
    assert [tests.corpus[place] for place in tests.queries[0].excluded] == ["pwm"]


def test_a_query_that_only_finds_itself_is_dropped(write: Write) -> None:
    rows = [_row("PWM", "pwm", "c1"), _row("ADC", "adc", "c2"), _row("ADC", "converter", "c2")]
    tests = read_test_set(write("pairs.test.jsonl", rows))
    assert [[tests.corpus[place] for place in query.relevant] for query in tests.queries] == [["converter"]]
    assert tests.dropped == {OWN_TEXT: 1}


def test_a_hard_negative_of_the_same_concept_does_not_count(write: Write) -> None:
    rows = [
        _row("PWM", "definition", "c1", hard_negatives=["Pulse Width Modulation", "noise"]),
        _row("PWM signal", "pulse width modulation", "c1"),
    ]
    tests = read_test_set(write("pairs.test.jsonl", rows))
    assert tests.queries[0].hard_negatives == ("noise",)


def test_the_hash_names_queries_and_texts(write: Write) -> None:
    rows = [_row("PWM", "definition", "c1"), _row("ADC", "converter", "c2")]
    test = write("pairs.test.jsonl", rows)
    first = read_test_set(test).hash
    assert read_test_set(test).hash == first
    write("pairs.jsonl", [_row("z", "one text more", "c4")])
    assert read_test_set(test).hash != first


def test_a_glossary_corpus_drops_and_counts_queries_without_an_answer(write: Write) -> None:
    Path("g.csv").write_text("term,definition\nPWM,definition\nADC,other\n", encoding="utf-8")
    rows = [_row("PWM", "definition", "c1"), _row("PWM", "펄스 폭 변조", "c1", kind="translation")]
    tests = read_test_set(write("pairs.test.jsonl", rows), corpus=Path("g.csv"))
    assert (len(tests.queries), len(tests.corpus), sum(tests.dropped.values())) == (1, 2, 1)


def test_a_corpus_without_any_answer_is_refused(split: Path) -> None:
    Path("g.csv").write_text("term,definition\nADC,unrelated\n", encoding="utf-8")
    with pytest.raises(UserError, match="none of the 16 queries"):
        read_test_set(split, corpus=Path("g.csv"))


def test_a_run_is_recognised_by_its_own_path_and_its_models(run: Path) -> None:
    from embedkit.models.resolve import resolve_model

    for name in (run, run / "model"):
        found = run_of(resolve_model(str(name)))
        assert found is not None
        assert found.pairs == Path("pairs.jsonl")


def test_every_file_of_a_run_is_searched_for_leaks(
    run: Path, split: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def trained_on(*names: str) -> None:
        config = json.loads((run / "config.json").read_text())
        config["data"] = {"pairs_path": None, "sources": [{"path": name} for name in names]}
        (run / "config.json").write_text(json.dumps(config))

    trained_on("pairs.jsonl", "pairs.test.jsonl")
    with pytest.raises(AnswerNoError, match="test rows were trained on"):
        evaluate(EvaluateOptions(model=str(run), test=split, resamples=100))
    trained_on("pairs.jsonl", "gone.jsonl")
    evaluate(EvaluateOptions(model=str(run), test=split, resamples=100))
    assert "leak check, model: not possible" in capsys.readouterr().err


def test_equal_models_are_no_difference_and_the_files_hold_it(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = evaluate(EvaluateOptions(model=str(run), resamples=200))
    assert (result.word, result.queries, result.concepts) == ("NO DIFFERENCE", 16, 8)
    assert read_evaluation(run / "metrics.json") == result
    assert (run / "report.html").is_file()
    kept = read_queries(run / "queries.jsonl", result)
    assert kept is not None
    assert len(kept.values) == 16
    assert result.terms is not None
    assert result.terms.before == result.terms.after
    assert "embedkit/shipped/similarity.jsonl" in result.files
    assert [part.value for part in result.slices] == [
        "en",
        "ko",
        "term-definition",
        "without a particle",
        "은/는",
        "을/를",
    ]
    printed = capsys.readouterr().out
    assert "NO DIFFERENCE: nDCG@10 goes from" in printed
    assert "ko: no significant difference" in printed


def test_a_rerun_is_equal_and_json_is_what_was_written(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = evaluate(EvaluateOptions(model=str(run), resamples=200))
    capsys.readouterr()
    assert evaluate(EvaluateOptions(model=str(run), resamples=200, as_json=True)) == first
    assert json.loads(capsys.readouterr().out) == json.loads((run / "metrics.json").read_text())


def test_a_plain_model_writes_to_evaluation_and_its_leaks_are_unknown(split: Path, tiny_model: Path) -> None:
    result = evaluate(EvaluateOptions(model=str(tiny_model), baseline=str(tiny_model), resamples=100))
    assert Path("evaluation/metrics.json").is_file()
    assert [leak.known for leak in result.leaks] == [False]


def test_a_worse_model_is_not_to_be_shipped(split: Path, tiny_model: Path) -> None:
    import torch
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(tiny_model), device="cpu")
    with torch.no_grad():
        for weights in model.parameters():
            weights.zero_()
    model.save_pretrained("broken", create_model_card=False)
    worse = evaluate(EvaluateOptions(model="broken", baseline=str(tiny_model), resamples=500))
    better = evaluate(
        EvaluateOptions(model=str(tiny_model), baseline="broken", resamples=500, output=Path("turned"))
    )
    assert (worse.word, better.word, better.reason) == ("DO NOT SHIP", "NOT YET", "floor")
    assert worse.mcnemar.broken == better.mcnemar.fixed > 0
    assert worse.broken[0].before[0].relevant
    assert not worse.broken[0].after[0].relevant


def test_a_gain_that_costs_everyday_language_is_not_shipped(
    split: Path, write: Write, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(tiny_model), device="cpu")
    sentences = [f"sentence {number} {'ab' * number}" for number in range(12)]
    cosines = model.similarity(model.encode(sentences[:1]), model.encode(sentences)).numpy()[0]
    order = cosines.argsort().argsort()
    rows = [
        {"sentence1": sentences[0], "sentence2": text, "score": 1 - rank / 12}
        for text, rank in zip(sentences, order.tolist(), strict=True)
    ]
    general = write("general.jsonl", rows)
    with torch.no_grad():
        for weights in model.parameters():
            weights.zero_()
    model.save_pretrained("blank", create_model_card=False)
    result = evaluate(
        EvaluateOptions(
            model=str(tiny_model), baseline="blank", resamples=500, similarity=general, output=Path("out")
        )
    )
    interval = result.primary.difference_interval
    assert interval is not None
    assert interval.low > 0
    assert (result.word, result.forgetting and result.forgetting.word) == ("DO NOT SHIP", "forgotten")
    assert "DO NOT SHIP: the model forgets everyday language" in capsys.readouterr().out


def test_a_leak_stops_before_anything_is_written(run: Path, write: Write) -> None:
    write("pairs.test.jsonl", list(_concepts(2, 12)))
    with pytest.raises(AnswerNoError, match="2 of 20 test rows"):
        evaluate(EvaluateOptions(model=str(run)))
    assert not (run / "metrics.json").exists()
    assert evaluate(EvaluateOptions(model=str(run), allow_leak=True, resamples=100)).leaks[0].exact == 2


def test_a_missed_bound_exits_one_after_writing(run: Path) -> None:
    with pytest.raises(
        AnswerNoError, match=r"recall@1 is 0\.\d+, under 1; ndcg@10 gain is 0\.0000, under 0\.5"
    ):
        evaluate(
            EvaluateOptions(model=str(run), resamples=100, fail_under=["recall@1=1"], fail_under_delta=0.5)
        )
    assert [gate.passed for gate in read_evaluation(run / "metrics.json").gates] == [False, False]


def test_a_bound_that_is_met_exactly_passes(run: Path) -> None:
    result = evaluate(
        EvaluateOptions(model=str(run), resamples=100, fail_under=["ndcg@10=0"], fail_under_delta=0.0)
    )
    assert all(gate.passed for gate in result.gates)


@pytest.mark.parametrize("text", ["ndcg@10", "accuracy=0.5", "ndcg@10=x", "ndcg@10=2", "ndcg@10=nan"])
def test_a_bad_bound_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="--fail-under"):
        parse_bounds([text])


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (0.01, 0.2, "SHIP"),
        (-0.1, 0.1, "NO DIFFERENCE"),
        (0.0, 0.1, "NO DIFFERENCE"),
        (-0.2, -0.01, "DO NOT SHIP"),
    ],
)
def test_the_interval_decides_the_word(low: float, high: float, word: str) -> None:
    assert word_of(Interval(low, high)) == word


def _primary(difference: float) -> MetricResult:
    around = Interval(difference - 0.05, difference + 0.05)
    return MetricResult(
        name="ndcg@10",
        before=0.4,
        after=0.4 + difference,
        difference=difference,
        before_interval=around,
        after_interval=around,
        difference_interval=around,
        permutation_p=0.01,
        bm25=0.1,
    )


def test_five_concepts_are_too_few_for_any_verdict() -> None:
    assert judge([_primary(0.3)], concepts=5) == "NO DIFFERENCE"
    assert "5 concepts are too few" in verdict_sentence("NO DIFFERENCE", _primary(0.3), queries=9, concepts=5)


def test_the_sentence_names_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMBEDKIT_LANG", raising=False)
    assert verdict_sentence("SHIP", _primary(0.2), queries=90, concepts=30) == (
        "SHIP: nDCG@10 rises from 0.400 to 0.600 "
        "(+0.200, 95 % interval +0.150 to +0.250) over 90 queries of 30 concepts."
    )


def test_the_sentence_is_korean_where_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDKIT_LANG", "ko")
    said = verdict_sentence("SHIP", _primary(0.2), queries=90, concepts=30)
    assert said.startswith("SHIP: nDCG@10이 0.400에서 0.600으로 올랐습니다")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"test": Path("nope.jsonl")}, "no such file"),
        ({"corpus": Path("nope.csv")}, "no such file"),
        ({"model": "nope"}, "no model 'nope'"),
        ({"baseline": "nope"}, "no model 'nope'"),
        ({"output": Path("pairs.jsonl/x")}, "cannot write"),
        ({"similarity": Path("nope.jsonl")}, "no such file"),
        ({"similarity": Path("pairs.jsonl")}, "holds pairs, not sentence pairs with a score"),
    ],
)
def test_what_is_missing_is_named(run: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        evaluate(EvaluateOptions(**({"model": str(run)} | options)))


def test_a_plain_model_without_a_baseline_gets_levels_and_no_word(
    split: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = evaluate(EvaluateOptions(model=str(tiny_model), resamples=100))
    assert (result.word, result.sentence, result.compared) == ("", "", False)
    printed = capsys.readouterr()
    assert "SHIP" not in printed.out
    assert "NO DIFFERENCE" not in printed.out
    assert "before" not in printed.out
    assert "no baseline: levels and no verdict" in printed.err
    assert read_evaluation(Path("evaluation/metrics.json")) == result


def test_a_sample_asks_less_of_the_same_texts(split: Path, tiny_model: Path) -> None:
    whole = read_test_set(split)
    part = read_test_set(split, sample=5)
    assert len(part.queries) == 5
    assert part.corpus == whole.corpus
    assert {query.text for query in part.queries} < {query.text for query in whole.queries}
    assert len(read_test_set(split, sample=99).queries) == len(whole.queries)


def test_no_test_file_says_where_it_looked(write: Write, tiny_model: Path) -> None:
    with pytest.raises(UserError, match=r"looked for data.pairs\.test\.jsonl, pairs\.test\.jsonl"):
        evaluate(EvaluateOptions(model=str(tiny_model), baseline=str(tiny_model)))


def test_a_broken_line_exits_two_naming_it_without_a_traceback(run: Path) -> None:
    with Path("pairs.test.jsonl").open("a") as handle:
        handle.write('{"anchor": \n')
    command = [sys.executable, "-m", "embedkit", "evaluate", "--model", str(run)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("pairs.test.jsonl:17:")
    assert "Traceback" not in done.stderr


def test_a_query_for_a_definition_searches_definitions_and_one_for_a_name_names(write: Write) -> None:
    rows = [
        _row("PWM", "switching a supply on and off quickly", "c1", kind="term-definition"),
        _row("PWM", "펄스 폭 변조", "c1", kind="term-translation"),
        _row("ADC", "measures a voltage as a number", "c2", kind="alias-definition"),
        _row("ADC", "아날로그-디지털 변환기", "c2", kind="term-translation"),
    ]
    tests = read_test_set(write("pairs.test.jsonl", rows))
    searched = [set(tests.corpus[slice(*query.window)]) for query in tests.queries]
    definitions = {rows[0]["positive"], rows[2]["positive"]}
    names = {rows[1]["positive"], rows[3]["positive"]}
    assert searched == [definitions, names, definitions, names]


def _seen(run: Path, split: Path, *, dev: Path | None = None) -> None:
    """What a run writes when it is trained on `pairs.jsonl`, and on `dev` chooses its weights."""
    train = split.with_name("pairs.jsonl")
    parts = {"rows": fingerprints_of(file_rows(train))} | (
        {"dev": fingerprints_of(file_rows(dev))} if dev else {}
    )
    write_fingerprints(run / "trained_on.npz", parts)
    (run / "environment.json").write_text(json.dumps({"data": {"sha256": files_hash([train])}}))


def test_rows_that_were_trained_on_are_known_when_the_files_have_been_composed_anew(
    run: Path, split: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _seen(run, split)
    train = split.with_name("pairs.jsonl")
    train.replace("old.jsonl")
    split.replace(train)
    Path("old.jsonl").replace(split)
    with pytest.raises(AnswerNoError, match="6 of 6 test rows were trained on"):
        evaluate(EvaluateOptions(model=str(run), resamples=100))
    assert "pairs.jsonl: changed since the run was trained; the leak check uses" in capsys.readouterr().err
    train.unlink()
    with pytest.raises(AnswerNoError, match="6 of 6 test rows were trained on"):
        evaluate(EvaluateOptions(model=str(run), resamples=100, test=split))


def test_an_unchanged_file_is_not_said_to_have_changed(
    run: Path, split: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _seen(run, split)
    evaluate(EvaluateOptions(model=str(run), resamples=100))
    said = capsys.readouterr().err
    assert "changed" not in said
    assert said.startswith("16 queries over ")


def test_dev_rows_that_chose_the_weights_are_no_test(run: Path, split: Path) -> None:
    dev = split.with_name("pairs.dev.jsonl")
    _seen(run, split)
    evaluate(EvaluateOptions(model=str(run), resamples=100, test=dev))
    _seen(run, split, dev=dev)
    shutil.copy(dev, "held-out.jsonl")
    for test in (dev, Path("held-out.jsonl")):
        with pytest.raises(
            AnswerNoError, match="2 of 2 test rows are among the dev rows that chose the model's"
        ):
            evaluate(EvaluateOptions(model=str(run), resamples=100, test=test))
