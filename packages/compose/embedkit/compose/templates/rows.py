"""Concepts to training rows: a question, a passage that answers it, and passages on near concepts as negatives."""

from __future__ import annotations

import hashlib
import random
import re
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field

from embedkit.compose.templates.concepts import Concept
from embedkit.compose.templates.neighbours import Neighbour, neighbours, separate
from embedkit.compose.templates.pack import Pack
from embedkit.compose.templates.template import Template
from embedkit.data.records import Mining, Pair
from embedkit.text import fold

NEAR = 4  # negatives are drawn among this many nearest concepts per negative wanted
RANDOM = 60  # and, where the near ones do not do, among this many others
ECHO_SHARE = 0.6
_HANGUL = re.compile(r"[가-힣]")


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthRow:
    """A pair and the wording of its passages: the positive's template, then each negative's."""

    pair: Pair
    wordings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowOptions:
    """How many rows a term and an acronym get, and how many negatives a row."""

    pairs_per_term: int = 6
    pairs_per_acronym: int = 8
    hard_k: int = 2
    seed: int = 0


@dataclass(slots=True)
class Shortfall:
    """What was wanted and could not be made."""

    term_rows: int = 0
    acronym_rows: int = 0
    negatives: int = 0
    undefined_terms: int = 0


@dataclass(slots=True)
class _Side:
    """One side of the split while its rows are made."""

    pack: Pack
    options: RowOptions
    concepts: Sequence[Concept]
    near: list[tuple[Neighbour, ...]]
    owners: dict[str, str]
    shortfall: Shortfall
    seen: set[tuple[str, str]] = field(default_factory=set)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """The rows of one term, or of one acronym of a concept."""

    index: int
    acronym: str
    wanted: int
    questions: Sequence[Template]
    passages: Sequence[Template]
    negatives: Sequence[Template]
    fits: Callable[[Template, Template, bool], bool]


def make_rows(
    concepts: Sequence[Concept],
    pack: Pack,
    options: RowOptions,
    *,
    owners: dict[str, str],
    shortfall: Shortfall,
) -> Iterator[SynthRow]:
    """Yield the rows of one side of the split. `owners` maps folded texts to families, across sides.

    A text that another family already owns is not used, so no text ever stands for two concepts.
    """
    side = _Side(pack, options, concepts, neighbours(concepts), owners, shortfall)
    for index, concept in enumerate(concepts):
        if concept.is_term and pack.queries:
            shortfall.undefined_terms += not concept.definitions
            made = yield from _task_rows(side, _term_task(side, index))
            shortfall.term_rows += options.pairs_per_term - made
        for acronym in concept.acronyms if pack.acronym_questions else ():
            made = yield from _task_rows(side, _acronym_task(side, index, acronym))
            shortfall.acronym_rows += options.pairs_per_acronym - made


def _term_task(side: _Side, index: int) -> _Task:
    return _Task(
        index=index,
        acronym="",
        wanted=side.options.pairs_per_term,
        questions=side.pack.queries,
        passages=side.pack.passages,
        negatives=side.pack.negatives or side.pack.passages,
        fits=_passage_fits,
    )


def _acronym_task(side: _Side, index: int, acronym: str) -> _Task:
    return _Task(
        index=index,
        acronym=acronym,
        wanted=side.options.pairs_per_acronym,
        questions=side.pack.acronym_questions,
        passages=side.pack.answers,
        negatives=side.pack.answers,
        fits=_answer_fits,
    )


def _passage_fits(query: Template, passage: Template, defined: bool) -> bool:
    """A query that gives the definition wants the name; any other gets the definition where there is one."""
    if "definition" in query.slots:
        return "definition" not in passage.slots and "term" in passage.slots
    return ("definition" in passage.slots) == defined


def _answer_fits(question: Template, answer: Template, defined: bool) -> bool:
    """An answer gives the name that the question lacks, and to a question with both the definition."""
    if "definition" in question.slots and "definition" in answer.slots:
        return False
    missing = {"acronym", "full"} - question.slots
    return missing <= answer.slots if missing else "definition" in answer.slots


def _task_rows(side: _Side, task: _Task) -> Generator[SynthRow, None, int]:
    """Yield the rows of a task and return their number; no question is repeated before all were asked."""
    rng = random.Random(f"{side.options.seed}|{task.acronym}|{side.concepts[task.index].key}")
    questions, passages = list(task.questions), list(task.passages)
    rng.shuffle(questions)
    rng.shuffle(passages)
    used: Counter[str] = Counter()
    before = -1
    while before < used.total() < task.wanted:
        before = used.total()
        for question in questions:
            if used.total() == task.wanted:
                break
            if row := _new_row(side, task, question, _fresh(passages, used), rng):
                used[row.wordings[0]] += 1
                yield row
    return used.total()


def _fresh(passages: Sequence[Template], used: Counter[str]) -> list[Template]:
    """The passages, those used least first."""
    return sorted(passages, key=lambda passage: used[passage.text])


def _new_row(
    side: _Side, task: _Task, question: Template, passages: Sequence[Template], rng: random.Random
) -> SynthRow | None:
    concept = side.concepts[task.index]
    values = _values(concept, task.acronym, rng)
    if not question.applies(values):
        return None
    anchor = question.render(values)
    for passage in passages:
        if passage.applies(values) and task.fits(question, passage, bool(concept.definitions)):
            positive = passage.render(values)
            if _is_new(side, concept, anchor, positive):
                negatives = _negatives(side, task, question, passage, {fold(anchor), fold(positive)}, rng)
                side.shortfall.negatives += side.options.hard_k - len(negatives)
                return _finished(
                    side, concept, _kind(task, question, passage), (anchor, positive), passage, negatives
                )
    return None


def _values(concept: Concept, acronym: str, rng: random.Random) -> dict[str, str]:
    """What fills the slots; one acronym and one definition are drawn where there are several."""
    return {
        "term": concept.name,
        "full": concept.name,
        "acronym": acronym or (rng.choice(concept.acronyms) if concept.acronyms else ""),
        "definition": rng.choice(concept.definitions) if concept.definitions else "",
    }


def _kind(task: _Task, question: Template, passage: Template) -> str:
    if task.acronym:
        return "acronym-answer"
    if "definition" in question.slots:
        return "definition-term"
    return "question-definition" if "definition" in passage.slots else "question-heading"


def _is_new(side: _Side, concept: Concept, anchor: str, positive: str) -> bool:
    """Reserve the texts for the concept, unless the row exists, is an echo, or a text belongs to another family."""
    key = (fold(anchor), fold(positive))
    taken = any(side.owners.get(text, concept.family) != concept.family for text in key)
    if taken or key in side.seen or echoes(anchor, positive, names=concept.names):
        return False
    side.seen.add(key)
    side.owners |= dict.fromkeys(key, concept.family)
    return True


def echoes(anchor: str, positive: str, *, names: Sequence[str]) -> bool:
    """Whether the positive only repeats the anchor, apart from the names in it."""
    left, right = anchor.casefold(), positive.casefold()
    for name in sorted(map(str.casefold, names), key=len, reverse=True):
        if name in left:
            left, right = left.replace(name, " "), right.replace(name, " ")
    said, rest = fold(left), fold(right)
    if len(rest) < 3:
        return rest.strip() in said
    grams = [rest[i : i + 3] for i in range(len(rest) - 2)]
    return sum(gram in said for gram in grams) >= ECHO_SHARE * len(grams)


@dataclass(frozen=True, slots=True)
class _Negative:
    text: str
    wording: str
    mining: Mining


def _negatives(
    side: _Side, task: _Task, question: Template, passage: Template, taken: set[str], rng: random.Random
) -> list[_Negative]:
    """Texts on near concepts, by turns in the positive's wording and another that fits the question."""
    own = side.concepts[task.index]
    mention = _mention(own)
    others = [
        wording
        for wording in task.negatives
        if task.fits(question, wording, bool(own.definitions))
        and ("definition" in wording.slots) == ("definition" in passage.slots)
    ]
    found: list[_Negative] = []
    for rank, near in _candidates(side, task.index, rng):
        if len(found) == side.options.hard_k:
            break
        same = len(found) % 2 == 0 or not others
        wording = passage if same else rng.choice(others)
        concept = side.concepts[near.index]
        values = _values(concept, "", rng)
        if not wording.applies(values):
            continue
        text = wording.render(values)
        key = fold(text)
        if (
            key not in taken
            and side.owners.get(key, concept.family) == concept.family
            and not mention.search(text)
        ):
            taken.add(key)
            side.owners[key] = concept.family
            rule = "near" if near.score > 0 else "random"
            mining = Mining(score=round(near.score, 4), rank=rank, miner="synth", rule=rule)
            found.append(_Negative(text, wording.text, mining))
    return found


def _candidates(side: _Side, index: int, rng: random.Random) -> Iterator[tuple[int, Neighbour]]:
    """`(rank, neighbour)`: the nearest shuffled, the less near in order, then some at random (rank 0)."""
    ranked = list(enumerate(side.near[index], start=1))
    head = ranked[: NEAR * side.options.hard_k]
    rng.shuffle(head)
    yield from head
    yield from ranked[len(head) :]
    known = {near.index for _, near in ranked} | {index}
    for other in rng.sample(range(len(side.concepts)), min(len(side.concepts), RANDOM)):
        if other not in known and separate(side.concepts[index], side.concepts[other]):
            yield 0, Neighbour(other, 0.0)


def _mention(concept: Concept) -> re.Pattern[str]:
    """Finds the concept's names in a text: a passage that names it may answer for it."""
    names = (
        re.escape(name) if _HANGUL.search(name) else rf"(?<!\w){re.escape(name)}(?!\w)"
        for name in concept.names
    )
    return re.compile("|".join(names), re.IGNORECASE)


def _finished(
    side: _Side,
    concept: Concept,
    kind: str,
    texts: tuple[str, str],
    passage: Template,
    negatives: Sequence[_Negative],
) -> SynthRow:
    anchor, positive = texts
    pair = Pair(
        anchor=anchor,
        positive=positive,
        hard_negatives=tuple(negative.text for negative in negatives),
        id=hashlib.sha256(f"{anchor}\x1f{positive}".encode()).hexdigest()[:16],
        group=concept.family,
        kind=kind,
        lang=side.pack.lang,
        source=f"synth/{side.pack.name}",
        license=side.pack.license,
        mining=tuple(negative.mining for negative in negatives),
    )
    return SynthRow(pair=pair, wordings=(passage.text, *(negative.wording for negative in negatives)))
