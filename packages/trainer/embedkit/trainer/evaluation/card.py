"""What the model card of a run says of its evaluation: a table before and after, filled in by `embedkit evaluate`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from embedkit.files import write_text
from embedkit.trainer.evaluation.records import Evaluation
from embedkit.trainer.evaluation.verdict import UNITS
from embedkit.trainer.report.markdown import metric_lines
from embedkit.trainer.resume import CARD, MODEL

_START, _END = "<!-- embedkit evaluate -->", "<!-- /embedkit evaluate -->"
_SECTION = re.compile(f"{re.escape(_START)}.*?{re.escape(_END)}\n", re.DOTALL)


def _section(text: str) -> str:
    return f"{_START}\n## Before and after\n\n{text}\n{_END}\n"


UNMEASURED = _section(
    "Not measured yet on rows that training has not seen: `embedkit evaluate` fills this in."
)


def fill_card(run: Path, evaluation: Evaluation, *, test: Path) -> None:
    """Put the evaluation into the run's card and into the copy in its model folder, in place of an earlier one."""
    section = _section("\n".join(_lines(evaluation, test)))
    for path in (run / CARD, run / MODEL / CARD):
        if path.is_file():
            before = path.read_text(encoding="utf-8")
            after, found = _SECTION.subn(lambda _: section, before)
            write_text(path, after if found else f"{before}\n{section}")


def _lines(evaluation: Evaluation, test: Path) -> Iterator[str]:
    digest = next((digest for name, digest in evaluation.files.items() if Path(name).name == test.name), "")
    yield (
        f"On {evaluation.queries} {UNITS[evaluation.task]} of {evaluation.concepts} concepts, file `{test.name}` "
        f"(SHA-256 `{digest}`), against {Path(evaluation.baseline.name).name}:"
    )
    yield ""
    yield from metric_lines(evaluation)
    yield ""
    leaked = sum(leak.total for leak in evaluation.leaks if leak.side == "model")
    if leaked:
        yield f"{leaked} of these rows, or rows near them, were trained on: the numbers say too much."
        yield ""
    yield f"**{evaluation.sentence}**"
