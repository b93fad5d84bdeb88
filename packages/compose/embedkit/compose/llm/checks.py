"""Whether a question is what was asked for, by itself and among the others: language, length, names, copies."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from importlib.util import find_spec

from rapidfuzz import fuzz

from embedkit.compose.known.names import is_hidden_in, is_only_names
from embedkit.compose.known.questions import kind_of
from embedkit.compose.llm.records import RefusedQuestion, Subject, WrittenQuestion
from embedkit.ranking.near_duplicates import SENTENCE_CHARS, near_matches, near_pairs
from embedkit.text import fold

LEAST_CHARS = {"ko": 4, "ja": 4, "zh": 3}
OTHERWISE = 8
MOST_CHARS = 300
ALIKE = 90  # of 100: how much of a question stands in the definition before it is that again
LEAST_COPY = 15  # folded letters; a shorter piece of a definition is a name that anybody uses
_FEW_WORDS = 5  # fewer tell nothing of their language
_SURE = 20.0  # difference of log likelihoods: the most that 448 English questions show is 9

_FEWEST_LETTERS = 3
_MARKUP = re.compile(r"https?://|www\.|</?[a-z][^<>]{0,80}>|[{}]|&[a-z]{2,6};|\\u[0-9a-f]{4}", re.IGNORECASE)
_REPEATED = 3  # times that each word stands in a question, in the mean, before it says nothing

# The scripts of languages, as the names of their characters begin; what is not here is written in Latin letters.
_SCRIPTS = {
    "ko": ("HANGUL",),
    "ja": ("HIRAGANA", "KATAKANA", "CJK"),
    "zh": ("CJK",),
    **dict.fromkeys(("ru", "uk", "be", "bg", "mk", "kk", "ky", "mn", "tg"), ("CYRILLIC",)),
    "sr": ("CYRILLIC", "LATIN"),
    **dict.fromkeys(("ar", "fa", "ur", "ps"), ("ARABIC",)),
    **dict.fromkeys(("hi", "mr", "ne", "sa"), ("DEVANAGARI",)),
    **dict.fromkeys(("he", "yi"), ("HEBREW",)),
    "el": ("GREEK",),
    "th": ("THAI",),
    "ka": ("GEORGIAN",),
    "hy": ("ARMENIAN",),
    "bn": ("BENGALI",),
    "ta": ("TAMIL",),
    "te": ("TELUGU",),
}
_LATIN = ("LATIN",)
_KNOWN_SCRIPTS = frozenset(script for scripts in _SCRIPTS.values() for script in scripts)
_OF_ONE_LANGUAGE = frozenset(("ko", "ja", "zh", "el", "th", "ka", "hy", "he"))  # the script tells it
_SYMBOLS = 3  # Greek letters that a text in Latin letters has for quantities and units

LANGUAGE = "not in the language asked for"
SHORT = "too short"
LONG = "too long"
NO_WORDS = "no words in it"
REPEATED = "one word again and again"
MARKUP = "a link or markup"
PROMPT = "the prompt again"
ONLY_NAME = "only a name"
NAMED = "a description that names it"
NOT_RENAMED = "not by another name"
COPIED = "the definition again"
TWICE = "asked before"
TWO = "asked for two concepts"


def problem_of(question: WrittenQuestion, subject: Subject, *, told: str = "") -> str:
    """What is wrong with a question by itself; nothing where it is what was asked for. `told`: the prompt, folded."""
    text, entry = question.text, subject.entry
    names = (entry.term, *subject.names)
    least = LEAST_CHARS.get(subject.lang.partition("-")[0], OTHERWISE)
    if len(text) > MOST_CHARS:
        return LONG
    if problem := _problem_of_text(text, subject):
        return problem
    if is_only_names(text, names):
        return ONLY_NAME
    if len(text) < least:
        return SHORT
    if question.style == "description" and (
        kind_of(text, entry.term, names) != "described" or any(is_hidden_in(name, text) for name in names)
    ):
        return NAMED
    if question.style == "other_name" and kind_of(text, entry.term, names) != "other_name":
        return NOT_RENAMED
    folded = fold(text)
    if len(folded) >= LEAST_COPY and folded in told:
        return PROMPT
    return COPIED if _copies(text, entry.definition) else ""


def _problem_of_text(text: str, subject: Subject) -> str:
    """What is wrong with the words alone."""
    few = sum(map(str.isalpha, text)) < _FEWEST_LETTERS
    if few and fold(text) not in set(map(fold, subject.names)):
        return NO_WORDS
    if not _in_language(text, subject.lang):
        return LANGUAGE
    words = text.casefold().split()
    if len(words) > _FEW_WORDS and len(set(words)) * _REPEATED <= len(words):
        return REPEATED
    own = " ".join((subject.entry.definition, *subject.names))
    return MARKUP if any(mark[0] not in own for mark in _MARKUP.finditer(text)) else ""


def _in_language(text: str, lang: str) -> bool:
    """By the script; where that cannot tell two languages apart by the extra `langid`, if it is installed and sure."""
    base = lang.partition("-")[0].lower()
    if not _in_script(text, base):
        return False
    if base in _OF_ONE_LANGUAGE or len(text.split()) < _FEW_WORDS or find_spec("py3langid") is None:
        return True
    from py3langid import rank

    scores: dict[str, float] = dict(rank(text))
    return base not in scores or max(scores.values()) - scores[base] < _SURE


def _in_script(text: str, lang: str) -> bool:
    """Whether a tenth of the letters are of a language's script, and of no other where that is Latin."""
    letters = Counter(
        unicodedata.name(c, "").partition(" ")[0] for c in unicodedata.normalize("NFKC", text) if c.isalpha()
    )
    own = _SCRIPTS.get(lang, _LATIN)
    if letters["GREEK"] <= _SYMBOLS and "GREEK" not in own:
        del letters["GREEK"]
    if lang == "zh":
        others = letters["HIRAGANA"] + letters["KATAKANA"]
    else:
        others = sum(letters[script] for script in _KNOWN_SCRIPTS if script not in own)
    if "LATIN" in own:
        return others * 10 < letters.total() or not letters
    of_own = sum(letters[script] for script in own)
    return of_own * 10 >= letters.total() and (lang != "zh" or others * 10 < letters.total())


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
