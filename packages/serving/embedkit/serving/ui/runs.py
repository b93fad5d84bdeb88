"""The runs of a folder with their three numbers, as `evaluate` wrote them into `metrics.json`, and their reports."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from embedkit.models.resolve import FINAL
from embedkit.models.run_folder import MODEL
from embedkit.serving.ui.work import run_folders

REPORT = "report.html"
_RECALL = "recall@1"


@dataclass(frozen=True, slots=True)
class RunNumber:
    """A metric of the run's model and, where they were measured, of its base and of plain words; 0 to 1."""

    after: float
    before: float | None = None
    words: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """A run: its verdict (empty before one) and its numbers, None where they were not measured."""

    name: str
    folder: Path
    day: str
    trained: bool
    final: bool
    evaluated: bool = False
    word: str = ""
    base: str = ""
    named: RunNumber | None = None
    described: RunNumber | None = None
    unseen: RunNumber | None = None
    everyday: RunNumber | None = None
    kept: str = ""
    problem: bool = False
    report: bool = False


def list_runs() -> list[RunRow]:
    """Every run here, the newest first."""
    return [_row(folder) for folder in run_folders()]


def _row(folder: Path) -> RunRow:
    row: dict[str, Any] = {
        "name": folder.name,
        "folder": folder,
        "day": datetime.fromtimestamp(folder.stat().st_mtime).strftime("%Y-%m-%d %H:%M"),
        "trained": (folder / MODEL).is_dir(),
        "final": (folder / FINAL / MODEL).is_dir(),
        "report": _report(folder) is not None,
    }
    try:
        measured = dict(_measured(json.loads((folder / "metrics.json").read_bytes())))
    except FileNotFoundError:
        return RunRow(**row)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return RunRow(**row, problem=True)  # by somebody else's program, or of another release
    return RunRow(**row, **measured, evaluated=True)


def _measured(found: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    compared = bool(found.get("compared", True))
    yield "word", str(found["word"])
    yield "base", str(found["baseline"]["name"]) if compared else ""
    for part in (found.get("known") or {}).get("slices", ()):
        if part["dimension"] == "asked" and part["value"] in ("named", "described"):
            yield part["value"], _number(_metric(part["fused"]), compared)
    if unseen := _metric(found["metrics"]):
        yield "unseen", _number(unseen, compared)
    if general := found.get("forgetting"):
        yield "everyday", _number({**general["metric"], "bm25": None}, compared)
        yield "kept", str(general["word"]) if compared else ""


def _metric(metrics: list[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    return next((one for one in metrics if one["name"] == _RECALL), None)


def _number(metric: Mapping[str, Any] | None, compared: bool) -> RunNumber | None:
    if metric is None:
        return None
    words = metric["bm25"]
    return RunNumber(
        float(metric["after"]),
        float(metric["before"]) if compared else None,
        None if words is None else float(words),
    )


def report_of(name: str) -> Path | None:
    """The report of a run that is listed here; None for any other name."""
    folder = next((folder for folder in run_folders() if folder.name == name), None)
    return _report(folder) if folder else None


def _report(folder: Path) -> Path | None:
    """A run's report, and no link to a file that lies elsewhere."""
    path = folder / REPORT
    return path if path.is_file() and path.resolve().is_relative_to(folder.resolve()) else None
