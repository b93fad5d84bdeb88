"""The rows that ask as people do: those that train, those that only measure, and a person's own questions."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from embedkit.compose.concepts.graph import Concepts
from embedkit.compose.known.questions import OwnQuestion, read_questions
from embedkit.compose.known.rows import (
    EXACT,
    HELD_OUT_SHARE,
    NEAR,
    KnownRow,
    KnownRows,
    Measured,
    chosen_records,
    divide_known,
    held_out_names,
    measured,
    seen_anchors,
    with_one_spelling,
)
from embedkit.compose.known.styles import split_by_style
from embedkit.compose.known.training import Taught, description_rows, question_rows, taught_names, typo_rows
from embedkit.compose.rows.drafts import Draft, drafts_spool
from embedkit.compose.rows.split import PARTS, Part
from embedkit.compose.run.options import Settings
from embedkit.compose.run.steps import InputRecords, NewRows, SplitRows
from embedkit.console import say
from embedkit.data.entries import Entry, Record, Reject, category
from embedkit.data.records import ASKING_KINDS
from embedkit.data.tally import Tally
from embedkit.messages import Phrase
from embedkit.ranking.near_duplicates import near_matches
from embedkit.text import fold, hash64

KEPT_OUT = Phrase("a name that only the known rows ask with")
TAKEN = Phrase("is the name or definition of a concept, or asks for two")
HELD_OUT = Phrase("nearly stands in dev or test")
NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """All rows with those that ask as people do, the known rows, and the books of a person's questions."""

    made: NewRows
    split: SplitRows
    known: KnownRows
    questions: Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What is measured: rows and kept-out wordings by record, and names that training does without, by record."""

    measured: Mapping[int, Measured]
    names: Mapping[int, str]

    @property
    def held_out(self) -> frozenset[str]:
        """The names, folded."""
        return frozenset(map(fold, self.names.values()))

    def rows(self, records: Sequence[Record]) -> Iterator[KnownRow]:
        """The names first: they are what a person wrote."""
        for number, name in self.names.items():
            yield KnownRow(anchor=name, kind="name", record=number, lang=records[number].entry.lang)
        for found in self.measured.values():
            yield from found.rows


class _Taught:
    """The records of the training rows and their concepts."""

    def __init__(self, records: Sequence[Record], concepts: Concepts, parts: array[int], seed: int) -> None:
        self._records, self._concepts, self._parts, self._seed = records, concepts, parts, seed
        members: defaultdict[int, list[int]] = defaultdict(list)
        for number, concept in enumerate(concepts.of_record):
            members[concept].append(number)
        self._members = {concept: numbers for concept, numbers in members.items() if len(numbers) > 1}

    def entries(self) -> Iterator[tuple[int, Entry]]:
        """Each record that training rows are made of; a term that is its own definition is none."""
        for number, record in enumerate(self._records):
            entry = record.entry
            if record.stated_pair or self._parts[self._concepts.of_record[number]] != PARTS.index("train"):
                continue
            if fold(entry.term) != fold(entry.definition):
                yield number, entry

    def plan(self, drafts: Iterable[Draft]) -> _Plan:
        """Choose what is measured; `drafts` are the training rows that a spelling must not stand in twice."""
        chosen = set(chosen_records(self.entries(), seed=self._seed))
        entries = [item for item in self.entries() if item[0] in chosen]
        names = held_out_names(
            entries,
            concept_of=self._concepts.of_record.__getitem__,
            most=int(HELD_OUT_SHARE * self._parts.count(PARTS.index("train"))),
            seed=self._seed,
        )
        own = {number: name for number, name in names.items() if self._is_free(number, name)}
        texts = (text for draft in drafts for text in (draft.anchor, draft.positive))
        return _Plan(
            measured={
                number: measured(number, entry, ambiguous=self._is_ambiguous(entry.term), seed=self._seed)
                for number, entry in entries
            },
            names=with_one_spelling(own, texts) if own else {},
        )

    def _is_free(self, number: int, name: str) -> bool:
        """Whether a name is of one concept only and the term of none of its records."""
        members = self._members.get(self._concepts.of_record[number], [number])
        terms = (fold(self._records[member].entry.term) for member in members)
        return not self._is_ambiguous(name) and fold(name) not in terms

    def _is_ambiguous(self, name: str) -> bool:
        return len(self._concepts.of_text(name)) > 1

    def rows(self, plan: _Plan, kinds: Iterable[str], *, forms: int) -> Iterator[Draft]:
        """The rows of the training kinds."""
        held_out, wanted = plan.held_out, frozenset(kinds)
        for number, entry in self.entries():
            names = taught_names(entry, held_out)
            taught = Taught(
                record=number,
                entry=entry,
                names=[item for item in names if not self._is_ambiguous(item[0])],
                elsewhere=tuple(self._elsewhere(number, entry)),
            )
            without = plan.measured[number].kept_out if number in plan.measured else NOTHING
            if "question-definition" in wanted:
                yield from question_rows(taught, forms=forms, seed=self._seed)
            if "typo-definition" in wanted:
                yield from typo_rows(taught, without=without, seed=self._seed)
            if "description-definition" in wanted:
                yield from description_rows(taught, without=without)

    def _elsewhere(self, number: int, entry: Entry) -> Iterator[tuple[int, str]]:
        """The concept's first definition in each other language."""
        seen = {entry.lang}
        for member in self._members.get(self._concepts.of_record[number], ()):
            other = self._records[member]
            if other.entry.lang not in seen and not other.stated_pair:
                seen.add(other.entry.lang)
                yield member, other.entry.definition


def add_asking_rows(
    found: InputRecords, made: NewRows, concepts: Concepts, split: SplitRows, settings: Settings
) -> Asking:
    """Keep some names and wordings out of training, add the rows that ask, and make the known rows."""
    options = settings.options
    parts = _parts_of(made.drafts, split.parts, concepts)
    questions, asked = _questions(found, concepts, settings)
    taught = _Taught(found.records, concepts, parts, options.seed)
    base = (draft for draft, part in zip(made.drafts, split.parts, strict=True) if part == "train")
    plan = taught.plan(base) if settings.known else _Plan(measured={}, names={})
    rows = _Rows(made, split, concepts, plan.held_out)
    own = list[KnownRow]()
    placed = [(item, PARTS[parts[concepts.of_record[item.record]]]) for item in asked]
    for item, part in placed:
        if part == "train" and not item.train:
            own.append(KnownRow(anchor=item.question, kind=item.kind, record=item.record, lang=item.lang))
    rows.add(
        (_asked_draft(item, part, found.records), part)
        for item, part in placed
        if item.train or part != "train"
    )
    kinds = [kind for kind in settings.kinds if kind in ASKING_KINDS]
    rows.add((draft, "train") for draft in (taught.rows(plan, kinds, forms=options.forms) if kinds else ()))
    known = divide_known(
        own,
        plan.rows(found.records),
        lambda: rows.texts("train"),
        concept_of=concepts.of_record.__getitem__,
        seed=options.seed,
    )
    made, split = rows.finished(len(found.records))
    return Asking(made=made, split=split, known=known, questions=questions)


def _parts_of(drafts: Iterable[Draft], parts: Iterable[Part], concepts: Concepts) -> array[int]:
    """The part of each concept as its place in PARTS; a concept without a row is train's."""
    places = array("i", [PARTS.index("train")]) * len(concepts.ids)
    for draft, part in zip(drafts, parts, strict=True):
        places[concepts.of_record[draft.record]] = PARTS.index(part)
    return places


def _questions(
    found: InputRecords, concepts: Concepts, settings: Settings
) -> tuple[Tally, list[OwnQuestion]]:
    """A person's questions and their books; bad rows go to the rejects."""
    tally, asked = Tally(Phrase("questions")), list[OwnQuestion]()
    if settings.questions or settings.train_questions:
        concept_of = concepts.of_record.__getitem__
        for item in read_questions(settings.questions, settings.train_questions, found.records, concept_of):
            tally.taken_in += 1
            if isinstance(item, Reject):
                found.rejects.append(item)
                tally.reject(category(item.reason))
            else:
                asked.append(item)
        tally.given_out = len(asked)
        tally.print()
        asked = split_by_style(asked, concept_of, seed=settings.options.seed)
        if written := [item for item in asked if item.style]:
            say(
                "questions of a language model: {train} of {count} may be trained on, the others only measure",
                train=sum(item.train for item in written),
                count=len(written),
            )
    return tally, asked


def _asked_draft(item: OwnQuestion, part: Part, records: Sequence[Record]) -> Draft:
    return Draft(
        anchor=item.question,
        positive=records[item.record].entry.definition,
        kind="question-definition" if part == "train" else item.kind,
        record=item.record,
        lang=item.lang,
        anchor_role="question",
        positive_role="definition",
    )


def prove_known(known: KnownRows, drafts: Sequence[Draft], parts: Sequence[Part]) -> None:
    """Say what the known rows are. Raises `RuntimeError` where one of them stands in a training row."""
    rows = [row for part in known.parts.values() for row in part]

    if seen_anchors([row.anchor for row in rows], lambda: texts_of_parts(drafts, parts, [PARTS[0]])):
        raise RuntimeError("a known row stands in a training row; this is a bug in embedkit")
    if not rows:
        return
    say(
        "known rows: {count} questions for the concepts of the training rows, {dev} of them for choosing; "
        "none stands in a training row ({exact} that did and {near} near duplicates are left out)",
        count=len(rows),
        dev=len(known.parts["known.dev"]),
        exact=known.tally.rejected[EXACT],
        near=known.tally.rejected[NEAR],
    )


class _Rows:
    """The rows so far: those that records state, without what is kept out, and behind them those that ask."""

    def __init__(self, made: NewRows, split: SplitRows, concepts: Concepts, held_out: frozenset[str]) -> None:
        self._made, self._split, self._concepts = made, split, concepts
        self._drafts, self._parts = drafts_spool(), list[Part]()
        for draft, part in zip(made.drafts, split.parts, strict=True):
            if part == "train" and not held_out.isdisjoint((fold(draft.anchor), fold(draft.positive))):
                made.tally.reject(KEPT_OUT)
                made.tally.given_out -= 1
            else:
                self._append(draft, part)
        self._stated = len(self._drafts)
        self._seen: dict[int, int] = {}
        self._digests: set[bytes] = set()

    def _append(self, draft: Draft, part: Part) -> None:
        self._drafts.append(draft)
        self._parts.append(part)

    def add(self, drafts: Iterable[tuple[Draft, Part]]) -> None:
        """Append rows whose anchors are free, and that say nothing of other parts' rows."""
        free, parts, tally = drafts_spool(), list[Part](), self._made.tally
        for draft, part in drafts:
            tally.taken_in += 1
            concept = self._concepts.of_record[draft.record]
            key = hash64(fold(draft.anchor))
            if self._concepts.of_text(draft.anchor) or self._seen.setdefault(key, concept) != concept:
                tally.reject(TAKEN)
            elif draft.digest in self._digests:
                tally.merged += 1
            else:
                self._digests.add(draft.digest)
                free.append(draft)
                parts.append(part)
        leaking = self._leaking(free, parts)
        for draft, part in zip(free, parts, strict=True):
            if draft.anchor in leaking:
                tally.reject(HELD_OUT)
            else:
                tally.given_out += 1
                self._append(draft, part)

    def _leaking(self, drafts: Sequence[Draft], parts: Sequence[Part]) -> set[str]:
        """The anchors that nearly stand in rows of another part."""
        leaking: set[str] = set()
        for part in PARTS:
            anchors = [draft.anchor for draft, own in zip(drafts, parts, strict=True) if own == part]
            others = list(self.texts(*(other for other in PARTS if other != part)))
            if part == "train":
                leaking.update(text for _, text in near_matches(others, anchors, same_meaning=False))
            elif anchors:
                places = (place for place, _ in near_matches(anchors, others, same_meaning=False))
                leaking.update(anchors[place] for place in places)
        return leaking

    def texts(self, *parts: Part) -> Iterator[str]:
        """The texts of the rows of some parts, each once."""
        return texts_of_parts(self._drafts, self._parts, parts)

    def finished(self, records: int) -> tuple[NewRows, SplitRows]:
        """All rows, with the one whose negatives each shares: of the same definition, or its own."""
        leader, leads = array("i", [-1]) * records, array("i")
        for place, draft in enumerate(self._drafts):
            answers = draft.positive_role == "definition" or draft.kind == "pair"
            if answers and leader[draft.record] < 0:
                leader[draft.record] = place
            leads.append(place if place < self._stated else leader[draft.record])
        made = replace(self._made, drafts=self._drafts)
        return made, replace(self._split, parts=self._parts, leads=leads)


def texts_of_parts(drafts: Sequence[Draft], parts: Sequence[Part], wanted: Collection[Part]) -> Iterator[str]:
    """The texts of the rows of some parts, each once."""
    seen: set[int] = set()
    for draft, part in zip(drafts, parts, strict=True):
        for text in (draft.anchor, draft.positive) if part in wanted else ():
            if (key := hash64(text)) not in seen:
                seen.add(key)
                yield text
