"""Names and numbers that the cloud refuses, found before anything is written. Its own loaders let them pass."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from embedkit.errors import UserError
from embedkit.messages import Phrase

MOST_MS = 180_000
_ENDPOINT = re.compile(r"[a-z](?:[a-z0-9-]*[a-z0-9])")
_COMPUTE = re.compile(r"[A-Za-z](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
_ASSET = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")
_INSTANCE = re.compile(r"Standard_[A-Z]+\d+[a-z0-9-]*(_[A-Za-z0-9]+)*")


def name_problem(kind: str, name: object) -> Phrase | None:
    """What is wrong with the name of an `endpoint` (or a deployment), a `compute`, an `asset` or a `container`."""
    if not isinstance(name, str):
        return Phrase("is not a text")
    if kind == "endpoint" and not (3 <= len(name) <= 32 and _ENDPOINT.fullmatch(name)):
        return Phrase(
            "{name!r} is refused: 3 to 32 lower-case letters, digits and dashes, a letter first and no dash last",
            name=name,
        )
    if kind == "compute" and not (2 <= len(name) <= 32 and _COMPUTE.fullmatch(name)):
        return Phrase("{name!r} is refused: 2 to 32 letters, digits and dashes, a letter first", name=name)
    if kind == "container" and not (len(name) <= 63 and _ENDPOINT.fullmatch(name)):
        return Phrase(
            "{name!r} is refused: at most 63 lower-case letters, digits and dashes, a letter first", name=name
        )
    if kind == "asset" and not _ASSET.fullmatch(name):
        return Phrase("{name!r} is refused: letters, digits, dashes, dots and underscores", name=name)
    return None


def instance_type_problem(name: object) -> Phrase | None:
    """What is wrong with the name of a kind of machine."""
    if isinstance(name, str) and _INSTANCE.fullmatch(name):
        return None
    return Phrase("{name!r} is no Azure machine, such as Standard_DS3_v2", name=name)


def count_problem(count: object) -> Phrase | None:
    """What is wrong with a number of machines or processes."""
    if isinstance(count, int) and not isinstance(count, bool) and count >= 1:
        return None
    return Phrase("{count!r} is not a whole number of at least 1", count=count)


def timeout_problem(milliseconds: object) -> Phrase | None:
    """What is wrong with a time that a request may take."""
    if isinstance(milliseconds, int) and not isinstance(milliseconds, bool) and 1 <= milliseconds <= MOST_MS:
        return None
    return Phrase("{given!r} is refused: 1 to {most} ms", given=milliseconds, most=MOST_MS)


def traffic_problem(traffic: object) -> Phrase | None:
    """What is wrong with the shares of the deployments: percentages that sum to 100, or to 0."""
    shares: list[Any] = list(traffic.values()) if isinstance(traffic, Mapping) else [None]
    if not all(
        isinstance(share, int) and not isinstance(share, bool) and 0 <= share <= 100 for share in shares
    ):
        return Phrase("shares of traffic are whole numbers from 0 to 100")
    if sum(shares) not in (0, 100):
        return Phrase("the shares of traffic sum to {total}, not to 100", total=sum(shares))
    return None


def refuse(option: str, problem: Phrase | None) -> None:
    """Raise `UserError` for an option that has a problem."""
    if problem is not None:
        raise UserError(problem, place=option)


def slug(name: str) -> str:
    """A name for the cloud's assets: lower-case letters, digits and dashes."""
    short = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-")
    return f"embedkit-{short}" if short else "embedkit"
