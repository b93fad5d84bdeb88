"""The manifest beside an output: what went in and came out (sha256), with which settings, seed and versions."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from embedkit.errors import UserError
from embedkit.extras import DISTRIBUTION
from embedkit.files import read_bytes, sha256_file, write_text

VERSIONED = ("torch", "transformers", "sentence-transformers", "numpy", "pandas", "rapidfuzz", "opencc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What `NAME.manifest.json` holds. Equal inputs and settings give equal bytes: it carries no time of day."""

    step: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    settings: Mapping[str, Any]
    counts: Mapping[str, Any]
    versions: Mapping[str, str]
    seed: int | None = None


def manifest_path(output: Path) -> Path:
    """`data/pairs.jsonl` has its manifest in `data/pairs.manifest.json`."""
    return output.with_name(f"{output.stem}.manifest.json")


def hashes(paths: Iterable[Path]) -> dict[str, str]:
    """Each file's name and SHA-256, in the order given."""
    return {path.name: sha256_file(path) for path in paths}


def versions(*more: str) -> dict[str, str]:
    """The versions of embedkit, Python, the libraries that shape results and `more`; absent ones are left out."""
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for name in (DISTRIBUTION, *VERSIONED, *more):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write the manifest as indented JSON."""
    value = {
        "step": manifest.step,
        "inputs": dict(manifest.inputs),
        "outputs": dict(manifest.outputs),
        "settings": dict(manifest.settings),
        "seed": manifest.seed,
        "counts": dict(manifest.counts),
        "versions": dict(manifest.versions),
    }
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def read_manifest(path: Path) -> Manifest:
    """Read a manifest; `UserError` when it is missing or not one."""
    try:
        value = json.loads(read_bytes(path))
        return Manifest(**value)
    except (ValueError, TypeError):
        raise UserError("not an embedkit manifest", place=str(path)) from None


def wrote(output: Path, *, step: str) -> bool:
    """Whether `output` is untouched since `step` wrote it: the manifest beside it names it with the same hash."""
    path = manifest_path(output)
    if not path.is_file() or not output.is_file():
        return False
    try:
        manifest = read_manifest(path)
    except UserError:
        return False
    return manifest.step == step and manifest.outputs.get(output.name) == sha256_file(output)


def question_writers(rows: Path) -> dict[str, str]:
    """The language models that wrote questions among composed rows, each with a note on its licence."""
    path = manifest_path(rows)
    if not path.is_file():
        return {}
    try:
        writers = read_manifest(path).settings.get("questions_written_by")
    except UserError:
        return {}
    return writers if isinstance(writers, dict) else {}
