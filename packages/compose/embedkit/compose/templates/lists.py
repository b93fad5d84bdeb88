"""Lists of terms and acronyms to items: bad lines are set aside with file, line and reason, and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from embedkit.data.encoding import BAD
from embedkit.data.entries import Entry, Reject, category
from embedkit.data.jsonl import BadLineError, parse_object
from embedkit.data.reading import JSON_SUFFIXES, has_columns, read_lines, read_records
from embedkit.data.tally import Tally
from embedkit.errors import UserError
from embedkit.shipped_data import data_path
from embedkit.text import clean, fold, language_of, writable

TABLES = (".csv", ".tsv", *JSON_SUFFIXES)  # a CSV of one column is a list all the same
MAX_NAME_CHARS = 200
MAX_DEFINITION_CHARS = 4000
# Whole sentences, so that each can be counted, and shown in the person's language.
_EMPTY = {"term": "the term is empty", "acronym": "the acronym is empty", "full": "the full form is empty"}
_SIGNS_ONLY = {
    "term": "the term has no letter or digit",
    "acronym": "the acronym has no letter or digit",
    "full": "the full form has no letter or digit",
}
_LONG = {
    "term": "the term is longer than 200 characters",
    "acronym": "the acronym is longer than 200 characters",
    "full": "the full form is longer than 200 characters",
    "definition": "the definition is longer than 4000 characters",
}
_NO_TEXT = {
    "acronym": "'acronym' is missing or is not a text",
    "full": "'full' is missing or is not a text",
    "definition": "'definition' is not a text",
    "lang": "'lang' is not a text",
}
LISTED = 10  # rejected lines that are printed; all of them are written


@dataclass(frozen=True, slots=True, kw_only=True)
class ListItem:
    """One good line: a term (`acronym` empty) or an acronym with its full form, which is the `name`."""

    name: str
    acronym: str = ""
    definition: str = ""
    lang: str = ""
    file: str = ""


class LineError(ValueError):
    """What is wrong with a line; the message is the reason under which it is counted."""


@dataclass(slots=True)
class Reading:
    """What came of reading lists: the items, and the lines set aside."""

    items: list[ListItem]
    rejected: list[Reject]
    tally: Tally

    @property
    def lang(self) -> str:
        """The language of most items: terms if there are any, else acronyms; English where they tie."""
        terms = [item for item in self.items if not item.acronym] or self.items
        counts = Counter(item.lang or language_of(item.name) for item in terms)
        return max(counts, key=lambda lang: (counts[lang], lang == "en", lang), default="en")


def find_list(name: str, *, lang: str, beside: Path | None = None) -> Path:
    """The file that `name` means: itself, or under data/, beside the pack, or among the shipped data.

    `terms.txt` also finds `terms.LANG.txt` in those places. Raises `UserError` when nothing is there.
    """
    path = Path(name)
    if name == "-" or path.exists():
        return path
    folders = [Path("data"), *([beside] if beside else []), data_path(), data_path("synth")]
    for candidate in (path, path.with_name(f"{path.stem}.{lang}{path.suffix}")):
        for folder in [Path(), *folders]:
            if not candidate.is_absolute() and (folder / candidate).is_file():
                return folder / candidate
    raise UserError("there is no such file, nor one under data/ or in the shipped data", place=name)


def read_list(path: Path, reading: Reading, *, acronyms: bool) -> None:
    """Add the lines of one file to `reading`. Blank lines and lines that start with "# " are passed over.

    Terms may stand in a table as well, as compose reads it.

    Raises:
        UserError: the file is missing or cannot be read.
    """
    if not acronyms and path.suffix.lower() in TABLES and has_columns(path):
        _read_table(path, reading)
        return
    if acronyms and path.suffix.lower() in (".csv", ".tsv"):
        raise UserError("is a table", place=str(path), hint="--terms reads tables, with their acronyms")
    parse = _acronym if acronyms else _term
    for line in read_lines(path):
        text = line.text.strip("\r\n \u3000")
        if not text.strip() or text.startswith("# "):
            continue
        reading.tally.taken_in += 1
        try:
            reading.items.append(parse(text, path.name))
        except LineError as error:
            _reject(reading, str(path), line.number, str(error), line.text)


def _reject(reading: Reading, file: str, line: int, reason: str, text: str) -> None:
    reading.tally.reject(category(reason))
    text = writable(text.strip())
    reading.rejected.append(Reject(writable(file), line, reason, text))


def _read_table(path: Path, reading: Reading) -> None:
    """Each row is a term with its definition; its abbreviations count as lines of their own."""
    for row in read_records(path):
        if isinstance(row, Reject):
            reading.tally.taken_in += 1
            _reject(reading, row.file, row.line, row.reason, row.text)
            continue
        short = (alias.text for alias in row.entry.aliases if alias.kind == "abbreviation")
        for acronym in ("", *short):
            reading.tally.taken_in += 1
            try:
                reading.items.append(_of_entry(row.entry, acronym, path.name))
            except LineError as error:
                _reject(reading, row.file, row.line, str(error), acronym or row.entry.term)


def _of_entry(entry: Entry, acronym: str, file: str) -> ListItem:
    name, definition = _name(entry.term, "term"), _definition(entry.definition)
    if acronym:
        acronym = _other(_name(acronym, "acronym"), name)
    return ListItem(name=name, acronym=acronym, definition=definition, lang=entry.lang, file=file)


def _term(line: str, file: str) -> ListItem:
    name, *rest = line.split("\t")
    if len(rest) > 1:
        raise LineError("more than two columns")
    return ListItem(name=_name(name, "term"), definition=_definition("".join(rest)), file=file)


def _acronym(line: str, file: str) -> ListItem:
    try:
        return acronym_item(parse_object(line), file)
    except BadLineError as error:
        raise LineError(category(error.reason)) from None


def acronym_item(row: Mapping[str, object], file: str) -> ListItem:
    """The item of one row of an acronym list. Raises `LineError` where it is none."""
    for key in ("acronym", "full", "definition", "lang"):
        value = row.get(key)
        if not isinstance(value, str) and (value is not None or key in ("acronym", "full")):
            raise LineError(_NO_TEXT[key])
    texts = {key: str(value) for key, value in row.items() if value is not None}
    full = _name(texts["full"], "full")
    acronym = _other(_name(texts["acronym"], "acronym"), full)
    definition = _definition(texts.get("definition", ""))
    return ListItem(name=full, acronym=acronym, definition=definition, lang=texts.get("lang", ""), file=file)


def _other(acronym: str, full: str) -> str:
    if fold(acronym) == fold(full):
        raise LineError("the acronym and its full form are the same")
    return acronym


def _name(text: str, what: str) -> str:
    name = _sound(text)
    if not name:
        raise LineError(_EMPTY[what])
    if not any(c.isalnum() for c in fold(name)):
        raise LineError(_SIGNS_ONLY[what])
    if len(name) > MAX_NAME_CHARS:
        raise LineError(_LONG[what])
    return name


def _definition(text: str) -> str:
    definition = _sound(text)
    if len(definition) > MAX_DEFINITION_CHARS:
        raise LineError(_LONG["definition"])
    return definition


def _sound(text: str) -> str:
    if BAD in text or "\ufffd" in text or any("\ud800" <= c <= "\udfff" for c in text):
        raise LineError("bytes that cannot be decoded")
    return clean(text)
