"""Zipped exports: the pages and files in an archive, read one after another and never unpacked to disk."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath

from embedkit.crawler.formats.kinds import HTML_SUFFIXES, SUFFIXES
from embedkit.errors import UserError

MAX_MEMBERS = 20_000
MAX_MEMBER_BYTES = 64 * 1024 * 1024
MAX_TOTAL_BYTES = 512 * 1024 * 1024
ARCHIVE_SUFFIXES = (".zip", ".epub", ".kmz", ".h5p")


def is_archive(body: bytes, suffix: str) -> bool:
    """Whether bytes are a ZIP file that holds pages; spreadsheets and word processors' files are ZIP files too."""
    return body.startswith(b"PK\x03\x04") and (suffix in ARCHIVE_SUFFIXES or suffix not in _OWN)


_OWN = (
    ".xlsx",
    ".xlsm",
    ".ods",
    ".docx",
    ".odt",
    ".pptx",
    ".odp",
    ".jar",
    ".apk",
    ".npz",
    ".pt",
    ".pth",
    ".pages",
    ".numbers",
    ".key",
    ".hwpx",
)


def members(path: str) -> Iterator[tuple[str, bytes]]:
    """`(name, bytes)` of each page or file of a known format, in the order of their names.

    Raises:
        UserError: a damaged archive, one without any such file, one with a password, or one that grows too large.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            infos = [i for i in archive.infolist() if not i.is_dir() and _is_wanted(i.filename)]
            if not infos:
                raise UserError(
                    "no page in this archive", place=path, hint="it has to hold .html, .md or another format"
                )
            if len(infos) > MAX_MEMBERS or sum(i.file_size for i in infos) > MAX_TOTAL_BYTES:
                raise UserError("the archive is too large", place=path, hint="unpack it and name the folder")
            for info in sorted(infos, key=lambda i: i.filename):
                with archive.open(info) as handle:
                    body = handle.read(MAX_MEMBER_BYTES + 1)
                if len(body) <= MAX_MEMBER_BYTES:
                    yield info.filename, body
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError) as error:
        raise UserError("cannot be read to its end ({error})", place=path, error=error) from None
    except RuntimeError:
        raise UserError(
            "the archive has a password", place=path, hint="unpack it and name the folder"
        ) from None


def _is_wanted(name: str) -> bool:
    path = PurePosixPath(name)
    hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
    return path.suffix.lower() in HTML_SUFFIXES | SUFFIXES and not hidden
