"""The rows that ask as people do: those that train, those that only measure, and a person's own questions."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from embedkit.compose.concepts.graph import Concepts
from embedkit.compose.known.forms import asked_in
from embedkit.compose.known.questions import TWO_CONCEPTS, OwnQuestion, once_each, read_questions
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
from embedkit.console import say, track
from embedkit.data.entries import Entry, Record, Reject, category
from embedkit.data.names import said_names
from embedkit.data.records import ASKING_KINDS
from embedkit.data.tally import Tally
from embedkit.messages import Phrase
from embedkit.ranking.near_duplicates import near_matches
from embedkit.text import fold, hash64

KEPT_OUT = Phrase("a name that only the known rows ask with")
TAKEN = "is the name or definition of a concept, or asks for two"
HELD_OUT = "nearly stands in dev or test"
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
        self._said: dict[
            str, int
        ] = {}  # the concept of a name that was in brackets or had some; -1 where two have it
        for number, record in enumerate(records):
            for name in said_names(record.entry.term):
                concept = concepts.of_record[number]
                if self._said.setdefault(fold(name), concept) != concept:
                    self._said[fold(name)] = -1

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
                number: measured(
                    number,
                    entry,
                    said=self._as_said(number, entry.term),
                    others=self._others(number),
                    seed=self._seed,
                )
                for number, entry in entries
            },
            names=with_one_spelling(own, texts) if own else {},
        )

    def _is_free(self, number: int, name: str) -> bool:
        """Whether a name is of one concept only and the term of none of its records."""
        members = self._members.get(self._concepts.of_record[number], [number])
        terms = (self._records[member].entry.term for member in members)
        said = {fold(form) for term in terms for form in (term, *said_names(term))}
        return not self._is_ambiguous(name) and fold(name) not in said

    def _is_ambiguous(self, name: str) -> bool:
        return len(self._concepts.of_text(name)) > 1 or self._said.get(fold(name)) == -1

    def _is_of(self, number: int, name: str) -> bool:
        """Whether no other concept than the record's has a name."""
        own = self._concepts.of_record[number]
        claimed = {*self._concepts.of_text(name), self._said.get(fold(name), own)}
        return claimed == {own}

    def _as_said(self, number: int, term: str) -> str:
        """The term without its brackets where that names nothing else, as it is, or "" where it is ambiguous."""
        bare = next(iter(said_names(term)), "")
        if bare and self._is_of(number, bare):
            return bare
        return "" if self._is_ambiguous(term) else term

    def _taught(self, number: int, entry: Entry, held_out: frozenset[str]) -> Taught:
        said = self._as_said(number, entry.term)
        names = [(said, asked_in(said, entry))] if said else []
        names += [item for item in taught_names(entry, held_out)[1:] if not self._is_ambiguous(item[0])]
        for name in said_names(entry.term)[1:]:
            if self._is_of(number, name) and fold(name) not in held_out:
                names.append((name, asked_in(name, entry)))
        return Taught(
            record=number,
            entry=entry,
            names=list({fold(name): (name, lang) for name, lang in reversed(names)}.values())[::-1],
            said=said or entry.term,
            others=self._others(number),
            elsewhere=tuple(self._elsewhere(number, entry)),
        )

    def _others(self, number: int) -> tuple[str, ...]:
        """The names that the other records of the concept have."""
        others = (
            self._records[member].entry
            for member in self._members.get(self._concepts.of_record[number], ())
            if member != number
        )
        return tuple(dict.fromkeys(name for entry in others for name in (entry.term, *entry.names)))

    def rows(self, plan: _Plan, kinds: Iterable[str], *, forms: int) -> Iterator[Draft]:
        """The rows of the training kinds."""
        held_out, wanted = plan.held_out, frozenset(kinds)
        for number, entry in self.entries():
            taught = self._taught(number, entry, held_out)
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
    dropped = rows.add(
        (_asked_draft(item, part, found.records), part)
        for item, part in placed
        if item.train or part != "train"
    )
    kinds = [kind for kind in settings.kinds if kind in ASKING_KINDS]
    taught_rows = taught.rows(plan, kinds, forms=options.forms) if kinds else ()
    rows.add((draft, "train") for draft in track(taught_rows, label="questions"))
    known = divide_known(
        own,
        plan.rows(found.records),
        lambda: rows.texts("train"),
        concept_of=concepts.of_record.__getitem__,
        seed=options.seed,
    )
    measures = {row.anchor for part in known.parts.values() for row in part}
    unmeasured = [row.anchor for row in own if row.anchor not in measures]
    seen = seen_anchors(unmeasured, lambda: rows.texts("train"))
    unseen = {anchor: seen.get(place, TWO_CONCEPTS) for place, anchor in enumerate(unmeasured)}
    measured_only = [item for item, part in placed if part == "train" and not item.train]
    given = [item for item, part in placed if part != "train" or item.train]
    _drop_questions([*_dropped(measured_only, unseen), *_dropped(given, dropped)], found, questions)
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
                _reject(item, found, tally)
            else:
                asked.append(item)
        once = list(once_each(asked, concept_of))
        asked = [item for item in once if isinstance(item, OwnQuestion)]
        tally.merged = once.count(None)
        for twice in once:
            if isinstance(twice, Reject):
                _reject(twice, found, tally)
        tally.given_out = len(asked)
        asked = split_by_style(asked, concept_of, seed=settings.options.seed)
        if written := [item for item in asked if item.style]:
            say(
                "questions of a language model: {train} of {count} may be trained on, the others only measure",
                train=sum(item.train for item in written),
                count=len(written),
            )
    return tally, asked


def _reject(item: Reject, found: InputRecords, tally: Tally) -> None:
    found.rejects.append(item)
    tally.reject(category(item.reason))


def _dropped(asked: Iterable[OwnQuestion], reasons: Mapping[str, str]) -> Iterator[Reject]:
    return (item.reject(reasons[item.question]) for item in asked if item.question in reasons)


def _drop_questions(dropped: Iterable[Reject], found: InputRecords, tally: Tally) -> None:
    """Put the questions that no row was made of with the rejects, and say the books."""
    for item in dropped:
        _reject(item, found, tally)
        tally.given_out -= 1
    if tally.taken_in:
        tally.print()


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

    def add(self, drafts: Iterable[tuple[Draft, Part]]) -> dict[str, str]:
        """Append rows whose anchors are free, and that say nothing of other parts' rows; and say why the others not."""
        free, parts, tally = drafts_spool(), list[Part](), self._made.tally
        dropped: dict[str, str] = {}
        for draft, part in drafts:
            tally.taken_in += 1
            concept = self._concepts.of_record[draft.record]
            key = hash64(fold(draft.anchor))
            if self._concepts.of_text(draft.anchor) or self._seen.setdefault(key, concept) != concept:
                tally.reject(TAKEN)
                dropped[draft.anchor] = TAKEN
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
                dropped[draft.anchor] = HELD_OUT
            else:
                tally.given_out += 1
                self._append(draft, part)
        return dropped

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
