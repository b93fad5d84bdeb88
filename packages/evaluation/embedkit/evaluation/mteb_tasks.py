"""`embedkit evaluate --mteb TASK`: benchmark tasks run by the `mteb` package, results in its own format.

A task is a name that mteb knows, or `FILE.py` with task classes of your own (`FILE.py:CLASS` for one of them), which
need no network. Results lie in `OUTPUT/mteb/results/MODEL/WEIGHTS/TASK.json`.
"""

from __future__ import annotations

import importlib.util
import inspect
import re
import traceback
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from embedkit.console import out, out_json, say
from embedkit.errors import UserError
from embedkit.evaluation.plan import DEFAULT_OUTPUT, find_baseline
from embedkit.extras import require
from embedkit.files import missing_file, require_writable
from embedkit.messages import tr
from embedkit.models.quiet import quiet_libraries
from embedkit.models.resolve import (
    LoadOptions,
    ModelSource,
    Role,
    lend_prompts,
    load_model,
    resolve_model,
    weights_hash,
)
from embedkit.models.run_folder import run_of
from embedkit.text import align

EXTRA = "mteb"
FOLDER = "mteb"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskScore:
    """The main score of one task. `before` is None where there is no baseline."""

    task: str
    metric: str
    before: float | None
    after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MtebOptions:
    """What `embedkit evaluate --mteb` is asked for. `unused` are given options that mean nothing here."""

    tasks: Sequence[str]
    model: str
    baseline: str | None = None
    output: Path | None = None
    unused: Sequence[str] = ()
    as_json: bool = False


def evaluate_mteb(options: MtebOptions) -> tuple[TaskScore, ...]:
    """Run the tasks with the model, and with the baseline (by default the model that a run started from).

    Raises:
        UserError: `mteb`, a task or a model is missing, a task's data cannot be loaded, or an unused option is given.
    """
    if options.unused:
        raise UserError(
            "{options} cannot be used with --mteb",
            hint="run embedkit evaluate twice, once with --mteb",
            options=", ".join(options.unused),
        )
    source = resolve_model(options.model, final=False)
    run = run_of(source)
    baseline = find_baseline(options.baseline, run)
    prompts = run.prompts_for(baseline) if run and baseline else {}
    folder = (options.output or (run.folder if run else DEFAULT_OUTPUT)) / FOLDER
    mteb = require("mteb", extra=EXTRA)
    tasks = [task for name in options.tasks for task in _tasks(name, mteb)]
    require_writable(folder)
    before = _run(mteb, tasks, baseline, folder, prompts=prompts) if baseline else {}
    after = _run(mteb, tasks, source, folder)
    scores = tuple(
        TaskScore(
            task=task.metadata.name,
            metric=task.metadata.main_score,
            before=before.get(task.metadata.name),
            after=after[task.metadata.name],
        )
        for task in tasks
    )
    if options.as_json:
        out_json({"tasks": [asdict(score) for score in scores]})
    else:
        for line in _table_lines(scores):
            out(line)
    say("wrote {paths}", paths=folder / "results")
    return scores


def _tasks(name: str, mteb: Any) -> Iterator[Any]:
    """The task of a name, or those of a Python file."""
    file, _, wanted = name.partition(":")
    if not file.endswith(".py"):
        try:
            yield mteb.get_task(name)
        except KeyError as error:
            near = re.search(r"Did you mean: '([^']+)'", str(error))
            raise UserError(
                "mteb knows no task {name!r}",
                hint="did you mean {names}?" if near else "or name a Python file with a task class: FILE.py",
                name=name,
                names=near[1] if near else "",
            ) from None
        return
    classes = _classes(Path(file), mteb)
    if wanted and wanted not in classes:
        raise UserError(
            "holds no task class {wanted!r}",
            place=file,
            hint="there are {classes}" if classes else "there are none",
            wanted=wanted,
            classes=", ".join(classes),
        )
    if not classes:
        raise UserError(
            "holds no task class", place=file, hint="subclass one of mteb.abstasks and set metadata"
        )
    yield from (task() for title, task in classes.items() if wanted in ("", title))


def _classes(file: Path, mteb: Any) -> dict[str, Any]:
    """The task classes that a file defines itself and that carry metadata."""
    if not file.is_file():
        raise missing_file(file)
    spec = importlib.util.spec_from_file_location(f"embedkit_mteb_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise UserError("cannot be loaded as Python", place=str(file))
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        place = f"{file}:{_error_line(error, file)}"
        raise UserError("{kind}: {error}", place=place, kind=type(error).__name__, error=error) from error
    return {
        name: value
        for name, value in vars(module).items()
        if inspect.isclass(value)
        and issubclass(value, mteb.AbsTask)
        and value.__module__ == module.__name__
        and "metadata" in vars(value)
    }


def _error_line(error: Exception, file: Path) -> int:
    """The last line of `file` that the error came through."""
    if isinstance(error, SyntaxError):
        return error.lineno or 1
    frames = traceback.extract_tb(error.__traceback__)
    return next((frame.lineno for frame in reversed(frames) if frame.filename == str(file)), None) or 1


def _run(
    mteb: Any,
    tasks: Iterable[Any],
    source: ModelSource,
    folder: Path,
    *,
    prompts: Mapping[Role, str] = MappingProxyType({}),
) -> dict[str, float]:
    """Main scores by task; what mteb wrote before is replaced."""
    say("mteb: {model}", model=source)
    named = {"name": _model_name(source), "revision": weights_hash(source.path)}
    model = load_model(source, LoadOptions())
    lend_prompts(model, prompts)
    try:
        return _scores(mteb, tasks, model, named, folder)
    except (OSError, ValueError, ConnectionError) as error:
        raise UserError(
            "a task could not be run: {first}",
            hint="the data of the task must be on this machine, or the network available",
            first=str(error).strip().splitlines()[0],
        ) from error


def _scores(
    mteb: Any, tasks: Iterable[Any], model: Any, named: Mapping[str, str], folder: Path
) -> dict[str, float]:
    with quiet_libraries(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning, module="mteb")
        wrapped = mteb.SentenceTransformerEncoderWrapper(model)
        wrapped.mteb_model_meta = wrapped.mteb_model_meta.model_copy(update=named)
        results = mteb.evaluate(
            wrapped,
            list(tasks),
            co2_tracker=False,
            cache=mteb.ResultCache(folder),
            overwrite_strategy="always",
            show_progress_bar=False,
        )
    return {result.task_name: float(result.get_score()) for result in results.task_results}


def _model_name(source: ModelSource) -> str:
    """`owner/name`, as mteb files its results."""
    name = re.sub(r"[^\w.-]+", "-", source.requested.strip("/").replace("/", "__")).strip("-")
    return f"embedkit/{name}"


def _table_lines(scores: Sequence[TaskScore]) -> Iterator[str]:
    head = ("task", "metric", "before", "after", "difference")
    rows = [
        (
            score.task,
            score.metric,
            "" if score.before is None else f"{score.before:.3f}",
            f"{score.after:.3f}",
            "" if score.before is None else f"{score.after - score.before:+.3f}",
        )
        for score in scores
    ]
    yield from align([tuple(tr(name) for name in head), *rows])
