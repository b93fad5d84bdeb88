"""Records and rejects in a spool: on disk, a row at a time, so that a table larger than memory is composed."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from embedkit.compose.rows.spool import Spool
from embedkit.data.entries import COLUMNS, Alias, Entry, Record, Reject

_OTHER_COLUMNS = tuple(column for column in COLUMNS if column not in ("term", "definition", "aliases"))
_rest = attrgetter(*_OTHER_COLUMNS)


def records_spool() -> Spool[Record]:
    """An empty spool of records."""
    return Spool(_pack, _unpack)


def rejects_spool() -> Spool[Reject]:
    """An empty spool of rejects."""
    return Spool(
        lambda reject: (reject.file, reject.line, reject.reason, reject.text), lambda row: Reject(*row)
    )


def _pack(record: Record) -> tuple[Any, ...]:
    entry = record.entry
    aliases = tuple((alias.text, alias.kind, alias.lang) for alias in entry.aliases)
    own = record.file, record.line, record.stated_pair, record.group, record.cleaned
    return *own, entry.term, entry.definition, aliases, _rest(entry)


def _unpack(row: tuple[Any, ...]) -> Record:
    file, line, stated_pair, group, cleaned, term, definition, aliases, rest = row
    others = dict(zip(_OTHER_COLUMNS, rest, strict=True))
    entry = Entry(
        term=term, definition=definition, aliases=tuple(Alias(*alias) for alias in aliases), **others
    )
    return Record(file, line, entry, stated_pair, group, tuple(cleaned))
