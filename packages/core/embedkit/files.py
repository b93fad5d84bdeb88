"""Files that are whole or absent: written beside themselves as `.part`, synced, then moved into place.

A `.part` is locked while it is written, and the lock goes with the process, however it ends: an unlocked one is what a
killed run left, and the next run that writes the same file removes it.
"""

from __future__ import annotations

import glob
import hashlib
import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from embedkit.errors import UserError, is_full
from embedkit.text import writable

try:
    import fcntl
except ImportError:  # Windows, where a file that is open cannot be removed: that is the lock
    fcntl = None  # type: ignore[assignment]

STDIO = "-"
_SOLE: set[int] = set()  # what `sole_use` holds in this process


def refuse_existing(path: Path | str, *, force: bool) -> None:
    """Raise `UserError` when `path` is there and `force` is not given, and always when it is a folder."""
    refuse_folder(path)
    if str(path) != STDIO and not force and Path(path).exists():
        raise UserError("already exists and is kept", place=str(path), hint="--force replaces it")


def refuse_folder(path: Path | str) -> None:
    """Raise `UserError` when a file is to be written where a folder is."""
    if str(path) != STDIO and Path(path).is_dir():
        raise UserError("is a folder, not a file", place=str(path) or ".", hint="name a file in it")


def refuse_inputs(outputs: Iterable[Path], inputs: Iterable[Path | str]) -> None:
    """Raise `UserError` when a file that is read would be replaced, forced or not."""
    read = [Path(path) for path in inputs if str(path) != STDIO]
    for path in outputs:
        if path.exists() and any(path.samefile(given) for given in read if given.exists()):
            raise UserError(
                "is an input and would be replaced", place=str(path), hint="--output names another file"
            )


def require_writable(folder: Path, *, keep: bool = False) -> None:
    """Prove that a file can be written in `folder` before any long work starts, and leave no trace of it.

    `keep` leaves a new folder, for those that several processes write into: none takes it away from another.
    """
    probe = folder / f".embedkit-probe-{os.getpid()}"
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
        with suppress(OSError):  # another process writes there
            for path in missing if not keep else ():
                path.rmdir()
    except OSError as error:
        raise UserError(
            "cannot write here ({reason})",
            place=str(folder),
            hint="choose another folder",
            reason=error.strerror,
        ) from error


@contextmanager
def atomic(path: Path | str, *, newline: str = "\n") -> Iterator[IO[str]]:
    """Open `path` for UTF-8 text; the file appears only when the block ends without an error. `-` is stdout."""
    if str(path) == STDIO:
        with _room_for("stdout"):
            yield sys.stdout
            sys.stdout.flush()
        return
    with _whole(Path(path), "w", encoding="utf-8", newline=newline) as handle:
        yield handle


@contextmanager
def atomic_bytes(path: Path) -> Iterator[IO[bytes]]:
    """Open `path` for bytes; the file appears only when the block ends without an error."""
    with _whole(path, "wb") as handle:
        yield handle


@contextmanager
def _whole(target: Path, mode: str, **options: Any) -> Iterator[IO[Any]]:
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(target)
        handle = _open_locked(part, mode, **options)
    except OSError as error:
        raise UserError(
            "cannot be written ({reason})",
            place=str(target),
            hint="choose another path",
            reason=error.strerror,
        ) from error
    try:
        with _room_for(target):
            with handle:
                yield handle
                handle.flush()
                os.fsync(handle.fileno())
            part.replace(target)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _room_for(target: Path | str) -> Iterator[None]:
    """Raise `UserError` for `target` where the disk has no room for what the block writes."""
    try:
        yield
    except OSError as error:
        if not is_full(error):
            raise
        if target == "stdout":
            with suppress(OSError):  # the rest of the buffer would be a second error at exit
                sys.stdout.close()
        raise no_space(error, place=str(target)) from error


def no_space(error: Exception, *, place: str = "") -> UserError:
    """What a person is told when the disk, a quota or a limit is full."""
    return UserError(
        "there is no room to write ({reason})",
        place=place,
        hint="nothing was replaced; free some space or choose another place, then run it again",
        reason=getattr(error, "strerror", None) or error,
    )


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """A path for those who open their files themselves: what they write there, and beside it, appears at the end.

    They write into a folder that is locked as a `.part` is; `target` appears last.
    """
    with _part_folder(target) as folder:
        yield folder / target.name
        for made in sorted(folder.iterdir(), key=lambda path: path.name == target.name):
            _sync(made)
            made.replace(target.with_name(made.name))


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """An empty folder that becomes `target` when the block ends without an error, in place of one that is there."""
    with _part_folder(target) as folder:
        new = folder / "new"
        new.mkdir()
        yield new
        usual = _usual_mode()
        for made in new.rglob("*"):
            if made.is_file():
                made.chmod(usual)  # safetensors writes for its own user alone
                _sync(made)
        if target.exists():
            target.replace(folder / "old")
        new.replace(target)


def _usual_mode() -> int:
    """The mode of a file that anybody writes here, as umask says."""
    mask = os.umask(0o077)
    os.umask(mask)
    return 0o666 & ~mask


@contextmanager
def _part_folder(target: Path) -> Iterator[Path]:
    folder = target.with_name(f"{target.name}.{os.getpid()}.part")
    target.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(target)
    lock = _make_locked(folder)
    try:
        with _room_for(target):
            yield folder
    finally:
        if lock is not None:
            os.close(lock)
        shutil.rmtree(folder, ignore_errors=True)


def _sync(path: Path) -> None:
    with path.open("rb") as handle:
        os.fsync(handle.fileno())


def _make_locked(folder: Path) -> int | None:
    """A new folder and what holds its lock. Another run may remove it between the two: then it is made again."""
    while fcntl is not None:
        folder.mkdir(exist_ok=True)
        lock = os.open(folder, os.O_RDONLY)
        _locked(lock)
        if folder.exists():
            return lock
        os.close(lock)
    folder.mkdir(exist_ok=True)
    return None


def discard(path: Path) -> None:
    """Remove a file, if it is there, and what killed runs left of it."""
    path.unlink(missing_ok=True)
    remove_leftovers(path)


def remove_leftovers(target: Path) -> None:
    """Remove every `.part` of `target` that no living process holds."""
    name = re.compile(re.escape(target.name) + r"\.\d+\.part")
    for part in target.parent.glob(f"{glob.escape(target.name)}.*.part"):
        if name.fullmatch(part.name):
            with suppress(OSError):
                _remove_unheld(part)


def _remove_unheld(part: Path) -> None:
    if fcntl is None:
        part.unlink()
        return
    descriptor = os.open(part, os.O_RDONLY)
    try:
        if _locked(descriptor):
            shutil.rmtree(part) if part.is_dir() else part.unlink()
    finally:
        os.close(descriptor)


def _open_locked(part: Path, mode: str, **options: Any) -> IO[Any]:
    """The part opened and locked. Another run may remove it between the two: then it is opened again."""
    while True:
        handle: IO[Any] = part.open(mode, **options)
        _locked(handle)
        if part.exists() and os.path.samestat(part.stat(), os.fstat(handle.fileno())):
            return handle
        handle.close()


def _locked(handle: IO[Any] | int) -> bool:
    """Lock a file for this process, and say whether that went: where files cannot be locked it never does."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def share_lock(folder: Path) -> int | None:
    """Hold a folder beside others that use it until this process ends: the descriptor, None where that cannot be."""
    if fcntl is None:
        return None
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return None
    return descriptor


@contextmanager
def sole_use(folder: Path) -> Iterator[bool]:
    """Whether no other process holds `folder`, which none can take while the block runs; True where nobody can tell."""
    if fcntl is None:
        yield True
        return
    descriptor = os.open(folder, os.O_RDONLY)
    _SOLE.add(descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        alone = True
    except OSError as error:
        alone = not isinstance(error, BlockingIOError)
    try:
        yield alone
    finally:
        _SOLE.discard(descriptor)
        os.close(descriptor)


def _close_in_child() -> None:
    """A lock is its process's: a worker that is forked off must not keep it when that process is killed."""
    for descriptor in _SOLE:
        os.close(descriptor)
    _SOLE.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)


def write_text(path: Path | str, text: str) -> None:
    """Write one whole text file; what no file can hold, as half a character of a path in another encoding, as �."""
    with atomic(path) as handle:
        handle.write(writable(text))


def read_bytes(path: Path | str) -> bytes:
    """The bytes of `path` (`-` is stdin); `UserError` when there are none to be had."""
    if str(path) == STDIO:
        return sys.stdin.buffer.read()
    with open_bytes(path) as handle:
        return handle.read()


def open_bytes(path: Path | str, name: str = "") -> IO[bytes]:
    """The file opened for reading, called `name` if not by its path. Raises `UserError` where it cannot be read."""
    place = name or str(path)
    try:
        return Path(path).open("rb")
    except FileNotFoundError:
        raise missing_file(path, name=place) from None
    except OSError as error:
        raise UserError("cannot be read ({reason})", place=place, reason=error.strerror) from error


def missing_file(
    path: Path | str, *, name: str = "", hint: str = "check the path", **fields: Any
) -> UserError:
    """The error for a file that is not there: one line with the name that was nearly meant, else with `hint`."""
    from difflib import get_close_matches

    place, wanted = name or str(path), Path(path)
    there: dict[str, str] = {}
    for folder in dict.fromkeys((wanted.parent, Path(), Path("data"))):
        with suppress(OSError):
            for found in sorted(folder.iterdir()):
                there.setdefault(found.name, str(found))
    # Names of files are alike by their endings alone.
    near = get_close_matches(wanted.name, there, n=1, cutoff=0.81)
    if near:
        return UserError("there is no such file; did you mean {near!r}?", place=place, near=there[near[0]])
    return UserError("there is no such file", place=place, hint=hint, **fields)


def files_hash(paths: Sequence[Path]) -> str:
    """The SHA-256 of a file; of several files, that of their hashes."""
    hashes = [sha256_file(path) for path in paths]
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file's bytes, read in blocks."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
