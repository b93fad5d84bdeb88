"""`embedkit cache`: list and clear the cache. Only files with names that embedkit gives are counted or removed."""

from __future__ import annotations

import re
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_args

from embedkit.cache import Room, cache_root
from embedkit.console import out, out_json, say
from embedkit.errors import AnswerNoError, UserError
from embedkit.files import sole_use
from embedkit.text import pad

ROOMS: tuple[Room, ...] = get_args(Room)
DAY_S = 86_400
PAID: Room = "answers"  # of language models: cleared only by name
# The databases of pages and answers, and files named by the hash of a model's weights. EMBEDKIT_CACHE may be a folder
# with other things in it; those are never removed.
_OURS = re.compile(r"((?:http|answers)(?=\.sqlite)|[0-9a-f]{16}(?=\.))")


@dataclass(frozen=True, slots=True)
class CacheUsage:
    """Files and bytes of one room of the cache."""

    room: Room
    files: int
    bytes: int


def cache_info(*, as_json: bool = False) -> tuple[CacheUsage, ...]:
    """Print each room's files and bytes on stdout."""
    rooms = tuple(_usage(room, _entries(room)) for room in ROOMS)
    if as_json:
        out_json({"folder": str(cache_root()), "rooms": [asdict(room) for room in rooms]})
        return rooms
    out(str(cache_root()))
    for room in rooms:
        out(f"{pad(room.room, 10)}{room.files:>8} files{room.bytes / 1e6:>12.1f} MB")
    return rooms


def cache_clear(
    room: Room | None = None, *, older_than: float = 0, yes: bool = False, as_json: bool = False
) -> tuple[CacheUsage, ...]:
    """Remove files older than `older_than` days from one room, or from all but the answers; asks first unless `yes`.

    Raises:
        UserError: stdin is no terminal to ask on, or a file cannot be removed.
        AnswerNoError: the answer was no, or a room is in use (the others were cleared).
    """
    newest = time.time() - older_than * DAY_S
    found = {name: _old(name, newest) for name in ([room] if room else [one for one in ROOMS if one != PAID])}
    sums = tuple(_usage(name, entries) for name, entries in found.items())
    if any(entries for entries in found.values()) and not yes:
        _confirm(sum(held.files for held in sums), sum(held.bytes for held in sums))
    used = [name for name, entries in found.items() if entries and not _clear(name, entries)]
    cleared = tuple(held for held in sums if held.room not in used)
    if as_json:
        out_json({"removed": [asdict(held) for held in cleared], "in_use": used})
    files, mb = sum(held.files for held in cleared), sum(held.bytes for held in cleared) / 1e6
    say("removed {files} files, {mb:.1f} MB", files=files, mb=mb)
    if used:
        raise AnswerNoError(
            "another embedkit is using it, so it is kept",
            place=", ".join(used),
            hint="try again when that has ended",
        )
    return cleared


def _entries(room: Room) -> Iterator[Path]:
    """The files and unfinished folders that embedkit made in a room."""
    folder = cache_root() / room
    if folder.is_dir():
        yield from sorted(path for path in folder.iterdir() if _OURS.match(path.name))


def _old(room: Room, newest: float) -> list[Path]:
    """The files last written before `newest`; those of one database or model are all old or all kept."""
    entries = list(_entries(room))
    recent = {_stem(path) for path in entries if path.lstat().st_mtime > newest}
    return [path for path in entries if _stem(path) not in recent]


def _stem(path: Path) -> str:
    return path.name.partition(".")[0]


def _usage(room: Room, entries: Iterator[Path] | list[Path]) -> CacheUsage:
    files = [
        file for entry in entries for file in ([entry, *entry.rglob("*")] if entry.is_dir() else [entry])
    ]
    sizes = [file.lstat().st_size for file in files if not file.is_dir()]
    return CacheUsage(room, len(sizes), sum(sizes))


def _confirm(files: int, size: int) -> None:
    folder, mb = cache_root(), size / 1e6
    if not sys.stdin.isatty():
        raise UserError(
            "would remove {files} files, {mb:.1f} MB from {folder}",
            hint="--yes removes them",
            files=files,
            mb=mb,
            folder=folder,
        )
    say("remove {files} files, {mb:.1f} MB from {folder}? [y/N]", files=files, mb=mb, folder=folder)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise AnswerNoError("nothing was removed")


def _clear(room: Room, entries: list[Path]) -> bool:
    """Remove the entries unless another process works in the room."""
    with sole_use(cache_root() / room) as alone:
        if alone:
            for path in entries:
                _remove(path)
    return alone


def _remove(path: Path) -> None:
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise UserError("cannot be removed ({reason})", place=str(path), reason=error.strerror) from error
