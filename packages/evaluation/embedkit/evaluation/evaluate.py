"""`embedkit evaluate`: a model against its baseline on held-out rows, with a verdict.

Costs two encodings of the corpus (none, where their vectors are cached) and a few seconds of resampling.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from embedkit.console import out, out_json, say, warn
from embedkit.data.jsonl import read_objects
from embedkit.data.manifest import versions
from embedkit.data.run_folder import Run, curves, default_test_file, run_of
from embedkit.data.shipped import data_path
from embedkit.errors import UserError
from embedkit.evaluation import gates
from embedkit.evaluation.card import fill_card
from embedkit.evaluation.measure.compare import judge
from embedkit.evaluation.measure.findings import Findings, search_findings
from embedkit.evaluation.measure.per_query import FILE_NAME as QUERIES
from embedkit.evaluation.measure.per_query import write_queries
from embedkit.evaluation.measure.terms import term_view
from embedkit.evaluation.records import (
    FILE_NAME,
    SCHEMA_VERSION,
    Evaluation,
    Forgetting,
    ModelInfo,
    QueryResult,
    SourceRows,
    to_object,
    write_evaluation,
)
from embedkit.evaluation.report.report import try_write_page
from embedkit.evaluation.report.table import metric_table
from embedkit.evaluation.sets.everyday import default_similarity_file, measure_forgetting
from embedkit.evaluation.sets.row_tasks import (
    TASK_METRICS,
    RowTests,
    read_row_tests,
    row_findings,
    tested_texts,
)
from embedkit.evaluation.sets.test_rows import read_graded
from embedkit.evaluation.verdict import (
    UNITS,
    forgetting_lines,
    language_lines,
    mined_lines,
    particle_lines,
    sentence,
)
from embedkit.files import require_writable, sha256_file
from embedkit.messages import tr
from embedkit.models.resolve import ModelSource, Role, resolve_model
from embedkit.models.vectors import Encoder
from embedkit.ranking.leak import Leak, TestRow, find_leaks, pass_gate, rows_of
from embedkit.ranking.queries import TestSet, read_test_set

DEFAULT_OUTPUT = Path("evaluation")
FEW_CONCEPTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What will be compared, found before anything is loaded."""

    model: ModelSource
    baseline: ModelSource
    run: Run | None
    baseline_run: Run | None
    tests: TestSet | RowTests
    test_file: Path
    similarity: Path
    output: Path

    @property
    def prompts(self) -> dict[Role, str]:
        """The run's prompts, which its own base model is measured with too where it has none."""
        return self.run.prompts_for(self.baseline) if self.run else {}

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that is read."""
        read = self.tests.files if isinstance(self.tests, TestSet) else (self.test_file,)
        return (*read, self.similarity)


def evaluate(
    *,
    model: str,
    baseline: str | None = None,
    test: Path | None = None,
    corpus: Path | None = None,
    output: Path | None = None,
    similarity: Path | None = None,
    fail_under: Sequence[str] = (),
    fail_under_delta: float | None = None,
    allow_leak: bool = False,
    resamples: int = 10_000,
    seed: int = 0,
    as_json: bool = False,
) -> Evaluation:
    """Measure both models on the test rows and say whether the difference is real.

    The first row of the test file says what is measured. Pairs: a query is an anchor with its kind, the
    positives of its rows are right; other texts of its own concept, and its own text, are left out of its
    ranking. Other rows: see `rowtasks`. The graded pairs of `similarity` tell what was forgotten.
    `metrics.json`, `queries.jsonl` and `report.html` go to the run or to `output`, replacing an earlier evaluation.

    Raises:
        UserError: a file or model is missing or bad.
        AnswerNoError: test rows were trained on, or the model misses a bound (after the files are written).
    """
    plan = _plan(
        model=model, baseline=baseline, test=test, corpus=corpus, output=output, similarity=similarity
    )
    task = plan.tests.task if isinstance(plan.tests, RowTests) else "retrieval"
    bounds = gates.parse_bounds(fail_under, names=TASK_METRICS[task])
    leaks = _leaks(plan)
    pass_gate(leaks, allow_leak=allow_leak)
    result, asked = _evaluate(plan, leaks, bounds, fail_under_delta, resamples, seed)
    written = _write(plan.output, result, asked)
    if plan.run and plan.output == plan.run.folder:
        fill_card(plan.run.folder, result, test=plan.test_file)
    if as_json:
        out_json(to_object(result))
    else:
        _tell(result)
    say("wrote {paths}", paths=", ".join(map(str, written)))
    gates.require_passed(result.gates)
    return result


def _plan(
    *,
    model: str,
    baseline: str | None,
    test: Path | None,
    corpus: Path | None,
    output: Path | None,
    similarity: Path | None,
) -> Plan:
    source = resolve_model(model)
    run = run_of(source)
    base_name = baseline or (run.base_model if run else "")
    if not base_name:
        raise UserError("nothing to compare with", place=model, hint="name a model with --baseline")
    base = resolve_model(base_name, revision="" if baseline or not run else run.revision)
    test_file = test or default_test_file(run)
    folder = output or (run.folder if run else DEFAULT_OUTPUT)
    tests = read_row_tests(test_file) or read_test_set(test_file, corpus=corpus)
    if corpus and isinstance(tests, RowTests):
        raise UserError("--corpus goes with pairs, these rows search nothing", place=str(test_file))
    general = similarity or default_similarity_file()
    read_graded(general)
    require_writable(folder)
    return Plan(
        model=source,
        baseline=base,
        run=run,
        baseline_run=run_of(base),
        tests=tests,
        test_file=test_file,
        similarity=general,
        output=folder,
    )


def _leaks(plan: Plan) -> tuple[Leak, ...]:
    tests = plan.tests
    rows = (
        rows_of(tests.rows) if isinstance(tests, TestSet) else [TestRow(tested_texts(r)) for r in tests.rows]
    )
    found = [find_leaks(rows, train=plan.run.trained_on if plan.run else (), side="model")]
    if plan.baseline_run:
        found.append(find_leaks(rows, train=plan.baseline_run.trained_on, side="baseline"))
    return tuple(found)


def _evaluate(
    plan: Plan,
    leaks: tuple[Leak, ...],
    bounds: Sequence[tuple[str, float]],
    least_gain: float | None,
    resamples: int,
    seed: int,
) -> tuple[Evaluation, tuple[QueryResult, ...]]:
    _announce(plan)
    before, after = Encoder(plan.baseline, prompts=plan.prompts), Encoder(plan.model)
    if isinstance(plan.tests, TestSet):
        found = search_findings(plan.tests, before, after, resamples=resamples, seed=seed)
    else:
        found = row_findings(plan.tests, before, after, resamples=resamples, seed=seed)
    general = measure_forgetting(before, after, file=plan.similarity, resamples=resamples, seed=seed)
    word = "DO NOT SHIP" if general.lost else judge(found.metrics, concepts=found.concepts)
    result = Evaluation(
        schema_version=SCHEMA_VERSION,
        word=word,
        sentence=_sentence(found, general),
        model=_info(after, found.dimensions_after),
        baseline=_info(before, found.dimensions_before),
        task=found.task,
        queries=found.queries,
        concepts=found.concepts,
        corpus_texts=found.corpus_texts,
        corpus=found.corpus,
        dropped=found.dropped,
        metrics=found.metrics,
        slices=found.slices,
        mcnemar=found.mcnemar,
        similarities=found.similarities,
        fixed=found.fixed,
        broken=found.broken,
        hard_negatives=found.hard_negatives,
        negatives_from=tuple(_miners(plan.tests, before, after)),
        labels=found.labels,
        forgetting=general,
        terms=term_view(plan.tests.rows, before, after) if isinstance(plan.tests, TestSet) else None,
        curves=curves(plan.run.folder) if plan.run else (),
        leaks=leaks,
        gates=tuple(gates.check(found.metrics, bounds=bounds, least_gain=least_gain)),
        sources=tuple(_sources(plan)),
        files={_shown(path): sha256_file(path) for path in plan.files},
        run_config=plan.run.config if plan.run else {},
        resamples=resamples,
        seed=seed,
        versions=versions(),
        test_hash=plan.tests.hash,
    )
    return result, found.asked


def _write(folder: Path, result: Evaluation, asked: tuple[QueryResult, ...]) -> list[Path]:
    """The files of an evaluation, replacing those of an earlier one; which were written."""
    write_evaluation(folder / FILE_NAME, result)
    queries = write_queries(folder / QUERIES, asked)
    page = try_write_page(folder / "report.html", result)
    return [folder / FILE_NAME, *([queries] if queries else []), *([page] if page else [])]


def _shown(path: Path) -> str:
    """A file's name in the report; one that ships with embedkit has the same on every machine."""
    shipped = data_path()
    return f"embedkit/shipped/{path.relative_to(shipped)}" if path.is_relative_to(shipped) else str(path)


def _announce(plan: Plan) -> None:
    tests = plan.tests
    if plan.prompts:
        shown = ", ".join(map(repr, plan.prompts.values()))
        say("both models read the prompts of the run: {prompts}", prompts=shown)
    if isinstance(tests, TestSet):
        say(
            "{queries} queries over {corpus} texts ({name}): {model} against {baseline}",
            queries=len(tests.queries),
            corpus=len(tests.corpus),
            name=tests.corpus_name,
            model=plan.model,
            baseline=plan.baseline,
        )
        return
    say(
        "{rows} {unit} ({name}): {model} against {baseline}",
        rows=len(tests.rows),
        unit=tr(UNITS[tests.task]),
        name=tests.file,
        model=plan.model,
        baseline=plan.baseline,
    )


def _sentence(found: Findings, general: Forgetting) -> str:
    return sentence(
        judge(found.metrics, concepts=found.concepts),
        found.metrics[0],
        queries=found.queries,
        concepts=found.concepts,
        task=found.task,
        forgetting=general,
    )


def _miners(tests: TestSet | RowTests, *encoders: Encoder) -> Iterator[str]:
    """The models that mined the test rows' hard negatives: those lie below the right text for them by construction."""
    if isinstance(tests, TestSet):
        mined = {receipt.weights for row in tests.rows for receipt in row.mining}
        yield from dict.fromkeys(encoder.source.requested for encoder in encoders if encoder.hash in mined)


def _info(encoder: Encoder, dimensions: int) -> ModelInfo:
    return ModelInfo(
        name=encoder.source.requested,
        origin=encoder.source.origin,
        weights=encoder.hash,
        dimensions=dimensions,
    )


def _sources(plan: Plan) -> Iterator[SourceRows]:
    """Rows of the training and test files by source and licence, the largest first."""
    trained = plan.run.trained_on if plan.run else ()
    for path in dict.fromkeys((*trained, plan.test_file)):
        counts = Counter(
            (str(row.get("source") or ""), str(row.get("license") or "")) for _, row in read_objects(path)
        )
        for (source, licence), rows in counts.most_common():
            yield SourceRows(file=path.name, source=source, license=licence, rows=rows)


def _tell(result: Evaluation) -> None:
    """The table and the verdict on stdout."""
    for line in metric_table(result.metrics):
        out(line)
    if result.hard_negatives:
        out(tr("against the hard negatives:"))
        for line in metric_table(result.hard_negatives):
            out(line)
        for line in mined_lines(result):
            out(f"  {line}")
    out(result.sentence)
    for line in (*language_lines(result), *particle_lines(result), *forgetting_lines(result)):
        out(f"  {line}")
    for reason, count in result.dropped.items():
        say("{count} queries left out: {reason}", count=count, reason=tr(reason))
    if result.concepts < FEW_CONCEPTS:
        warn("{concepts} concepts are few: the interval is rough", concepts=result.concepts)
