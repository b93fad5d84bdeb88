"""`embedkit report`: an evaluation rendered again, or several runs in one table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from embedkit.console import out, out_json, say, warn
from embedkit.errors import UserError
from embedkit.files import write_text
from embedkit.trainer.evaluation.records import FILE_NAME, Evaluation, read_evaluation, to_object
from embedkit.trainer.report.markdown import comparison, summary
from embedkit.trainer.report.page import render_page

Format = Literal["html", "md", "json"]
PAGE = "report.html"


def report(
    runs: Sequence[Path], *, format: str | None = None, as_json: bool = False
) -> tuple[Evaluation, ...]:
    """Render one run (`html` by default) or compare several (`md` by default).

    Raises:
        UserError: a run has no evaluation, or several are asked for as one page.
    """
    evaluations = tuple(read_evaluation(_metrics_file(run)) for run in runs)
    chosen = "json" if as_json else format or ("html" if len(runs) == 1 else "md")
    if chosen == "html":
        _write_page(runs, evaluations)
    elif chosen == "json":
        objects = [to_object(evaluation) for evaluation in evaluations]
        out_json(objects[0] if len(objects) == 1 else objects)
    else:
        _warn_if_unlike(evaluations)
        lines = summary(evaluations[0]) if len(runs) == 1 else comparison(evaluations)
        for line in lines:
            out(line)
    return evaluations


def try_write_page(path: Path, evaluation: Evaluation) -> Path | None:
    """Write the page; without the extra `report` say what is missing, and leave no older page behind."""
    try:
        page = render_page(evaluation)
    except UserError as error:
        path.unlink(missing_ok=True)
        say("no {name}: {problem}; {hint}", name=path.name, problem=error.problem, hint=error.hint)
        return None
    write_text(path, page)
    return path


def _metrics_file(run: Path) -> Path:
    path = run if run.is_file() else run / FILE_NAME
    if not path.is_file():
        raise UserError(
            "holds no evaluation", place=str(run), hint="embedkit evaluate --model {run} makes one", run=run
        )
    return path


def _write_page(runs: Sequence[Path], evaluations: Sequence[Evaluation]) -> None:
    if len(runs) > 1:
        raise UserError("a page shows one run", hint="several are compared with --format md or json")
    path = _metrics_file(runs[0]).with_name(PAGE)
    write_text(path, render_page(evaluations[0]))
    say("wrote {paths}", paths=path)


def _warn_if_unlike(evaluations: Sequence[Evaluation]) -> None:
    first = evaluations[0]
    for other in evaluations[1:]:
        if sorted(other.files.values()) != sorted(first.files.values()):
            warn(
                "{a} and {b} were evaluated on different files: their numbers do not compare",
                a=first.model.name,
                b=other.model.name,
            )
