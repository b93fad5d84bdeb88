"""The folder of a deployment: whole or absent, filled in from templates, and marked with `deploy.json`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from embedkit.errors import UserError

RECORD = "deploy.json"
TEMPLATES = Path(__file__).resolve().parent / "templates"
_PLACE = re.compile(r"@([a-z_0-9]+)@")


def filled(template: str, values: Mapping[str, object]) -> str:
    """A template with each `@name@` replaced; a line that is one name alone and has no value goes."""
    text = _template(template)
    for name, value in values.items():
        if value == "":
            text = text.replace(f"\n@{name}@\n", "\n")
    return _PLACE.sub(lambda found: str(values[found[1]]), text)


@cache
def _template(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def write(path: Path, text: str) -> None:
    """Write one file of the folder, which appears whole when all of it is written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write one JSON file of the folder."""
    write(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def read_record(folder: Path) -> Mapping[str, Any]:
    """What `embedkit deploy` wrote down of a folder.

    Raises:
        UserError: it did not write this folder.
    """
    try:
        record: Mapping[str, Any] = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        str(record["target"])
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(
            "is not a folder that embedkit deploy wrote: {record} is missing or damaged",
            place=str(folder),
            hint="embedkit deploy azure --model runs/NAME --output {folder} writes one",
            record=RECORD,
            folder=folder,
        ) from None
    return record


def refuse_others(target: Path, *, force: bool) -> None:
    """Only a folder of `embedkit deploy` is replaced, and only with `--force`: another may hold anything."""
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    if not (target / RECORD).is_file():
        raise UserError(
            "already exists and was not written by embedkit deploy, so it is kept",
            place=str(target),
            hint="--output names another folder",
        )
    if not force:
        raise UserError("already exists and is kept", place=str(target), hint="--force replaces it")
