"""A notebook from a plain text: cells after `%% code`, `%% en` and `%% ko`, the languages one notebook each."""

from __future__ import annotations

from typing import Any


def notebook(text: str, language: str) -> dict[str, Any]:
    """The notebook with the code cells and those of one language, in nbformat 4.5; no output, no time."""
    cells: list[dict[str, Any]] = []
    for part in text.split("%% ")[1:]:
        kind, _, source = part.partition("\n")
        if kind in ("code", language):
            cells.append(_cell(kind == "code", source.strip(), f"cell-{len(cells):02d}"))
    return {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _cell(code: bool, source: str, name: str) -> dict[str, Any]:
    common = {"id": name, "metadata": {}, "source": source.splitlines(keepends=True)}
    return (
        {"cell_type": "code", "execution_count": None, "outputs": [], **common}
        if code
        else {"cell_type": "markdown", **common}
    )
