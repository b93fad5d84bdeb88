"""Learn how much meaning counts beside words in each language, from the known dev questions of a run.

A grid of seven shares; of each the recall@1, as a mean over the kinds of questions, in which a person's own kinds
weigh `OWN_WEIGHT`. Among the shares that are not worse than the best by more than one standard error of the paired
difference (questions of one concept are one draw), the nearest to the default wins: few questions change nothing.
Costs the encoding of the glossary, which a later evaluation or search finds in the cache, and some seconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedkit.console import say, warn
from embedkit.data.records import split_path
from embedkit.errors import UserError
from embedkit.models.resolve import resolve_model
from embedkit.models.run_folder import MODEL, run_of
from embedkit.models.vectors import Encoder
from embedkit.ranking.entries import EntryIndex, combine, meaning, words
from embedkit.ranking.hybrid.questions import KnownQuestion, KnownSet, read_known_set
from embedkit.ranking.hybrid.shares import (
    DEFAULT_SHARE,
    DENSE,
    LEXICAL,
    LanguageShare,
    LearntShares,
    keep_shares,
)
from embedkit.ranking.metrics import Values
from embedkit.ranking.retrieval import QUERY_BLOCK
from embedkit.text import hash64, language_of

GRID = (LEXICAL, 0.1, DEFAULT_SHARE, 0.35, 0.5, 0.7, DENSE)
LEAST_QUESTIONS = 50
MOST_OF_A_KIND = 100
OWN_WEIGHT = 3
_LEAST_OF_A_KIND = 5
_DEFAULT = GRID.index(DEFAULT_SHARE)


def learn_for_run(run: Path) -> LearntShares | None:
    """Learn the shares of a trained run and keep them with its model; None where its known dev questions are too few.

    What is wrong with those, or with the glossary, is said: the run is trained all the same.
    """
    found = run_of(resolve_model(str(run / MODEL)))
    files = (
        [part for path in found.trained_on if (part := split_path(path, "known.dev")).is_file()]
        if found
        else []
    )
    if not files:
        return None
    try:
        known = read_known_set(files, corpus=None, run=found)
        learnt = learn(known, Encoder(resolve_model(str(run / MODEL))))
    except UserError as error:
        warn("the search keeps its default weights: {error}", error=error)
        return None
    if not learnt.languages:
        return None
    keep_shares(learnt, run / MODEL)
    for one in learnt.languages:
        say(
            "search, {lang}: {ranker}, {percent} % meaning (recall@1 of {count} dev questions {value}; words "
            "alone {words}, the model alone {dense})",
            lang=one.lang,
            ranker=one.ranker,
            percent=round(100 * one.share),
            count=one.questions,
            value=f"{one.recall[1]:.3f}",
            words=f"{one.recall[0]:.3f}",
            dense=f"{one.recall[2]:.3f}",
        )
    return learnt


def learn(known: KnownSet, encoder: Encoder) -> LearntShares:
    """The shares that serve these questions, per language that has `LEAST_QUESTIONS`."""
    asked = list(_drawn(known.questions))
    views = [EntryIndex(known.entries, names=names) for names in (True, False)]
    right, alone = (_right(asked, index, encoder) for index in views)
    langs = [language_of(question.text) for question in asked]
    found = []
    for lang, count in sorted(Counter(langs).items()):
        if count >= LEAST_QUESTIONS:
            places = [place for place, of in enumerate(langs) if of == lang]
            own = [asked[place] for place in places]
            found.append(_language_share(lang, own, right[places], alone[places]))
    return LearntShares(tuple(found))


def _drawn(questions: Sequence[KnownQuestion]) -> Iterator[KnownQuestion]:
    """A person's own questions; of each other kind in a language `MOST_OF_A_KIND` at most, drawn by hash."""
    taken = Counter[tuple[str, str]]()
    for question in sorted(questions, key=lambda one: hash64(one.text)):
        key = question.kind, language_of(question.text)
        taken[key] += 1
        if question.is_own or taken[key] <= MOST_OF_A_KIND:
            yield question


def _right(asked: Sequence[KnownQuestion], index: EntryIndex, encoder: Encoder) -> NDArray[np.bool_]:
    """Whether each question's first entry is right, with each share of the grid `(Q, G)`."""
    right = np.zeros((len(asked), len(GRID)), dtype=np.bool_)
    for start in range(0, len(asked), QUERY_BLOCK):
        block = asked[start : start + QUERY_BLOCK]
        texts = [question.text for question in block]
        near, by_words = meaning(index, encoder, texts), words(index, texts)
        for column, share in enumerate(GRID):
            shares = np.full(len(block), share, dtype=np.float32)
            first = combine(near, by_words, shares).argmax(axis=1)
            for row, question in enumerate(block):
                right[start + row, column] = first[row] in question.right
    return right


def _language_share(
    lang: str, asked: Sequence[KnownQuestion], right: NDArray[np.bool_], alone: NDArray[np.bool_]
) -> LanguageShare:
    recall = _weights(asked) @ right
    every = range(len(GRID))
    chosen, hybrid = choose(asked, right, every), choose(asked, right, every[1:-1])
    return LanguageShare(
        lang=lang,
        share=GRID[chosen],
        hybrid=GRID[hybrid],
        definitions=GRID[choose(asked, alone, every)],
        questions=len(asked),
        recall=(round(float(recall[0]), 4), round(float(recall[chosen]), 4), round(float(recall[-1]), 4)),
    )


def _weights(asked: Sequence[KnownQuestion]) -> Values:
    """What each question weighs in the mean over kinds `(Q,)`; a kind of which there are few counts as few."""
    sizes = Counter(question.kind for question in asked)
    weights: Values = np.array(
        [
            (OWN_WEIGHT if question.is_own else 1) / max(sizes[question.kind], _LEAST_OF_A_KIND)
            for question in asked
        ]
    )
    weights /= weights.sum()
    return weights


def choose(asked: Sequence[KnownQuestion], right: NDArray[np.bool_], among: Sequence[int]) -> int:
    """The column of `right` `(Q, G)` that wins: the nearest to the default among those as good as the best."""
    weights = _weights(asked)
    recall = weights @ right
    best = max(among, key=lambda column: recall[column])
    good = [
        column
        for column in among
        if recall[best] - recall[column] <= _standard_error(asked, weights, right, best, column)
    ]
    return min(good, key=lambda column: (abs(column - _DEFAULT), -recall[column]))


def _standard_error(
    asked: Sequence[KnownQuestion], weights: Values, right: NDArray[np.bool_], one: int, other: int
) -> float:
    """Of the difference in the mean over kinds; concepts are the draws, and one more of the heaviest: a single concept
    proves nothing.
    """
    differences = right[:, one].astype(np.float64) - right[:, other]
    centred = weights * (differences - float(weights @ differences))
    _, concepts = np.unique([question.concept for question in asked], return_inverse=True)
    sums, sizes = np.bincount(concepts, centred), np.bincount(concepts, weights)
    return float(np.sqrt((sums**2).sum() + sizes.max() ** 2))
