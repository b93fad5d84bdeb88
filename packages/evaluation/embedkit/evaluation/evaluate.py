"""`embedkit evaluate`: a model against its baseline on held-out rows, with a verdict. The steps, one after the other.

Costs two encodings of the corpus (none, where their vectors are cached) and a few seconds of resampling.
"""

from __future__ import annotations

from pathlib import Path

from embedkit.console import out, out_json, say, warn
from embedkit.evaluation.gates import require_passed
from embedkit.evaluation.known.ranking import known_findings
from embedkit.evaluation.measure.everyday import measure_forgetting
from embedkit.evaluation.measure.per_query import FILE_NAME as QUERIES_FILE
from embedkit.evaluation.measure.per_query import write_queries
from embedkit.evaluation.measure.rows import row_findings
from embedkit.evaluation.measure.search import search_findings
from embedkit.evaluation.measure.statistics import Resampling
from embedkit.evaluation.measure.systems import ModelPair
from embedkit.evaluation.plan import EvaluateOptions, EvaluationPlan, plan_evaluation, print_plan
from embedkit.evaluation.records import (
    FEW_CONCEPTS,
    FILE_NAME,
    Evaluation,
    Findings,
    QueryResult,
    to_object,
    write_evaluation,
)
from embedkit.evaluation.report.card import fill_card
from embedkit.evaluation.report.page import PAGE_FILE, try_write_page
from embedkit.evaluation.report.terminal import evaluation_lines
from embedkit.evaluation.result import EvaluationParts, evaluation_of
from embedkit.evaluation.sets.leaks import leaks_of
from embedkit.evaluation.sets.row_tests import tested_texts
from embedkit.messages import tr
from embedkit.models.readable import warn_if_unreadable
from embedkit.models.tracking import log_evaluation
from embedkit.models.vectors import Encoder
from embedkit.ranking.fingerprints import TestRow
from embedkit.ranking.leak import Leak, require_no_leaks, rows_of
from embedkit.ranking.queries import TestSet


def evaluate(options: EvaluateOptions) -> Evaluation:
    """Measure both models on the test rows and say whether the difference is real.

    The first row of the test file says what is measured. Pairs: a query is an anchor with its kind, the positives of
    its rows are right; other texts of its own concept, and its own text, are left out of its ranking. Other rows: see
    `measure.rows`. The graded pairs of `similarity` tell what was forgotten.
    `metrics.json`, `queries.jsonl` and `report.html` go to the run or to `output`, replacing an earlier evaluation.

    Known questions ask for entries as `embedkit search` ranks them; where there are some, they decide the verdict.

    Raises:
        UserError: a file or model is missing or bad.
        AnswerNoError: test rows were trained on, or the model misses a bound (after the files are written).
    """
    plan = plan_evaluation(options)
    print_plan(plan)
    leaks = _leaks(plan)
    require_no_leaks(leaks, allow_leak=options.allow_leak)
    for source in {plan.model.path: plan.model, plan.baseline.path: plan.baseline}.values():
        warn_if_unreadable(source, plan.asked)
    models = ModelPair(Encoder(plan.baseline, prompts=plan.prompts), Encoder(plan.model))
    found = _findings(plan, models, options.resampling)
    measured = EvaluationParts(
        found=found,
        known=known_findings(plan.known, models, options.resampling) if plan.known else None,
        forgetting=measure_forgetting(plan.similarity, models, options.resampling),
        leaks=leaks,
    )
    result = evaluation_of(plan, options, models, measured)
    written = _write(plan.output, result, found.asked)
    if plan.run and plan.output == plan.run.folder:
        fill_card(plan.run.folder, result, test=plan.test_file)
    if plan.run:
        numbers = {f"test/{metric.name}": metric.after for metric in result.metrics}
        log_evaluation(plan.run.folder, plan.output, verdict=result.word, metrics=numbers)
    if options.as_json:
        out_json(to_object(result))
    else:
        _print(result)
    say("wrote {paths}", paths=", ".join(map(str, written)))
    require_passed(result.gates)
    return result


def _leaks(plan: EvaluationPlan) -> tuple[Leak, ...]:
    tests = plan.tests
    rows = (
        rows_of(tests.rows)
        if isinstance(tests, TestSet)
        else [TestRow(tested_texts(row)) for row in tests.rows]
    )
    asked = [TestRow((question.text,)) for question in plan.known.questions] if plan.known else []
    return tuple(leaks_of(rows, asked, run=plan.run, baseline=plan.baseline_run))


def _findings(plan: EvaluationPlan, models: ModelPair, resampling: Resampling) -> Findings:
    if isinstance(plan.tests, TestSet):
        return search_findings(plan.tests, models, resampling)
    return row_findings(plan.tests, models, resampling)


def _write(folder: Path, result: Evaluation, asked: tuple[QueryResult, ...]) -> list[Path]:
    """Write the files of an evaluation, replacing those of an earlier one; which were written."""
    write_evaluation(folder / FILE_NAME, result)
    queries = write_queries(folder / QUERIES_FILE, asked)
    page = try_write_page(folder / PAGE_FILE, result)
    return [folder / FILE_NAME, *([queries] if queries else []), *([page] if page else [])]


def _print(result: Evaluation) -> None:
    """The tables and the verdict on stdout, what to keep in mind on stderr."""
    for line in evaluation_lines(result):
        out(line)
    for reason, count in result.dropped.items():
        say("{count} queries left out: {reason}", count=count, reason=tr(reason))
    for reason, count in result.known.dropped.items() if result.known else ():
        say("{count} queries left out: {reason}", count=count, reason=tr(reason))
    if result.concepts < FEW_CONCEPTS:
        warn(
            "the test rows have few concepts ({concepts}): their intervals are imprecise",
            concepts=result.concepts,
        )
    if result.known and result.known.concepts < FEW_CONCEPTS:
        warn(
            "the questions for your terms ask for few concepts ({concepts}): their intervals are imprecise",
            concepts=result.known.concepts,
        )
