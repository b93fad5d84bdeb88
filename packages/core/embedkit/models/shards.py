"""Vectors in shards, as `embedkit embed` writes them: one array, its ids and a manifest each; whole or absent.

A shard is complete when its manifest is there, which is written last and carries the hashes of the other two.
Opening reads the ids (about 5 µs a text); vectors are mapped, not read, until one is looked up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedkit.data.jsonl import read_objects, write_objects
from embedkit.data.manifest import Manifest, hashes, manifest_path, read_manifest, versions, write_manifest
from embedkit.errors import UserError
from embedkit.files import atomic_bytes, sha256_file

STEP = "embed"
_NAME = re.compile(r"shard-(\d+)-of-(\d+)\.manifest\.json")
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ShardRow:
    """One vector's text: `id` is the input's own, `key` what the encoder finds the vector under (hex)."""

    id: str
    role: str
    text: str
    key: str

    def to_object(self) -> dict[str, Any]:
        """The JSON object of the ids file."""
        return {"id": self.id, "role": self.role, "text": self.text, "key": self.key}


def shard_path(folder: Path, index: int, count: int) -> Path:
    """The array of shard `index` (from 0) of `count`."""
    return folder / f"shard-{index:05d}-of-{count:05d}.npy"


def ids_path(array: Path) -> Path:
    """The ids beside an array: line `i` belongs to row `i`."""
    return array.with_name(f"{array.stem}.ids.jsonl")


def write_shard(
    array: Path,
    vectors: Vectors,
    rows: Iterable[ShardRow],
    *,
    inputs: Mapping[str, str],
    settings: Mapping[str, Any],
) -> Manifest:
    """Write the array, its ids and last its manifest."""
    array.parent.mkdir(parents=True, exist_ok=True)
    manifest_path(array).unlink(missing_ok=True)
    with atomic_bytes(array) as handle:
        np.save(handle, vectors)
    write_objects(ids_path(array), (row.to_object() for row in rows))
    return seal(array, inputs=inputs, settings=settings, count=len(vectors), columns=vectors.shape[1])


def seal(
    array: Path, *, inputs: Mapping[str, str], settings: Mapping[str, Any], count: int, columns: int
) -> Manifest:
    """Write the manifest that says an array and its ids are complete."""
    manifest = Manifest(
        step=STEP,
        inputs=inputs,
        outputs=hashes((array, ids_path(array))),
        settings=settings,
        counts={"vectors": count, "columns": columns},
        versions=versions(),
    )
    write_manifest(manifest_path(array), manifest)
    return manifest


def complete_shard(array: Path) -> Manifest | None:
    """The manifest of a shard whose files are what it says, else None."""
    path = manifest_path(array)
    if not path.is_file():
        return None
    manifest = read_manifest(path)
    for file in (array, ids_path(array)):
        if not file.is_file() or manifest.outputs.get(file.name) != sha256_file(file):
            return None
    return manifest


def find_shards(folder: Path) -> tuple[list[Path], int]:
    """The arrays of a folder that have a manifest, in order, and how many there should be.

    Raises:
        UserError: there are none, or two sets of shards.
    """
    if not folder.is_dir():
        raise UserError("there is no such folder", place=str(folder), hint="embedkit embed makes it")
    found = [match for path in folder.iterdir() if (match := _NAME.fullmatch(path.name))]
    counts = {int(match[2]) for match in found}
    if not counts:
        raise UserError("holds no complete shard", place=str(folder), hint="embedkit embed makes them")
    if len(counts) > 1:
        raise UserError(
            "holds shards of several sets (of {counts})",
            place=str(folder),
            hint="delete those of the set that is not wanted",
            counts=", ".join(map(str, sorted(counts))),
        )
    count = counts.pop()
    return [shard_path(folder, index, count) for index in sorted(int(match[1]) for match in found)], count


class Shards:
    """Complete shards of one model, looked up by key."""

    def __init__(
        self, folder: Path, arrays: Sequence[Vectors], keys: Sequence[bytes], settings: Mapping[str, Any]
    ):
        self.folder = folder
        self.settings = settings
        self._arrays = arrays
        table = np.frombuffer(b"".join(keys), dtype=">u8").reshape(-1, 2)
        self._order = np.argsort(table[:, 0], kind="stable")
        self._first = table[self._order, 0].astype(np.uint64)
        self._second = table[self._order, 1].astype(np.uint64)
        self._ends = np.cumsum([len(array) for array in arrays])

    def __len__(self) -> int:
        return len(self._first)

    @classmethod
    def open(cls, folder: Path) -> Shards:
        """Open every shard of a folder, or what `--merge` made of them.

        Raises:
            UserError: a shard is missing, damaged, or another model's.
        """
        merged = folder / "vectors.npy"
        arrays, count = ([merged], 1) if manifest_path(merged).is_file() else find_shards(folder)
        if len(arrays) < count:
            raise UserError(
                "{missing} of {count} shards are missing",
                place=str(folder),
                hint="run embedkit embed with the same options again: complete shards are kept",
                missing=count - len(arrays),
                count=count,
            )
        settings = same_settings(arrays)
        keys = [bytes.fromhex(row["key"]) for array in arrays for _, row in read_objects(ids_path(array))]
        try:
            mapped = [np.load(array, mmap_mode="r") for array in arrays]
        except (OSError, ValueError, EOFError) as error:
            raise UserError("a shard is damaged ({error})", place=str(folder), error=error) from None
        if len(keys) != sum(map(len, mapped)):
            raise UserError("is damaged: ids and vectors are not equally many", place=str(folder))
        return cls(folder, mapped, keys, settings)

    def require_model(self, weights: str, backend: str) -> None:
        """Raise `UserError` unless these are vectors of the model with this hash, by this backend."""
        for name, wanted in (("weights", weights), ("backend", backend)):
            if self.settings.get(name) != wanted:
                raise UserError(
                    "these vectors are of another model: {name} {found}, not {wanted}",
                    place=str(self.folder),
                    hint="they were made with --model {model} --backend {backend}",
                    name=name,
                    found=self.settings.get(name),
                    wanted=wanted,
                    model=self.settings.get("model"),
                    backend=self.settings.get("backend"),
                )

    def lookup(self, keys: Sequence[bytes]) -> Iterator[tuple[int, Vectors]]:
        """Yield the place in `keys` and the vector of each key that is here."""
        if not keys or not len(self):
            return
        wanted = np.frombuffer(b"".join(keys), dtype=">u8").reshape(-1, 2)
        at = np.minimum(np.searchsorted(self._first, wanted[:, 0].astype(np.uint64)), len(self) - 1)
        found = (self._first[at] == wanted[:, 0]) & (self._second[at] == wanted[:, 1])
        rows = self._order[at]
        shards = np.searchsorted(self._ends, rows, side="right")
        for place in np.flatnonzero(found).tolist():
            shard = int(shards[place])
            before = int(self._ends[shard]) - len(self._arrays[shard])
            yield place, self._arrays[shard][int(rows[place]) - before]


def same_settings(arrays: Sequence[Path]) -> Mapping[str, Any]:
    """The settings that all these shards share, their index aside.

    Raises:
        UserError: they differ, so that the shards do not belong together.
    """
    first: Manifest | None = None
    for array in arrays:
        manifest = read_manifest(manifest_path(array))
        first = first or manifest
        for name in sorted({*first.settings, *manifest.settings} - {"index"}):
            if first.settings.get(name) != manifest.settings.get(name):
                raise UserError(
                    "{name} is {found}, but {wanted} in the first shard",
                    place=str(manifest_path(array)),
                    hint="delete the shards that do not belong here",
                    name=name,
                    found=manifest.settings.get(name),
                    wanted=first.settings.get(name),
                )
        if first.inputs != manifest.inputs:
            raise UserError("was made of another input than the first shard", place=str(manifest_path(array)))
    return first.settings if first else {}
