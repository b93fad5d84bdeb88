"""Write the table of rooms in docs/architecture.md: files, lines, and how long the bodies of functions are.

A body is what follows a function's signature and docstring. Lines are rounded to the hundred, so that only a change
of shape makes the table stale. `--check` writes nothing and exits 1 when the table on disk differs.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "architecture.md"
ROOMS = ("core", "crawler", "compose", "trainer", "evaluation", "explore", "serving")
BEGIN, END = "<!-- layout_table.py -->\n", "<!-- end -->\n"
HEAD = """| room | modules | lines | functions | median body | 90th percentile |
|---|---:|---:|---:|---:|---:|
"""


def main() -> int:
    """Write or check the table."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    current = before + BEGIN + table() + END + rest.split(END, 1)[1]
    if current == text:
        return 0
    print(PAGE.relative_to(ROOT))
    if "--check" in sys.argv:
        return 1
    PAGE.write_text(current, encoding="utf-8")
    return 0


def table() -> str:
    """A line for each room and one for all of them."""
    rooms = [sorted((ROOT / "packages" / room).rglob("*.py")) for room in ROOMS]
    named = [*zip(ROOMS, rooms, strict=True), ("all", [path for room in rooms for path in room])]
    return HEAD + "".join(row(name, paths) for name, paths in named)


def row(name: str, paths: Sequence[Path]) -> str:
    """One line of the table."""
    texts = [path.read_text(encoding="utf-8") for path in paths]
    lines = sum(text.count("\n") for text in texts)
    bodies = sorted(length for text in texts for length in body_lengths(text))
    cells = (len(paths), f"{round(lines, -2):,}", len(bodies), quantile(bodies, 0.5), quantile(bodies, 0.9))
    return f"| {name} | {' | '.join(map(str, cells))} |\n"


def body_lengths(source: str) -> Iterator[int]:
    """Lines of every function's body, from the first statement to the last."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
            yield (body[-1].end_lineno or body[-1].lineno) - body[0].lineno + 1


def quantile(ordered: Sequence[int], share: float) -> int:
    """The value that `share` of the ordered numbers do not exceed."""
    return ordered[round(share * (len(ordered) - 1))]


if __name__ == "__main__":
    sys.exit(main())
