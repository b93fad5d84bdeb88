"""`embedkit evaluate`: a model against its baseline on held-out concepts, with a verdict.

Costs two encodings of the corpus (none, where their vectors are cached) and a few seconds of resampling.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from embedkit.console import out, out_json, say, warn
from embedkit.errors import UserError
from embedkit.files import require_writable, sha256_file
from embedkit.manifest import versions
from embedkit.messages import tr
from embedkit.models import ModelSource, resolve_model
from embedkit.pairs import read_pairs
from embedkit.trainer.evaluation import gates
from embedkit.trainer.evaluation.compare import PerQuery, compare, judge, slices
from embedkit.trainer.evaluation.leak import find_leaks, pass_gate, rows_of
from embedkit.trainer.evaluation.records import (
    FILE_NAME,
    SCHEMA_VERSION,
    Evaluation,
    Leak,
    ModelInfo,
    SourceRows,
    to_object,
    write_evaluation,
)
from embedkit.trainer.evaluation.runs import Run, curves, default_test_file, run_of
from embedkit.trainer.evaluation.statistics import mcnemar
from embedkit.trainer.evaluation.systems import Outcome, changes, run_bm25, run_encoder
from embedkit.trainer.evaluation.table import metric_table
from embedkit.trainer.evaluation.testset import TestSet, read_test_set
from embedkit.trainer.evaluation.verdict import language_lines, sentence
from embedkit.trainer.report.report import try_write_page
from embedkit.vectors import Encoder

DEFAULT_OUTPUT = Path("evaluation")
FEW_CONCEPTS = 20
SHOWN_CHANGES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What will be compared, found before anything is loaded."""

    model: ModelSource
    baseline: ModelSource
    run: Run | None
    baseline_run: Run | None
    tests: TestSet
    test_file: Path
    output: Path


def evaluate(
    *,
    model: str,
    baseline: str | None = None,
    test: Path | None = None,
    corpus: Path | None = None,
    output: Path | None = None,
    fail_under: Sequence[str] = (),
    fail_under_delta: float | None = None,
    allow_leak: bool = False,
    resamples: int = 10_000,
    seed: int = 0,
    as_json: bool = False,
) -> Evaluation:
    """Rank the test queries with both models and say whether the difference is real.

    A query is an anchor of the test rows with its kind; the positives of its rows are right. Other texts of
    its own concept, and its own text, are left out of its ranking: neither right nor wrong. `metrics.json`
    and `report.html` go to the run or to `output`, replacing an earlier evaluation.

    Raises:
        UserError: a file or model is missing or bad.
        AnswerNoError: test rows were trained on, or the model misses a bound (after the files are written).
    """
    bounds = gates.parse_bounds(fail_under)
    plan = _plan(model=model, baseline=baseline, test=test, corpus=corpus, output=output)
    leaks = _leaks(plan)
    pass_gate(leaks, allow_leak=allow_leak)
    result = _evaluate(plan, leaks, bounds, fail_under_delta, resamples, seed)
    write_evaluation(plan.output / FILE_NAME, result)
    page = try_write_page(plan.output / "report.html", result)
    if as_json:
        out_json(to_object(result))
    else:
        _tell(result)
    say("wrote {paths}", paths=", ".join(map(str, (plan.output / FILE_NAME, *([page] if page else [])))))
    gates.require_passed(result.gates)
    return result


def _plan(
    *, model: str, baseline: str | None, test: Path | None, corpus: Path | None, output: Path | None
) -> Plan:
    source = resolve_model(model)
    run = run_of(source)
    base_name = baseline or (run.base_model if run else "")
    if not base_name:
        raise UserError("nothing to compare with", place=model, hint="name a model with --baseline")
    base = resolve_model(base_name)
    test_file = test or default_test_file(run)
    folder = output or (run.folder if run else DEFAULT_OUTPUT)
    tests = read_test_set(test_file, corpus=corpus)
    require_writable(folder)
    return Plan(
        model=source,
        baseline=base,
        run=run,
        baseline_run=run_of(base),
        tests=tests,
        test_file=test_file,
        output=folder,
    )


def _leaks(plan: Plan) -> tuple[Leak, ...]:
    found = [find_leaks(rows_of(plan.tests.rows), train=plan.run.pairs if plan.run else None, side="model")]
    if plan.baseline_run:
        found.append(find_leaks(rows_of(plan.tests.rows), train=plan.baseline_run.pairs, side="baseline"))
    return tuple(found)


def _evaluate(
    plan: Plan,
    leaks: tuple[Leak, ...],
    bounds: Sequence[tuple[str, float]],
    least_gain: float | None,
    resamples: int,
    seed: int,
) -> Evaluation:
    tests = plan.tests
    say(
        "{queries} queries over {corpus} texts ({name}): {model} against {baseline}",
        queries=len(tests.queries),
        corpus=len(tests.corpus),
        name=tests.corpus_name,
        model=plan.model,
        baseline=plan.baseline,
    )
    base_encoder, encoder = Encoder(plan.baseline), Encoder(plan.model)
    before, cosines_before = run_encoder(base_encoder, tests, system="before", seed=seed)
    after, cosines_after = run_encoder(encoder, tests, system="after", seed=seed)
    values = _values(tests, before, after)
    metrics = compare(values, resamples=resamples, seed=seed)
    concepts = values.concept_count
    word = judge(metrics, concepts=concepts)
    return Evaluation(
        schema_version=SCHEMA_VERSION,
        word=word,
        sentence=sentence(word, metrics[0], queries=len(tests.queries), concepts=concepts),
        model=_info(encoder, after),
        baseline=_info(base_encoder, before),
        queries=len(tests.queries),
        concepts=concepts,
        corpus_texts=len(tests.corpus),
        corpus=tests.corpus_name,
        dropped=tests.dropped,
        metrics=metrics,
        slices=tuple(slices(tests.queries, values, resamples=resamples, seed=seed)),
        mcnemar=mcnemar(before.hit, after.hit),
        similarities=(*cosines_before, *cosines_after),
        fixed=tuple(islice(changes(tests, before, after, fixed=True), SHOWN_CHANGES)),
        broken=tuple(islice(changes(tests, before, after, fixed=False), SHOWN_CHANGES)),
        curves=curves(plan.run.folder) if plan.run else (),
        leaks=leaks,
        gates=tuple(gates.check(metrics, bounds=bounds, least_gain=least_gain)),
        sources=tuple(_sources(plan)),
        files={str(path): sha256_file(path) for path in tests.files},
        run_config=plan.run.config if plan.run else {},
        resamples=resamples,
        seed=seed,
        versions=versions(),
    )


def _values(tests: TestSet, before: Outcome, after: Outcome) -> PerQuery:
    _, codes = np.unique([query.concept for query in tests.queries], return_inverse=True)
    return PerQuery(
        before=before.metrics,
        after=after.metrics,
        bm25=run_bm25(tests).metrics,
        concepts=codes.astype(np.int64),
    )


def _info(encoder: Encoder, outcome: Outcome) -> ModelInfo:
    return ModelInfo(
        name=encoder.source.requested,
        origin=encoder.source.origin,
        weights=encoder.hash,
        dimensions=outcome.dimensions,
    )


def _sources(plan: Plan) -> Iterator[SourceRows]:
    """Rows of the training and test files by source and licence, the largest first."""
    trained = [plan.run.pairs] if plan.run and plan.run.pairs else []
    for path in dict.fromkeys((*trained, plan.test_file)):
        counts = Counter((pair.source, pair.license) for pair in read_pairs(path))
        for (source, licence), rows in counts.most_common():
            yield SourceRows(file=path.name, source=source, license=licence, rows=rows)


def _tell(result: Evaluation) -> None:
    """The table and the verdict on stdout."""
    for line in metric_table(result.metrics):
        out(line)
    out(result.sentence)
    for line in language_lines(result):
        out(f"  {line}")
    for reason, count in result.dropped.items():
        say("{count} queries left out: {reason}", count=count, reason=tr(reason))
    if result.concepts < FEW_CONCEPTS:
        warn("{concepts} concepts are few: the interval is rough", concepts=result.concepts)
