"""Whether a question is what was asked for, by itself and among the others: language, length, names, copies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from importlib.util import find_spec

from rapidfuzz import fuzz

from embedkit.compose.known.questions import kind_of
from embedkit.compose.llm.records import RefusedQuestion, Subject, WrittenQuestion
from embedkit.ranking.near_duplicates import SENTENCE_CHARS, near_matches, near_pairs
from embedkit.text import fold, language_of

LEAST_CHARS = {"ko": 4, "ja": 4, "zh": 3}
OTHERWISE = 8
MOST_CHARS = 300
ALIKE = 90  # of 100: how much of a question stands in the definition before it is that again
LEAST_COPY = 15  # folded letters; a shorter piece of a definition is a name that anybody uses
_FEW_WORDS = 5  # fewer tell nothing of their language
_SURE = 20.0  # difference of log likelihoods: the most that 448 English questions show is 9

LANGUAGE = "not in the language asked for"
SHORT = "too short"
LONG = "too long"
ONLY_NAME = "only a name"
NAMED = "a description that names it"
NOT_RENAMED = "not by another name"
COPIED = "the definition again"
TWICE = "asked before"
TWO = "asked for two concepts"


def problem_of(question: WrittenQuestion, subject: Subject) -> str:
    """What is wrong with a question by itself; nothing where it is what was asked for."""
    text, entry = question.text, subject.entry
    names = (entry.term, *subject.names)
    least = LEAST_CHARS.get(subject.lang.partition("-")[0], OTHERWISE)
    if len(text) > MOST_CHARS:
        return LONG
    if not _in_language(text, subject.lang):
        return LANGUAGE
    if fold(text) in set(map(fold, names)):
        return ONLY_NAME
    if len(text) < least:
        return SHORT
    if question.style == "description" and kind_of(text, entry.term, names) != "described":
        return NAMED
    if question.style == "other_name" and kind_of(text, entry.term, names) != "other_name":
        return NOT_RENAMED
    return COPIED if _copies(text, entry.definition) else ""


def _in_language(text: str, lang: str) -> bool:
    """By the script; where that cannot tell two languages apart by the extra `langid`, if it is installed and sure."""
    base = lang.partition("-")[0].lower()
    if language_of(text, fallback=base) != base:
        return False
    if base in ("ko", "ja", "zh", "ru", "ar") or len(text.split()) < _FEW_WORDS:
        return True
    if find_spec("py3langid") is None:
        return True
    from py3langid import rank

    scores: dict[str, float] = dict(rank(text))
    return base not in scores or max(scores.values()) - scores[base] < _SURE


def _copies(text: str, definition: str) -> bool:
    folded, whole = fold(text), fold(definition)
    if folded == whole or (len(folded) >= LEAST_COPY and folded in whole):
        return True
    long = min(len(text), len(definition)) >= SENTENCE_CHARS
    return long and fuzz.partial_ratio(text.casefold(), definition.casefold()) >= ALIKE


def without_copies(
    questions: Sequence[WrittenQuestion], subjects: Sequence[Subject]
) -> tuple[list[WrittenQuestion], list[RefusedQuestion]]:
    """Each question once: of near copies the first stays; what two concepts would answer goes altogether.

    Of two concepts near is nearer: a word exchanged for an unlike one, as the name, makes another question.
    """
    concept = [subjects[question.subject].concept for question in questions]
    texts = [question.text for question in questions]
    same: defaultdict[str, list[int]] = defaultdict(list)
    for place, text in enumerate(texts):
        same[fold(text)].append(place)
    asked_of = {key: {concept[place] for place in places} for key, places in same.items()}
    refused: dict[int, str] = {}
    for key, places in same.items():
        two = len(asked_of[key]) > 1
        refused.update((place, TWO if two else TWICE) for place in (places if two else places[1:]))
    for first, again in near_pairs(texts):
        if concept[first] == concept[again] and first not in refused:
            refused.setdefault(again, TWICE)
    by_text = {text: place for place, text in reversed(list(enumerate(texts)))}
    for left, other in near_matches(texts, list(by_text)):
        if concept[left] != concept[by_text[other]]:
            refused[left] = TWO
    kept = [question for place, question in enumerate(questions) if place not in refused]
    return kept, [
        RefusedQuestion(question=questions[place], reason=why) for place, why in sorted(refused.items())
    ]
