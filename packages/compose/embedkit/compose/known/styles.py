"""Questions that a language model wrote: of each concept some styles are trained on, and others only measure.

"Asked in new words" then means words that another style wrote or, where there is one style only, another run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from embedkit.compose.known.questions import OwnQuestion
from embedkit.text import hash64

MEASURED_SHARE = 3  # one style in three only measures


def split_by_style(
    questions: Sequence[OwnQuestion], concept_of: Callable[[int], int], *, seed: int
) -> list[OwnQuestion]:
    """The questions, with those of a style marked as to be trained on or not; the others stay as they are.

    All questions of a concept in one style are on one side. Of a concept with one style the runs take its place; where
    there is one run too, the concept's questions only measure or only train.
    """
    members: defaultdict[int, list[int]] = defaultdict(list)
    for place, question in enumerate(questions):
        if question.style and not question.train:
            members[concept_of(question.record)].append(place)
    taught: set[int] = set()
    for places in members.values():
        by_style = {questions[place].style for place in places}
        parts = {
            place: questions[place].style if len(by_style) > 1 else questions[place].run for place in places
        }
        held = _held_out(parts.values(), min(questions[place].question for place in places), seed)
        taught.update(place for place, part in parts.items() if part not in held)
    return [
        replace(question, train=True) if place in taught else question
        for place, question in enumerate(questions)
    ]


def _held_out(parts: Iterable[str], name: str, seed: int) -> set[str]:
    """The parts of a concept that only measure: a third of them, at least one; of a single part one in three.

    `name` stands for the concept, whatever else the input holds.
    """
    drawn = sorted(set(parts), key=lambda part: hash64(f"{seed}\x1fstyle\x1f{name}\x1f{part}"))
    if len(drawn) == 1:
        alone = hash64(f"{seed}\x1fstyle\x1f{name}") % MEASURED_SHARE == 0
        return set(drawn) if alone else set()
    return set(drawn[: max(1, len(drawn) // MEASURED_SHARE)])
