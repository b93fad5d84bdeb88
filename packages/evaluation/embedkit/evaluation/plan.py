"""What `embedkit evaluate` is asked for, and what that means: the models, the test rows and the bounds, found first.

Nothing is loaded or encoded here: a wrong name or a bad row is an error after a second, not after an hour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from embedkit.console import say, warn
from embedkit.data.records import split_path
from embedkit.errors import UserError
from embedkit.evaluation.gates import Bound, parse_bounds
from embedkit.evaluation.known.ranking import KNOWN_METRICS
from embedkit.evaluation.measure.rows import TASK_METRICS
from embedkit.evaluation.measure.statistics import Resampling
from embedkit.evaluation.report.verdict import UNITS
from embedkit.evaluation.sets.row_tests import RowTests, default_similarity_file, read_row_tests, tested_texts
from embedkit.evaluation.sets.test_rows import read_graded
from embedkit.files import require_writable
from embedkit.messages import tr
from embedkit.models.resolve import ModelSource, Role, resolve_model
from embedkit.models.run_folder import Run, default_test_file, measured_run, run_of
from embedkit.ranking.hybrid.questions import KnownSet, known_files, read_known_set
from embedkit.ranking.queries import TestSet, read_test_set

DEFAULT_OUTPUT = Path("evaluation")
DEFAULT_FLOOR: tuple[Bound, ...] = (("recall@10", 0.5), ("recall@1", 0.3))


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateOptions:
    """What `embedkit evaluate` is asked for. None: the run's own, else what ships with embedkit."""

    model: str
    baseline: str | None = None
    test: Path | None = None
    corpus: Path | None = None
    output: Path | None = None
    similarity: Path | None = None
    known: Path | None = None
    floor: Sequence[str] = ()
    sample_size: int | None = None
    fail_under: Sequence[str] = ()
    fail_under_delta: float | None = None
    allow_leak: bool = False
    resamples: int = 10_000
    seed: int = 0
    as_json: bool = False

    @property
    def resampling(self) -> Resampling:
        """How often the bootstrap resamples, and its seed."""
        return Resampling(self.resamples, self.seed)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationPlan:
    """What is compared, on which rows, and the bounds that the model has to keep.

    Without `compared` there is no baseline, and the model stands in for it.
    """

    model: ModelSource
    baseline: ModelSource
    run: Run | None
    baseline_run: Run | None
    tests: TestSet | RowTests
    test_file: Path
    similarity: Path
    output: Path
    bounds: tuple[Bound, ...]
    floor: tuple[Bound, ...]
    known: KnownSet | None
    compared: bool

    @property
    def prompts(self) -> dict[Role, str]:
        """The run's prompts; its own base model reads them too where it has none."""
        return self.run.prompts_for(self.baseline) if self.run else {}

    @property
    def asked(self) -> list[str]:
        """The texts that the models are asked."""
        if isinstance(self.tests, TestSet):
            return [
                *(known.text for known in (self.known.questions if self.known else ())),
                *self.tests.asked,
            ]
        return [text for row in self.tests.rows for text in tested_texts(row)]

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that is read."""
        read = self.tests.files if isinstance(self.tests, TestSet) else (self.test_file,)
        return (*read, *(self.known.files if self.known else ()), self.similarity)


def plan_evaluation(options: EvaluateOptions) -> EvaluationPlan:
    """Find and read what the options name.

    Raises:
        UserError: a file or model is missing or bad, or a bound is.
    """
    floor = parse_bounds(options.floor, names=KNOWN_METRICS, option="--floor") or DEFAULT_FLOOR
    parse_bounds(options.fail_under, names=list(dict.fromkeys(chain(*TASK_METRICS.values()))))
    source = resolve_model(options.model, final=False)
    run = run_of(source)
    _refuse_final(run)
    baseline = find_baseline(options.baseline, run)
    test_file = options.test or default_test_file(run)
    _refuse_known(test_file, run)
    tests = _read_tests(test_file, options, run)
    similarity = options.similarity or default_similarity_file()
    read_graded(similarity)
    task = tests.task if isinstance(tests, RowTests) else "retrieval"
    bounds = parse_bounds(options.fail_under, names=TASK_METRICS[task])
    output = options.output or (run.folder if run else DEFAULT_OUTPUT)
    require_writable(output)
    return EvaluationPlan(
        model=source,
        baseline=baseline or source,
        run=run,
        baseline_run=run_of(baseline) if baseline else None,
        tests=tests,
        test_file=test_file,
        similarity=similarity,
        output=output,
        bounds=bounds,
        floor=floor,
        known=_read_known(test_file, options, run) if options.known or isinstance(tests, TestSet) else None,
        compared=baseline is not None,
    )


def _refuse_final(run: Run | None) -> None:
    if run is not None and (measured := measured_run(run.folder)):
        raise UserError(
            "this model was trained on everything, the test rows too, so they cannot measure it",
            place=str(run.folder),
            hint="embedkit evaluate --model {run} measures the same recipe, trained without them",
            run=measured,
        )


def _refuse_known(test: Path, run: Run | None) -> None:
    """Questions for trained concepts would be refused as leaks: their answers are trained on."""
    if run and test.resolve() in {path.resolve() for path in known_files(run, None)}:
        raise UserError(
            "holds questions for concepts that are trained, which are asked beside the test rows",
            place=str(test),
            hint="leave --test away, or name other questions with --known",
        )


def _read_tests(path: Path, options: EvaluateOptions, run: Run | None) -> TestSet | RowTests:
    tests = read_row_tests(path)
    if tests is None:
        trained_on = run.trained_on if run else ()
        return read_test_set(path, corpus=options.corpus, sample=options.sample_size, trained_on=trained_on)
    if options.corpus:
        raise UserError("--corpus is for test files of pairs: other rows are not searched", place=str(path))
    if options.sample_size:
        raise UserError("--sample-size is for test files of pairs", place=str(path))
    return tests


def _read_known(test: Path, options: EvaluateOptions, run: Run | None) -> KnownSet | None:
    """The known questions named, else those beside the rows; None where there are none."""
    files = (options.known,) if options.known else known_files(run, test)
    if not files:
        return None
    if all(path.is_file() and not path.stat().st_size for path in files):
        raise UserError("holds no questions", place=str(files[0]))
    return read_known_set(files, corpus=options.corpus, run=run, sample=options.sample_size)


def find_baseline(name: str | None, run: Run | None) -> ModelSource | None:
    """The model named, else the one that the run started from, in the run's revision; None where there is neither.

    Raises:
        UserError: it is not found.
    """
    if name:
        return resolve_model(name, final=False)
    if not run or not run.base_model:
        return None
    try:
        return resolve_model(run.base_model, revision=run.revision)
    except UserError as error:
        raise UserError(
            "the model that this run started from, {base!r}, is not found here",
            place=str(run.folder),
            hint="name it, or another to compare with, by --baseline",
            base=run.base_model,
        ) from error


def print_plan(plan: EvaluationPlan) -> None:
    """Say what is compared with what; how much is asked and searched stands first."""
    tests = plan.tests
    if isinstance(tests, TestSet):
        say(
            "{queries} queries over {corpus} texts ({name}): {models}",
            queries=len(tests.queries),
            corpus=len(tests.corpus),
            name=tests.corpus_name,
            models=_models(plan),
        )
    else:
        say(
            "{rows} {unit} ({name}): {models}",
            rows=len(tests.rows),
            unit=tr(UNITS[tests.task]),
            name=tests.file,
            models=_models(plan),
        )
    if plan.known:
        say(
            "{questions} questions for known terms over {entries} entries ({name})",
            questions=len(plan.known.questions),
            entries=len(plan.known.entries),
            name=plan.known.corpus,
        )
        _warn_of_dev_questions(plan)
    if plan.prompts:
        prompts = ", ".join(map(repr, plan.prompts.values()))
        say("both models get the prompts of the run: {prompts}", prompts=prompts)
    if not plan.compared:
        say("no baseline: levels and no verdict; name a model with --baseline to compare")


def _warn_of_dev_questions(plan: EvaluationPlan) -> None:
    """Say where the run's choices (weights, the share of words in the search) were made on the questions asked."""
    trained = plan.run.trained_on if plan.run else ()
    dev = {split_path(path, "known.dev").resolve() for path in trained}
    for path in plan.known.files if plan.known else ():
        if path.resolve() in dev:
            warn("{file}: the run chose by these questions, so the numbers say too much", file=path)


def _models(plan: EvaluationPlan) -> str:
    if not plan.compared:
        return str(plan.model)
    return tr("{model} against {baseline}", model=plan.model, baseline=plan.baseline)
