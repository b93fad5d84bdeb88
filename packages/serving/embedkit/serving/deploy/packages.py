"""What a folder needs of Python packages: the wheel of the embedkit that is running, and the versions of all others.

The wheel is packed from the running files, so that a checkout and an install give one alike; the distribution is not on
the index, so the wheel travels in every folder. 1 MB, a second. Versions are those installed here: what a model was
trained with is what it runs with.
"""

from __future__ import annotations

import base64
import hashlib
import re
import sys
import tomllib
import zipfile
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, distribution, requires, version
from pathlib import Path

from embedkit.errors import UserError
from embedkit.extras import DISTRIBUTION

SERVING = ("numpy", "onnxruntime", "tokenizers")
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
_EXTRA = re.compile(r"""extra\s*==\s*["']([\w-]+)["']""")
_DATE = (1980, 1, 1, 0, 0, 0)  # no time of day: the same files give the same bytes
_CHECKOUT = Path(__file__).resolve().parents[5]
_METADATA = ("METADATA", "WHEEL", "entry_points.txt", "licenses/LICENSE")


def write_wheel(folder: Path) -> Path:
    """Pack the wheel into `folder`, and return its path."""
    stem = f"{DISTRIBUTION.replace('-', '_')}-{version(DISTRIBUTION)}"
    target = folder / f"{stem}-py3-none-any.whl"
    members = dict(_modules() or _installed()) | {f"{stem}.dist-info/{n}": t for n, t in _metadata()}
    record = "".join(f"{name},sha256={_digest(data)},{len(data)}\n" for name, data in sorted(members.items()))
    members[f"{stem}.dist-info/RECORD"] = f"{record}{stem}.dist-info/RECORD,,\n".encode()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in sorted(members.items()):
            entry = zipfile.ZipInfo(name, _DATE)
            entry.external_attr, entry.compress_type = 0o644 << 16, zipfile.ZIP_DEFLATED
            packed.writestr(entry, data)
    return target


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def _metadata() -> Iterator[tuple[str, bytes]]:
    for name in _METADATA:
        text = distribution(DISTRIBUTION).read_text(name)
        if text is not None:
            yield name, text.encode()


def _modules() -> dict[str, bytes]:
    """The files that the checkout's pyproject.toml packs; none where this is no checkout."""
    project = _CHECKOUT / "pyproject.toml"
    if not project.is_file() or not (_CHECKOUT / "packages" / "core").is_dir():
        return {}
    wheel = tomllib.loads(project.read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["targets"]["wheel"]
    found = {}
    for source in wheel["sources"]:
        for path in _files(_CHECKOUT / source / "embedkit"):
            found[path.relative_to(_CHECKOUT / source).as_posix()] = path.read_bytes()
    for given, packed in wheel["force-include"].items():
        for path in _files(_CHECKOUT / given):
            below = path.relative_to(_CHECKOUT / given).as_posix()
            found[packed if below == "." else f"{packed}/{below}"] = path.read_bytes()
    return found


def _files(place: Path) -> Iterator[Path]:
    paths = [place] if place.is_file() else place.rglob("*")
    yield from (path for path in paths if path.is_file() and "__pycache__" not in path.parts)


def _installed() -> Iterator[tuple[str, bytes]]:
    for file in distribution(DISTRIBUTION).files or ():
        if file.parts[0] == "embedkit" and "__pycache__" not in file.parts:
            yield file.as_posix(), Path(str(file.locate())).read_bytes()


def pinned_extras(*extras: str) -> list[str]:
    """`name==version` of what embedkit needs, with these extras, sorted by name."""
    names = []
    for requirement in requires(DISTRIBUTION) or ():
        name, extra = re.match(r"[\w.-]+", requirement), _EXTRA.search(requirement)
        if name and (extra is None or extra[1] in extras):
            names.append(name[0])
    return pinned(names)


def pinned(names: Sequence[str]) -> list[str]:
    """`name==version` of each package, sorted, without the local part of a build (`+cpu`).

    Raises:
        UserError: one is not installed here.
    """
    try:
        return [f"{name}=={version(name).split('+')[0]}" for name in sorted(set(names), key=str.lower)]
    except PackageNotFoundError as error:
        raise UserError(
            "the folder pins the versions installed here, and {package!r} is not installed",
            hint="pip install '{distribution}[train,onnx]'",
            package=error.name,
            distribution=DISTRIBUTION,
        ) from error
