"""The command `validate`: each row of a data file looked at, findings printed as `file:line: problem`."""

from __future__ import annotations

import json
import re
import tempfile
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedkit.compose.check.length import TooLong, length_check
from embedkit.compose.check.lint import Problem, lint, over_merged, resolve_stubs
from embedkit.compose.check.pair_lint import pair_doubts
from embedkit.compose.concepts.graph import build, text_key
from embedkit.compose.concepts.han import say_without
from embedkit.compose.export.record import pairs_spool
from embedkit.compose.mine.synonyms import read_candidates
from embedkit.compose.rows.records import Record, Reject, phrase, records_spool
from embedkit.compose.run.read import parse_mapping, read
from embedkit.compose.templates.lists import LineError, acronym_item
from embedkit.compose.templates.pack import YAML, load_pack
from embedkit.console import out, out_json, say
from embedkit.data.jsonl import raw_lines
from embedkit.data.pairs import pair_from_object
from embedkit.errors import AnswerNoError, UserError
from embedkit.files import STDIO
from embedkit.messages import Phrase, tr
from embedkit.text import hash64, writable

Check = Callable[[dict[str, Any]], str]
_JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
_PACKS = (".toml", *YAML)
CANDIDATES = Phrase("synonym candidates")
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
        if form in _CHECKS:
            return _check_json(path, name, form, _CHECKS[form])
        if form == "pairs":
            return _check_pairs(path, name, too_long)
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
    for number, line in raw_lines(path):
        if number == 1 and _CANDIDATES.issubset(re.findall(rb"\w+", line.replace(b"\0", b""))):
            return CANDIDATES
        if not named_json and line.strip(_BLANK) and not line.strip(_BLANK).startswith(b"{"):
            return ""
        try:
            row = json.loads(line.decode("utf-8-sig"))
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict):
            return next((form for form, keys in _KEYS.items() if keys <= row.keys()), "")
    return ""


_KEYS: Mapping[str, frozenset[str]] = {
    Phrase("acronyms"): frozenset(("acronym", "full")),
    Phrase("triplets"): frozenset(("anchor", "positive", "negative")),
    Phrase("pairs"): frozenset(("anchor", "positive")),
    Phrase("nli"): frozenset(("sentence1", "sentence2", "label")),
    Phrase("scored"): frozenset(("sentence1", "sentence2", "score")),
    Phrase("labelled"): frozenset(("text", "label")),
}


def _check_table(path: Path, name: str, mapping: Mapping[str, str], too_long: TooLong) -> Validation:
    records, problems, stated = records_spool(), list[Problem](), False
    for item in read(path, mapping=mapping, name=name):
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


def _objects(path: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """Yield `(line, object)`, or what is wrong with the line."""
    for number, line in raw_lines(path):
        if not line.strip():
            continue
        try:
            value = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
        except UnicodeDecodeError:
            yield number, Phrase("not UTF-8")
        except (ValueError, RecursionError) as error:
            yield number, Phrase("not JSON: {reason}", reason=getattr(error, "msg", error))
        else:
            yield number, value if isinstance(value, dict) else Phrase("not a JSON object")


def _check_json(path: Path, name: str, form: str, check_row: Check) -> Validation:
    problems: list[Problem] = []
    rows = 0
    seen: dict[int, int] = {}
    for number, row in _objects(path):
        rows += 1
        reason = row if isinstance(row, str) else check_row(row)
        if reason:
            problems.append(Problem(name, number, "bad row", reason, error=True))
            continue
        first = seen.setdefault(hash64(json.dumps(row, sort_keys=True)), number)
        if first != number:
            problems.append(
                Problem(name, number, "duplicate row", Phrase("the same as line {line}", line=first))
            )
    return Validation(name, form, rows, tuple(problems))


def _texts(row: Mapping[str, Any], *names: str) -> str:
    for name in names:
        if not isinstance(row.get(name), str) or not row[name].strip():
            return Phrase("{key!r} is missing or is not a text", key=name)
    return ""


def _labelled(row: dict[str, Any]) -> str:
    label = row.get("label")
    return _texts(row, "text") or (
        "" if isinstance(label, str | int) and label != "" else Phrase("'label' is missing")
    )


def _nli(row: dict[str, Any]) -> str:
    classes = ("entailment", "neutral", "contradiction", 0, 1, 2)
    fault = Phrase("'label' is not entailment, neutral or contradiction (or 0, 1, 2)")
    label = row.get("label")
    known = (
        label in classes and not isinstance(label, bool | float)
        if not isinstance(label, list | dict)
        else False
    )
    return _texts(row, "sentence1", "sentence2") or ("" if known else fault)


def _scored(row: dict[str, Any]) -> str:
    score = row.get("score")
    right = isinstance(score, int | float) and not isinstance(score, bool) and 0 <= score <= 1
    return _texts(row, "sentence1", "sentence2") or (
        "" if right else Phrase("'score' is not a number from 0 to 1")
    )


def _triplet(row: dict[str, Any]) -> str:
    fault = _texts(row, "anchor", "positive", "negative")
    if fault:
        return fault
    same = text_key(row["negative"]) in (text_key(row["anchor"]), text_key(row["positive"]))
    return Phrase("the negative is the anchor or the positive") if same else ""


def _acronym(row: dict[str, Any]) -> str:
    try:
        acronym_item(row, "")
    except LineError as error:
        return Phrase(str(error))
    return ""


_CHECKS: Mapping[str, Check] = {
    "acronyms": _acronym,
    "labelled": _labelled,
    "nli": _nli,
    "scored": _scored,
    "triplets": _triplet,
}


def _check_pairs(path: Path, name: str, too_long: TooLong) -> Validation:
    pairs, lines, problems, rows = pairs_spool(), array("Q"), list[Problem](), 0
    for number, row in _objects(path):
        rows += 1
        try:
            pair = pair_from_object(row) if isinstance(row, dict) else row
        except ValueError as error:
            pair = str(error)
        if isinstance(pair, str):
            problems.append(Problem(name, number, "bad row", pair, error=True))
            continue
        pairs.append(pair)
        lines.append(number)
        texts = (pair.anchor, pair.positive, *pair.hard_negatives)
        if message := next(filter(None, map(too_long, texts)), ""):
            problems.append(Problem(name, number, "long text", message))
    problems += (Problem(name, lines[d.row], d.code, d.message) for d in pair_doubts(pairs, lines))
    return Validation(name, Phrase("pairs"), rows, _sorted(problems))
