"""`pairs.known.jsonl` as questions over the entries of a glossary: which entries answer each one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from embedkit.data.entries import Entry
from embedkit.data.records import Pair, split_path
from embedkit.data.shapes import read_pairs
from embedkit.disjoint_sets import joined
from embedkit.errors import UserError
from embedkit.models.corpus import composed_corpus, load_corpus
from embedkit.models.run_folder import Run
from embedkit.ranking.queries import sampled
from embedkit.ranking.retrieval import Places
from embedkit.text import fold, language_of

NO_ENTRY = "no entry of the glossary has the question's answer"
OWN_KINDS = (
    "named",
    "other_name",
    "described",
)  # of a person's own questions; the others are made by compose
DESCRIBED_KINDS = ("description", "described")
HELD_OUT_NAME = "name"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownQuestion:
    """One question and the places of the entries that answer it. Questions that share one are of one `concept`."""

    text: str
    kind: str
    lang: str
    concept: str
    right: Places

    @property
    def is_own(self) -> bool:
        """Whether a person asked it."""
        return self.kind in OWN_KINDS

    @property
    def is_described(self) -> bool:
        """Whether it describes the thing and does not name it."""
        return self.kind in DESCRIBED_KINDS


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSet:
    """Questions over entries. `dropped` counts questions by reason."""

    questions: tuple[KnownQuestion, ...]
    entries: tuple[Entry, ...]
    corpus: str
    files: tuple[Path, ...]
    dropped: Mapping[str, int]


def known_files(run: Run | None, test: Path | None) -> tuple[Path, ...]:
    """The known rows beside what the run was trained on, else beside the test file; none where there are none."""
    trained = run.trained_on if run else ()
    beside = (*trained, *([_training_file(test)] if test and not trained else ()))
    return tuple(path for name in beside if (path := split_path(name, "known")).is_file())


def read_known_set(
    files: Sequence[Path], *, corpus: Path | None, run: Run | None, sample: int | None = None
) -> KnownSet:
    """Read the questions, and the entries that search would search: `corpus`, else those that the pairs came from.

    Raises:
        UserError: a bad row, or no question that an entry answers.
    """
    rows = [pair for path in files for pair in read_pairs(path)]
    training = (run.pairs if run else None) or _training_file(files[0])
    beside = [split_path(training, part) for part in ("train", "dev", "test")]
    if corpus:
        entries, name = load_corpus(corpus), str(corpus)
    elif training.is_file():
        entries, name = composed_corpus(training)
    else:
        raise UserError(
            "the glossary of these questions is not known",
            place=str(files[0]),
            hint="name it with --corpus glossary.csv",
        )
    answers = _answers([*rows, *(pair for path in beside if path.is_file() for pair in read_pairs(path))])
    asked = sampled(rows, sample)
    questions = list(_questions(asked, entries, answers))
    if not questions:
        raise UserError(
            "no entry of {corpus} answers any of the questions",
            place=str(files[0]),
            hint="name their glossary with --corpus",
            corpus=name,
        )
    left_out = len({pair.anchor for pair in asked}) - len(questions)
    return KnownSet(
        questions=tuple(questions),
        entries=tuple(_without_names(entries, (row.anchor for row in rows if row.kind == HELD_OUT_NAME))),
        corpus=name,
        files=tuple(files),
        dropped={NO_ENTRY: left_out} if left_out else {},
    )


def _training_file(path: Path) -> Path:
    """`pairs.jsonl` for `pairs.test.jsonl` and `pairs.known.jsonl`."""
    stem = path.stem
    for part in (".known.dev", ".known", ".test", ".dev"):
        stem = stem.removesuffix(part)
    return path.with_name(stem + path.suffix)


def _concept(pair: Pair) -> str:
    return pair.group or fold(pair.positive)


def _answers(rows: Iterable[Pair]) -> dict[str, set[str]]:
    """The folded texts of each concept: an entry with one of them as its definition is an answer."""
    texts: defaultdict[str, set[str]] = defaultdict(set)
    for pair in rows:
        texts[_concept(pair)].add(fold(pair.positive))
    return texts


def _questions(
    rows: Sequence[Pair], entries: Sequence[Entry], answers: Mapping[str, set[str]]
) -> Iterator[KnownQuestion]:
    places: defaultdict[str, list[int]] = defaultdict(list)
    for place, entry in enumerate(entries):
        places[fold(entry.definition)].append(place)
    first: dict[str, Pair] = {}
    for pair in rows:
        first.setdefault(pair.anchor, pair)
    found = [
        KnownQuestion(
            text=pair.anchor,
            kind=pair.kind or "question",
            lang=pair.lang or language_of(pair.anchor),
            concept=_concept(pair),
            right=np.array(right, dtype=np.int64),
        )
        for pair in first.values()
        if (right := sorted({place for text in answers[_concept(pair)] for place in places[text]}))
    ]
    tied = joined([(question.concept, *question.right.tolist()) for question in found])
    return (replace(question, concept=found[at].concept) for question, at in zip(found, tied, strict=True))


def _without_names(entries: Iterable[Entry], names: Iterable[str]) -> Iterator[Entry]:
    """The entries as a glossary that lacks these names: asked for by one, they would be found by that name alone."""
    held_out = {fold(name) for name in names}
    for entry in entries:
        kept = tuple(alias for alias in entry.aliases if fold(alias.text) not in held_out)
        yield entry if len(kept) == len(entry.aliases) else replace(entry, aliases=kept)
