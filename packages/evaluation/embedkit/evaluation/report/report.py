"""`embedkit report`: an evaluation rendered again, or several runs in one table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from embedkit.console import out, say, warn
from embedkit.data.jsonl import dumps
from embedkit.errors import UserError
from embedkit.evaluation.records import FILE_NAME, Evaluation, read_evaluation, to_object
from embedkit.evaluation.report.between import OTHER_TEST, Comparison, compare_runs
from embedkit.evaluation.report.markdown import comparison, summary
from embedkit.evaluation.report.page import render_comparison, render_page
from embedkit.files import STDIO, refuse_existing, write_text
from embedkit.messages import tr

PAGE = "report.html"
COMPARISON_PAGE = "comparison.html"


def report(
    runs: Sequence[Path],
    *,
    format: str | None = None,
    output: Path | None = None,
    force: bool = False,
    as_json: bool = False,
) -> tuple[Evaluation, ...]:
    """Render one run (`html` by default) or put several side by side (`md` by default), the first as the reference.

    A page goes to `output`, else to the run's own report.html or, of several, to comparison.html; other formats
    go to `output` or stdout.

    Raises:
        UserError: a run has no evaluation, or `output` exists and `force` is not given.
    """
    chosen = "json" if as_json else format or ("html" if len(runs) == 1 else "md")
    target, kept = _target(runs, chosen, output)
    if target and kept:
        refuse_existing(target, force=force)
    evaluations = tuple(read_evaluation(_metrics_file(run)) for run in runs)
    text = _one(evaluations[0], chosen) if len(runs) == 1 else _several(runs, evaluations, chosen)
    if target:
        write_text(target, text)
        say("wrote {paths}", paths=target)
    else:
        for line in text.splitlines():
            out(line)
    return evaluations


def _target(runs: Sequence[Path], chosen: str, output: Path | None) -> tuple[Path | None, bool]:
    """Where the text goes (None: stdout), and whether what is there already is kept."""
    if output:
        return (None, False) if str(output) == STDIO else (output, True)
    if chosen != "html":
        return None, False
    if len(runs) == 1:
        return _metrics_file(runs[0]).with_name(PAGE), False
    return Path(COMPARISON_PAGE), True


def _one(evaluation: Evaluation, chosen: str) -> str:
    if chosen == "html":
        return render_page(evaluation)
    return dumps(to_object(evaluation)) + "\n" if chosen == "json" else _lines(summary(evaluation))


def _several(runs: Sequence[Path], evaluations: Sequence[Evaluation], chosen: str) -> str:
    compared = compare_runs(runs, evaluations)
    for pair in compared.against:
        if pair.untested == OTHER_TEST:
            warn("{a} and {b}: {reason}", a=pair.first, b=pair.run, reason=tr(OTHER_TEST))
    if chosen == "html":
        return render_comparison(compared)
    return dumps(_plain(compared)) + "\n" if chosen == "json" else _lines(comparison(compared))


def _plain(compared: Comparison) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(Comparison).dump_python(compared, mode="json")


def _lines(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"


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
