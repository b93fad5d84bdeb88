"""What changed between two crawls, term by term."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from embedkit.data.entries import Entry
from embedkit.text import fold

Key = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Terms, in the order of their file."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]


def difference(old: Iterable[Entry], new: Iterable[Entry]) -> Difference:
    """Compare by language and folded term; a term is changed when its definitions or names differ."""
    before, after = _by_term(old), _by_term(new)
    return Difference(
        added=tuple(rows[0].term for key, rows in after.items() if key not in before),
        changed=tuple(
            rows[0].term
            for key, rows in after.items()
            if key in before and _content(rows) != _content(before[key])
        ),
        removed=tuple(rows[0].term for key, rows in before.items() if key not in after),
    )


def _by_term(entries: Iterable[Entry]) -> Mapping[Key, list[Entry]]:
    found: dict[Key, list[Entry]] = defaultdict(list)
    for entry in entries:
        found[entry.lang, fold(entry.term)].append(entry)
    return found


def _content(rows: Iterable[Entry]) -> frozenset[object]:
    return frozenset((e.term, e.definition, e.aliases) for e in rows)
