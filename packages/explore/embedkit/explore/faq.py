"""`embedkit faq`: each question of one file with the nearest answers of another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from embedkit.console import out_json, say, warn
from embedkit.data.entries import Entry
from embedkit.errors import UserError
from embedkit.explore.model import ModelOptions, open_encoder
from embedkit.explore.texts import check_output, read_table, write_rows
from embedkit.files import STDIO
from embedkit.models.readable import warn_if_unreadable
from embedkit.models.vectors import Encoder
from embedkit.ranking.entries import EntryIndex, combine, meaning, words
from embedkit.ranking.hybrid.shares import LEXICAL, Ranker, shares_of
from embedkit.ranking.retrieval import QUERY_BLOCK, Floats
from embedkit.text import fold

QUESTION_COLUMNS = ("question", "query", "title", "text", "anchor", "질문", "문의", "제목")
ANSWER_COLUMNS = ("answer", "text", "definition", "positive", "content", "답변", "답", "내용", "정의")
_COLUMNS = ("question", "rank", "score", "answer", "answer_line")


@dataclass(frozen=True, slots=True, kw_only=True)
class FaqMatch:
    """A question and one answer. `answer_line` counts the answers file's entries from 1; 0: no answer near enough.

    `score` is the cosine, whatever the ranker; of words alone it is how alike they are, at most 1.
    """

    question: str
    rank: int
    score: float
    answer: str
    answer_line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FaqResult:
    """All matches, question by question; `unanswered` counts questions with no answer near enough."""

    model: str
    questions: int
    answers: int
    unanswered: int
    matches: tuple[FaqMatch, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FaqAnswer:
    """An answer and, where its file has them, the question it was written for."""

    text: str
    asked: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FaqOptions(ModelOptions):
    """What `embedkit faq` is asked for. The matches go to `output` (`.csv` or `.jsonl`), or as CSV to stdout."""

    questions: str
    answers: Path
    question_column: str | None = None
    answer_column: str | None = None
    top_k: int = 1
    ranker: Ranker = "auto"
    min_similarity: float = -1.0
    output: Path | None = None
    force: bool = False


def faq(options: FaqOptions) -> FaqResult:
    """Match questions to answers; an answer is as near as its text or the question it was written for, where known.

    Raises:
        UserError: a file or column that is missing, a file without texts, or a model that is missing.
    """
    if options.output and str(options.output) != STDIO:
        check_output(options.output, force=options.force)
    asked = _questions(options.questions, options.question_column)
    known = _answers(options.answers, options.answer_column)
    encoder = open_encoder(options.model)
    warn_if_unreadable(encoder.source, [*asked, *(answer.text for answer in known)])
    ranked = _ranked(asked, known, encoder, options.ranker)
    matches = tuple(
        match
        for question, row in zip(asked, ranked, strict=True)
        for match in _matches(question, known, row, options)
    )
    result = FaqResult(
        model=encoder.source.requested,
        questions=len(asked),
        answers=len(known),
        unanswered=sum(match.answer_line == 0 for match in matches),
        matches=matches,
    )
    if options.output or not options.as_json:
        write_rows(options.output or Path(STDIO), map(asdict, matches), columns=_COLUMNS)
    if options.as_json:
        out_json(asdict(result))
    say("{questions} questions, {answers} answers", questions=len(asked), answers=len(known))
    if result.unanswered:
        warn(
            "{count} questions have no answer of similarity {least}",
            count=result.unanswered,
            least=options.min_similarity,
        )
    return result


def _questions(path: str, column: str | None) -> tuple[str, ...]:
    cells = read_table(path).column(QUESTION_COLUMNS, wanted=column, option="--question-column")
    asked = tuple(cell for cell in cells if cell)
    if not asked:
        raise UserError("holds no questions", place=path)
    return asked


def _answers(path: Path, column: str | None) -> tuple[FaqAnswer, ...]:
    table = read_table(path)
    texts = table.column(ANSWER_COLUMNS, wanted=column, option="--answer-column")
    asked = table.optional(QUESTION_COLUMNS[:2] + QUESTION_COLUMNS[5:7]) or ("",) * len(texts)
    known = tuple(
        FaqAnswer(text=text, asked=question, line=line)
        for line, (text, question) in enumerate(zip(texts, asked, strict=True), start=1)
        if text
    )
    if not known:
        raise UserError("holds no answers", place=str(path))
    return known


@dataclass(frozen=True, slots=True)
class _Ranked:
    """The answers' scores for one question: those that order them, and those that are shown `(A,)`."""

    order: Floats
    shown: Floats


def _ranked(
    asked: Sequence[str], known: Sequence[FaqAnswer], encoder: Encoder, ranker: Ranker
) -> Iterator[_Ranked]:
    """An answer is an entry, and the question that it was written for its name."""
    named = any(answer.asked for answer in known)
    entries = [Entry(term=answer.asked or answer.text, definition=answer.text) for answer in known]
    index, learnt = EntryIndex(entries, names=named), shares_of(encoder.source)
    for start in range(0, len(asked), QUERY_BLOCK):
        block = asked[start : start + QUERY_BLOCK]
        shares = learnt.shares(block, ranker, names=named)
        by_words = words(index, block)
        if (shares == LEXICAL).all():
            yield from map(_Ranked, by_words, by_words)
            continue
        near = meaning(index, encoder, block)
        shown = np.where(shares[:, None] == LEXICAL, by_words, near.nearest)
        yield from map(_Ranked, combine(near, by_words, shares), shown)


def _matches(
    question: str, known: Sequence[FaqAnswer], ranked: _Ranked, options: FaqOptions
) -> Iterator[FaqMatch]:
    """The best answers, the same text once; that none is near enough is a match of line 0."""
    best: dict[str, tuple[FaqAnswer, float]] = {}
    for place in np.argsort(-ranked.order, kind="stable").tolist():
        score = float(ranked.shown[place])
        if score >= options.min_similarity:
            best.setdefault(fold(known[place].text), (known[place], score))
        if len(best) == options.top_k:
            break
    if not best:
        nearest = round(float(ranked.shown.max()), 6)
        yield FaqMatch(question=question, rank=0, score=nearest, answer="", answer_line=0)
    for number, (answer, score) in enumerate(best.values(), start=1):
        yield FaqMatch(
            question=question,
            rank=number,
            score=round(score, 6),
            answer=answer.text,
            answer_line=answer.line,
        )
