"""What the model card of a run says of its evaluation: a table before and after, filled in by `embedkit evaluate`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from embedkit.evaluation.records import Evaluation
from embedkit.evaluation.report.markdown import metric_lines
from embedkit.evaluation.report.plain import plain_lines
from embedkit.evaluation.report.verdict import UNITS
from embedkit.files import write_text
from embedkit.models.run_folder import CARD, MODEL, evaluation_section, with_section


def fill_card(run: Path, evaluation: Evaluation, *, test: Path) -> None:
    """Put the evaluation into the run's card and into the copy in its model folder, in place of an earlier one."""
    section = evaluation_section("\n".join(_section_lines(evaluation, test)))
    for path in (run / CARD, run / MODEL / CARD):
        if path.is_file():
            write_text(path, with_section(path.read_text(encoding="utf-8"), section))


def _section_lines(evaluation: Evaluation, test: Path) -> Iterator[str]:
    digest = next((digest for name, digest in evaluation.files.items() if Path(name).name == test.name), "")
    yield (
        f"On {evaluation.queries} {UNITS[evaluation.task]} of {evaluation.concepts} concepts, file `{test.name}` "
        f"(SHA-256 `{digest}`), against {Path(evaluation.baseline.name).name}:"
    )
    yield ""
    yield from metric_lines(evaluation)
    yield ""
    yield from (f"- {line}" for line in plain_lines(evaluation))
    yield ""
    leaked = sum(leak.total for leak in evaluation.leaks if leak.side == "model")
    if leaked:
        yield f"{leaked} of these rows, or rows near them, were trained on: the numbers say too much."
        yield ""
    if evaluation.sentence:
        yield f"**{evaluation.sentence}**"
