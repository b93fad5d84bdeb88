"""`embedkit report`: an evaluation rendered again, or several runs in one table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedkit.console import out, say, warn
from embedkit.errors import UserError
from embedkit.evaluation.records import FILE_NAME, Evaluation, read_evaluation, to_object
from embedkit.evaluation.report.between import OTHER_TEST, Comparison, compare_runs
from embedkit.evaluation.report.markdown import comparison, summary
from embedkit.evaluation.report.page import PAGE_FILE, render_comparison, render_page
from embedkit.files import STDIO, refuse_existing, write_text
from embedkit.messages import tr
from embedkit.text import dumps

COMPARISON_FILE = "comparison.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOptions:
    """What `embedkit report` is asked for. Without `format`: html for one run, md for several."""

    runs: Sequence[Path]
    format: str | None = None
    output: Path | None = None
    force: bool = False
    as_json: bool = False

    @property
    def chosen(self) -> str:
        """The format."""
        return "json" if self.as_json else self.format or ("html" if len(self.runs) == 1 else "md")


def report(options: ReportOptions) -> tuple[Evaluation, ...]:
    """Render one run, or put several side by side with the first as the reference.

    A page goes to `output`, else to the run's own report.html or, of several, to comparison.html; other formats
    go to `output` or stdout.

    Raises:
        UserError: a run has no evaluation, or `output` exists and `force` is not given.
    """
    runs, chosen = options.runs, options.chosen
    target, kept = _target(options)
    if target and kept:
        refuse_existing(target, force=options.force)
    evaluations = tuple(read_evaluation(_metrics_file(run)) for run in runs)
    text = _one(evaluations[0], chosen) if len(runs) == 1 else _several(runs, evaluations, chosen)
    if target:
        write_text(target, text)
        say("wrote {paths}", paths=target)
    else:
        out(text.removesuffix("\n"))
    return evaluations


def _target(options: ReportOptions) -> tuple[Path | None, bool]:
    """Where the text goes (None: stdout), and whether what is there already is kept."""
    if options.output:
        return (None, False) if str(options.output) == STDIO else (options.output, True)
    if options.chosen != "html":
        return None, False
    if len(options.runs) == 1:
        return _metrics_file(options.runs[0]).with_name(PAGE_FILE), False
    return Path(COMPARISON_FILE), True


def _one(evaluation: Evaluation, chosen: str) -> str:
    if chosen == "html":
        return render_page(evaluation)
    return dumps(to_object(evaluation)) + "\n" if chosen == "json" else _joined(summary(evaluation))


def _several(runs: Sequence[Path], evaluations: Sequence[Evaluation], chosen: str) -> str:
    compared = compare_runs(runs, evaluations)
    for pair in compared.against:
        if pair.untested == OTHER_TEST:
            warn("{a} and {b}: {reason}", a=pair.first, b=pair.run, reason=tr(OTHER_TEST))
    if chosen == "html":
        return render_comparison(compared)
    return dumps(_comparison_object(compared)) + "\n" if chosen == "json" else _joined(comparison(compared))


def _comparison_object(compared: Comparison) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(Comparison).dump_python(compared, mode="json")


def _joined(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"


def _metrics_file(run: Path) -> Path:
    path = run if run.is_file() else run / FILE_NAME
    if not path.is_file():
        raise UserError(
            "holds no evaluation", place=str(run), hint="embedkit evaluate --model {run} makes one", run=run
        )
    return path
