"""A glossary and training rows in Python: read, made of rows, written, looked at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from embedkit.api import notebook
from embedkit.api.records import SHOWN_ROWS, ApiRecord
from embedkit.console import kept
from embedkit.data.entries import Alias, Entry, Reject, aliases_to_json, phrase, to_record, write_glossary
from embedkit.data.manifest import manifest_path, read_manifest
from embedkit.data.records import Pair, split_path
from embedkit.data.table.headers import RoleColumn, role_of
from embedkit.errors import UserError
from embedkit.files import refuse_existing
from embedkit.messages import tr
from embedkit.text import is_acronym

PARTS = ("train", "dev", "test", "known.dev", "known")


@dataclass(frozen=True, slots=True, kw_only=True)
class Glossary(ApiRecord):
    """Terms with definitions and other names. `path` is the file that holds them, None before `write`."""

    entries: tuple[Entry, ...]
    path: Path | None = None
    messages: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: str | Path, *, mapping: Mapping[str, str] | None = None) -> Self:
        """Read a glossary or a two-column table, as every command does; `mapping` is `--map`: `{"term": "용어"}`.

        A name that is not here is looked for under `data/` and among the shipped data. Bad rows are left out, and
        `messages` says so.

        Raises:
            UserError: there is no such file, or it holds no glossary.
        """
        from embedkit.data.reading import locate, read_entries

        with kept() as messages:
            found = locate(str(path))
            entries = read_entries(found, mapping=mapping)
        return cls(entries=entries, path=Path(found), messages=tuple(messages))

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any] | tuple[str, str]]) -> Self:
        """A glossary of (term, definition) tuples, or of mappings with the column names of a table.

        `aliases` may be a list of names. `Glossary.of(frame.to_dict("records"))` takes a data frame.

        Raises:
            UserError: a row has no term or no definition.
        """
        return cls(entries=tuple(_entry(number, row) for number, row in enumerate(rows, start=1)))

    def write(self, path: str | Path, *, force: bool = False) -> Self:
        """Write `glossary.csv`, whole; the glossary with its path.

        Raises:
            UserError: the file is there and `force` is not given.
        """
        refuse_existing(path, force=force)
        write_glossary(path, self.entries)
        return replace(self, path=Path(path))

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def _repr_html_(self) -> str:
        rows = [(e.term, ", ".join(e.names), e.definition) for e in self.entries[:SHOWN_ROWS]]
        columns = [tr(name) for name in ("term", "other names", "definition")]
        head = tr("{count} entries of {name}", count=len(self), name=self.path or tr("memory"))
        return notebook.heading(head) + notebook.table(columns, rows)


def _entry(number: int, row: Mapping[str, Any] | tuple[str, str]) -> Entry:
    given = row if isinstance(row, Mapping) else dict(zip(("term", "definition"), row, strict=True))
    filled = {
        str(key): value for key, value in given.items() if value is not None and value == value
    }  # no NaN
    cells = [
        (RoleColumn(role_of(key) or key, place), _cell(value))
        for place, (key, value) in enumerate(filled.items())
    ]
    record = to_record(tr("row"), number, cells, str(row))
    if isinstance(record, Reject):
        raise UserError(phrase(record.reason), place=f"{record.file} {number}")
    return record.entry


def _cell(value: object) -> str:
    if isinstance(value, list | tuple):
        return aliases_to_json(
            Alias(str(name), "abbreviation" if is_acronym(str(name)) else "synonym") for name in value
        )
    return str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs(ApiRecord):
    """Training rows and what measures them: `rows` counts those of train, dev, test, known.dev and known.

    Iterating gives the training rows, `part("test")` those of another part. `concepts` is 0 where nobody counted them.
    """

    path: Path
    rows: Mapping[str, int]
    concepts: int = 0
    messages: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: str | Path = "data/pairs.jsonl") -> Self:
        """Pairs that compose, synth or somebody else wrote, with the splits beside them.

        Raises:
            UserError: the file is missing, or a row is bad (file:line:column).
        """
        from embedkit.data.shapes import read_pairs

        named = Path(path)
        files = {part: split_path(named, part) for part in PARTS}
        with kept() as messages:
            rows = {
                part: sum(1 for _ in read_pairs(file))
                for part, file in files.items()
                if part == "train" or file.is_file()
            }
        return cls(path=named, rows=rows, concepts=_concepts(named), messages=tuple(messages))

    def part(self, name: str) -> tuple[Pair, ...]:
        """The rows of one part; none where it has no file."""
        from embedkit.data.shapes import read_pairs

        file = split_path(self.path, name)
        with kept():
            return tuple(read_pairs(file)) if name == "train" or file.is_file() else ()

    def __len__(self) -> int:
        return self.rows.get("train", 0)

    def __iter__(self) -> Iterator[Pair]:
        return iter(self.part("train"))

    def _repr_html_(self) -> str:
        head = tr(
            "{rows} training rows of {concepts} concepts", rows=len(self), concepts=self.concepts or "?"
        )
        first = [(pair.anchor, pair.positive, "; ".join(pair.hard_negatives)) for pair in self][:SHOWN_ROWS]
        columns = [tr(name) for name in ("anchor", "positive", "hard negatives")]
        counts = ", ".join(f"{part} {count:,}" for part, count in self.rows.items())
        return (
            notebook.heading(f"{self.path}: {head}")
            + notebook.paragraph(counts)
            + notebook.table(columns, first)
        )


def _concepts(path: Path) -> int:
    manifest = manifest_path(path)
    found = read_manifest(manifest).counts.get("concepts") if manifest.is_file() else None
    return int(found.get("count", 0)) if isinstance(found, dict) else 0
