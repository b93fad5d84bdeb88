"""Tables of cells: delimiter, quoting and header are detected, a broken row costs itself only; and the one writer."""

from __future__ import annotations

import csv
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from embedkit.data.jsonl import write_objects
from embedkit.files import atomic
from embedkit.messages import Phrase
from embedkit.text import fold

MAX_QUOTED_LINES = 200
SAMPLE_ROWS = 300
DELIMITERS = ("\t", ",", ";", "|")
NAMES = {"\t": Phrase("tab"), ",": Phrase("comma"), ";": Phrase("semicolon"), "|": Phrase("bar")}
_QUOTED_CELL = re.compile(r'(?:^|\t)"(?:[^"]|"")*"(?:\t|\r|\n|$)')
_RULE = re.compile(r"[\s|:-]*--[\s|:-]*")  # under the header of a Markdown table
_HEADER_WORDS = {
    "term": "term word headword name entry full full_form full_name 용어 용어명 단어 표제어 낱말 어휘 명칭 "
    "한글용어 국문용어 한글명 국문명 用語 術語 单词 術语 术语",
    "definition": "definition description meaning gloss explanation 뜻 정의 설명 의미 풀이 해설 뜻풀이 내용 "
    "용어설명 용어정의 용어뜻 定義 説明 意味 定义 释义",
    "anchor": "anchor query question sentence1 source_text 질문 질의 文1",
    "positive": "positive answer passage document response sentence2 target_text 답변 답 본문 정답",
    "aliases": "aliases alias synonyms synonym 별칭 별명 이칭 동의어 유의어 비슷한말",
    "abbreviation": "abbreviation abbr acronym 약어 약어명 약자 약칭 줄임말 영문약어 영문약어명 略語",
    "translation": "translation english korean japanese chinese 번역 대역어 원어 영어 한국어 일본어 중국어 영문 국문 "
    "한글 영어명 영문명 영어용어 영문용어 "
    "英語 韓国語 日本語 中国語 英文 中文",
    "lang": "lang language 언어",
    "domain": "domain field 분야",
    "source": "source 출처",
    "source_url": "source_url",
    "permalink": "permalink",
    "revision": "revision",
    "license": "license licence 라이선스",
    "retrieved_at": "retrieved_at",
    "entry_id": "entry_id",
}
ROLES: tuple[str, ...] = tuple(_HEADER_WORDS)
_NAMES = ("translation", "abbreviation")
_LEFT, _RIGHT = {"term", "anchor"}, {"definition", "positive"}
_ROLE_OF = {fold(word): role for role, words in _HEADER_WORDS.items() for word in words.split()}


@dataclass(frozen=True, slots=True)
class Line:
    """One physical line; `over_long` when only its beginning was read."""

    number: int
    text: str
    over_long: bool = False


@dataclass(frozen=True, slots=True)
class Dialect:
    """How cells are told apart. `width` is the number of columns of a right row."""

    delimiter: str
    quoted: bool
    width: int = 0


@dataclass(frozen=True, slots=True)
class Cells:
    """One row of cells and the line it begins on, or the reason why there is none."""

    line: int
    cells: tuple[str, ...] = ()
    problem: str = ""
    text: str = ""


def role_of(name: str) -> str:
    """The role that a column's name stands for, or the empty string."""
    return _ROLE_OF.get(fold(name), "")


def roles_of_header(cells: Sequence[str]) -> dict[str, int]:
    """Role to column number when `cells` is a header that names a pair of texts; else empty.

    Other names stand in for what is not there: `약어,영문,설명` has its term in 영문, and `용어,영어,분야` are pairs,
    which have no place for further names.
    """
    known = [(role, at) for at, cell in enumerate(cells) if (role := role_of(cell))]
    roles = dict(reversed(known))
    names = [at for kind in _NAMES for role, at in known if role == kind]
    if not roles.keys() & _LEFT and names:
        roles["term"] = names.pop(0)
    if not roles.keys() & _RIGHT and names:
        roles["positive"] = names.pop(0)
    if not (roles.keys() & _LEFT and roles.keys() & _RIGHT):
        return {"anchor": 0, "positive": 1} if len(cells) == 2 and len(known) == 2 else {}
    if "term" in roles and "definition" in roles:
        further = {role: at for role, at in reversed(known) if at in names}
    else:
        further = {}
        roles.pop("aliases", None)
    own = {role: at for role, at in roles.items() if role not in _NAMES} | further
    return dict(sorted(own.items(), key=lambda item: item[1]))


def sniff(lines: Sequence[Line], *, tab_first: bool = False, only: str = "") -> Dialect:
    """The dialect under which the most rows have the same number of columns, at least two.

    `width` is 1 when nothing separates two columns. The delimiter is `only` where the file itself says which.
    """
    best, best_score = Dialect(",", quoted=True, width=1), (False, 0.0, False)
    for delimiter in only or DELIMITERS:
        dialect = Dialect(delimiter, quoted=delimiter != "\t" or _has_quoted_cell(lines))
        rows = list(islice(split(lines, dialect), SAMPLE_ROWS))
        header = bool(rows and roles_of_header(rows[0].cells))
        width, share = _usual_width(rows)
        if header:
            width = len(rows[0].cells)
        score = (header, share, tab_first and delimiter == "\t")
        if width >= 2 and score > best_score:
            best, best_score = Dialect(delimiter, quoted=dialect.quoted, width=width), score
    return best


def _has_quoted_cell(lines: Iterable[Line]) -> bool:
    return any('"' in line.text and _QUOTED_CELL.search(line.text) for line in lines)


def _usual_width(rows: Sequence[Cells]) -> tuple[int, float]:
    widths = Counter(len(row.cells) for row in rows if len(row.cells) >= 2)
    if not widths:
        return 1, 0.0
    width, count = max(widths.items(), key=lambda item: (item[1], -item[0]))
    return width, count / len(rows)


def split(lines: Iterable[Line], dialect: Dialect) -> Iterator[Cells]:
    """Yield each row; a quote that nothing closes costs its own line only."""
    source, waiting = iter(lines), deque[Line]()
    while True:
        line = waiting.popleft() if waiting else next(source, None)
        if line is None:
            return
        if line.over_long:
            yield Cells(line.number, problem="over-long", text=line.text)
        elif line.text.strip() and not (dialect.delimiter == "|" and _RULE.fullmatch(line.text)):
            yield _row(line, source, waiting, dialect)


def _row(line: Line, source: Iterator[Line], waiting: deque[Line], dialect: Dialect) -> Cells:
    if not dialect.quoted or '"' not in line.text:
        return Cells(line.number, tuple(line.text.rstrip("\r\n").split(dialect.delimiter)), text=line.text)
    taken = [line]
    cells = _cells(taken, dialect)
    while cells is None and len(taken) < MAX_QUOTED_LINES:
        more = waiting.popleft() if waiting else next(source, None)
        if more is None:
            break
        taken.append(more)
        if more.over_long:
            break
        if '"' in more.text:
            cells = _cells(taken, dialect)
    swallowed = len(taken) > 1 and dialect.width and len(cells or ()) != dialect.width
    if not cells or swallowed:
        waiting.extendleft(reversed(taken[1:]))
        return Cells(line.number, problem="broken quote", text=line.text)
    return Cells(line.number, cells, text="".join(part.text for part in taken))


def _cells(lines: Sequence[Line], dialect: Dialect) -> tuple[str, ...] | None:
    """The cells, None while a quote is open, or nothing at all when a quote is in the wrong place."""
    try:
        text = "".join(line.text for line in lines)
        row = next(csv.reader([text], delimiter=dialect.delimiter, strict=True), None)
    except csv.Error as error:
        return None if "unexpected end of data" in str(error) else ()
    return None if row is None else tuple(row)


def write_table(path: Path | str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> int:
    """Write a whole CSV (UTF-8, RFC 4180, CRLF), or JSON lines to a name in `.jsonl`; return the number of rows."""
    if Path(path).suffix == ".jsonl":
        return write_objects(path, rows)
    count = 0
    with atomic(path, newline="") as handle:
        writer = csv.DictWriter(handle, columns)
        writer.writeheader()
        for row in rows:
            writer.writerow(row)
            count += 1
    return count
