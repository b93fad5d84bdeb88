"""The command `validate`: each row of a data file looked at, findings printed as `file:line: problem`."""

from __future__ import annotations

import json
import re
import tempfile
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedkit.compose.check.length import TooLong, length_check
from embedkit.compose.check.lint import Problem, lint, over_merged
from embedkit.compose.check.pair_lint import pair_doubts
from embedkit.compose.check.stubs import resolve_stubs
from embedkit.compose.concepts.claims import text_key
from embedkit.compose.concepts.graph import build
from embedkit.compose.concepts.han import say_without
from embedkit.compose.export.record import pairs_spool
from embedkit.compose.rows.records import records_spool
from embedkit.compose.templates.lists import LineError, acronym_item
from embedkit.compose.templates.pack import YAML, load_pack
from embedkit.console import out, out_json, say
from embedkit.data.candidates import read_candidates
from embedkit.data.entries import Record, Reject, phrase
from embedkit.data.jsonl import BadLineError, filled_lines, parse_object, raw_lines
from embedkit.data.reading import parse_mapping, read_records
from embedkit.data.records import Pair, Triplet, texts_of
from embedkit.data.shapes import SHAPES, open_rows, whole_shape_of
from embedkit.errors import AnswerNoError, UserError
from embedkit.files import STDIO
from embedkit.messages import Phrase, tr
from embedkit.text import hash64, writable

_JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
_PACKS = (".toml", *YAML)
CANDIDATES = Phrase("synonym candidates")
ACRONYMS = Phrase("acronyms")
_CANDIDATES = {b"text_a", b"text_b", b"decision"}
_BLANK = b"\xef\xbb\xbf \t\r\n"


@dataclass(frozen=True, slots=True)
class Validation:
    """What was found in one file."""

    file: str
    form: str
    rows: int
    problems: tuple[Problem, ...]

    def to_object(self) -> dict[str, Any]:
        """The JSON document of `--json`."""
        return {
            "file": self.file,
            "format": self.form,
            "rows": self.rows,
            "problems": [
                {"line": p.line, "level": _level(p), "code": p.code, "message": p.message}
                for p in self.problems
            ],
        }


def validate(
    file: Path | str,
    *,
    mapping: Sequence[str] = (),
    output_format: str = "text",
    model: str = "",
    as_json: bool = False,
) -> Validation:
    """Check one file of any row format that embedkit reads, a decided table of synonyms or a pack of templates.

    Raises:
        UserError: the file cannot be read or is no table at all.
        AnswerNoError: there are findings.
    """
    found = check(file, mapping=parse_mapping(mapping), model=model)
    if as_json:
        out_json(found.to_object())
    else:
        for problem in found.problems:
            out(_github(problem) if output_format == "github" else _plain(problem))
    counts = Counter(problem.code for problem in found.problems)
    say("{file}: {rows} rows of {form}", file=found.file, rows=found.rows, form=found.form)
    if counts:
        listed = ", ".join(
            tr("{count} {code}", count=count, code=tr(code)) for code, count in sorted(counts.items())
        )
        raise AnswerNoError(
            "{count} problems: {listed}", place=found.file, count=len(found.problems), listed=listed
        )
    say("no problems")
    return found


def check(file: Path | str, *, mapping: Mapping[str, str] | None = None, model: str = "") -> Validation:
    """Look at every row of `file`; no finding is printed."""
    if str(file) != STDIO and Path(file).is_dir():
        raise UserError(
            "is a folder, not a file", place=str(file), hint="name a CSV, TSV or JSONL file in it"
        )
    too_long = length_check(model)
    name = "stdin" if str(file) == STDIO else writable(str(file))
    with _on_disk(file) as path:
        if name.endswith(_PACKS):
            return _check_pack(path, name)
        form = "" if mapping else _form(path)
        if form == CANDIDATES:
            return Validation(name, form, len(read_candidates(path)), ())
        if form == ACRONYMS:
            return _check_rows(name, form, _acronyms(path))
        if form == "pairs":
            return _check_pairs(path, name, too_long)
        if form:
            row_format, rows = open_rows(path, name=name)
            return _check_rows(name, SHAPES[row_format.shape].checked_as, rows)
        return _check_table(path, name, mapping or {}, too_long)


@contextmanager
def _on_disk(file: Path | str) -> Iterator[Path]:
    """The path of `file`; of standard input and of a pipe, which are read once, that of a copy."""
    if str(file) != STDIO and not Path(file).is_fifo():
        yield Path(file)
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "stdin"
        with copy.open("wb") as target:
            target.writelines(line for _, line in raw_lines(file))
        yield copy


def _level(problem: Problem) -> str:
    return "error" if problem.error else "warning"


def _plain(problem: Problem) -> str:
    return f"{problem.file}:{problem.line}: {_said(problem)}".replace("\n", " ")


def _said(problem: Problem) -> str:
    """In the person's language; what `--json` prints stays as it is."""
    return f"{tr(problem.code)}: {tr(problem.message)}"


def _github(problem: Problem) -> str:
    """A workflow command, escaped as GitHub asks for."""
    message = _said(problem).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    place = problem.file.replace("%", "%25").replace(",", "%2C").replace(":", "%3A")
    return f"::{_level(problem)} file={place},line={problem.line}::{message}"


def _check_pack(path: Path, name: str) -> Validation:
    """A pack is sound or is refused as `synth` would."""
    pack = load_pack(path)
    wordings = (pack.queries, pack.passages, pack.acronym_questions, pack.answers, pack.negatives)
    return Validation(name, Phrase("a pack of templates"), sum(map(len, wordings)), ())


def _form(path: Path) -> str:
    """The row format by the keys of the first sound object or a header; empty for a table of cells."""
    named_json = path.name.endswith(_JSON_SUFFIXES)
    for number, line in filled_lines(path):
        if number == 1 and _CANDIDATES.issubset(re.findall(rb"\w+", line.replace(b"\0", b""))):
            return CANDIDATES
        if not named_json and not line.strip(_BLANK).startswith(b"{"):
            return ""
        try:
            row = parse_object(line)
        except BadLineError:
            continue
        return ACRONYMS if row.keys() >= {"acronym", "full"} else whole_shape_of(row) or ""
    return ""


def _check_table(path: Path, name: str, mapping: Mapping[str, str], too_long: TooLong) -> Validation:
    records, problems, stated = records_spool(), list[Problem](), False
    for item in read_records(path, mapping=mapping, name=name):
        if isinstance(item, Record):
            records.append(item)
            stated = stated or item.stated_pair
        else:
            problems.append(Problem(item.file, item.line, "bad row", _bad(item), error=True))
    rows = len(records) + len(problems)
    if not rows:
        raise UserError("has a header and no rows", place=name)
    say_without(records)
    problems += lint(records, too_long=too_long)
    for number, record in list(resolve_stubs(records)):
        records.replace(number, record)
    problems += over_merged(records, build(records))
    form = Phrase("a two-column table" if stated else "a glossary")
    return Validation(name, form, rows, _sorted(problems))


def _bad(reject: Reject) -> Phrase:
    return Phrase("{reason}: {text}", reason=phrase(reject.reason), text=reject.text)


def _sorted(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    return tuple(sorted(problems, key=lambda problem: problem.line))


def _acronyms(path: Path) -> Iterator[tuple[int, str | BadLineError]]:
    """Yield each row of a list of acronyms as a text that is the same for equal rows, or what is wrong with it."""
    for number, line in filled_lines(path):
        try:
            row = parse_object(line)
            acronym_item(row, "")
            yield number, json.dumps(row, sort_keys=True)
        except BadLineError as error:
            yield number, error
        except LineError as error:
            yield number, BadLineError(Phrase(str(error)))


def _check_rows(name: str, form: str, found: Iterable[tuple[int, object]]) -> Validation:
    problems, rows, seen = list[Problem](), 0, dict[int, int]()
    for number, row in found:
        rows += 1
        if isinstance(row, BadLineError):
            problems.append(_bad_row(name, number, row.problem))
        elif isinstance(row, Triplet) and text_key(row.negative) in map(text_key, (row.anchor, row.positive)):
            problems.append(_bad_row(name, number, Phrase("the negative is the anchor or the positive")))
        elif (first := seen.setdefault(hash64(repr(row)), number)) != number:
            message = Phrase("the same as line {line}", line=first)
            problems.append(Problem(name, number, "duplicate row", message))
    return Validation(name, form, rows, tuple(problems))


def _bad_row(name: str, number: int, problem: str) -> Problem:
    return Problem(name, number, "bad row", problem, error=True)


def _check_pairs(path: Path, name: str, too_long: TooLong) -> Validation:
    pairs, lines, problems, rows = pairs_spool(), array("Q"), list[Problem](), 0
    for number, row in open_rows(path, name=name)[1]:
        rows += 1
        if not isinstance(row, Pair):
            problems += [_bad_row(name, number, row.problem)] if isinstance(row, BadLineError) else []
            continue
        pairs.append(row)
        lines.append(number)
        if message := next(filter(None, map(too_long, texts_of(row))), ""):
            problems.append(Problem(name, number, "long text", message))
    problems += (Problem(name, lines[d.row], d.code, d.message) for d in pair_doubts(pairs, lines))
    return Validation(name, Phrase("pairs"), rows, _sorted(problems))
