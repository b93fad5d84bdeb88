"""Which records speak of one concept: union-find over folded names, aliases, redirects, definitions.

A name that several concepts claim (an ambiguous abbreviation, an everyday word) joins none of them and
belongs to all: whoever asks what must not be a negative gets every one. Linear in the number of names.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from embedkit.compose.read import Record
from embedkit.text import fold, is_acronym

MAX_CLAIMS = 8  # one word that more concepts than this claim is an everyday word
EVERYDAY_SHARE = 0.02  # so is an alias that stands in more of the definitions than this
EVERYDAY_LEAST = 20
KEY_CHARS = 48
LARGE_SHARE = 0.01
LARGE_LEAST = 12
_BRACKETED = re.compile(r"^(.+?)\s*[(（\[]([^()（）\[\]]+)[)）\]]$")
_HAN = re.compile(r"^[\u4e00-\u9fff\s·]+$")
_HANGUL = re.compile(r"[\uac00-\ud7a3]")
_WORD = re.compile(r"\w+")
Claim = Literal["name", "abbreviation", "alias", "definition"]


@dataclass(frozen=True, slots=True)
class Concepts:
    """`of_record[i]` numbers record i's concept; `of_key` gives all the concepts that claim a text's key."""

    of_record: tuple[int, ...]
    ids: tuple[str, ...]
    of_key: dict[str, tuple[int, ...]]
    ambiguous: int
    largest: int
    largest_name: str
    texts: int

    def of_text(self, text: str) -> tuple[int, ...]:
        """Every concept that `text` belongs to."""
        return self.of_key.get(text_key(text), ())

    @property
    def over_merged(self) -> bool:
        """Whether the largest concept holds so many texts that a wrong merge is likely."""
        return self.largest >= LARGE_LEAST and self.largest > LARGE_SHARE * self.texts


class Forest:
    """Disjoint sets of the numbers below `size`; the smallest member is a set's root."""

    def __init__(self, size: int) -> None:
        self._parent = list(range(size))

    def find(self, item: int) -> int:
        """The root of the set that `item` is in."""
        parent = self._parent
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    def union(self, items: Iterable[int]) -> None:
        """Join the sets of all `items`."""
        roots = sorted({self.find(item) for item in items})
        for root in roots[1:]:
            self._parent[root] = roots[0]


def text_key(text: str) -> str:
    """The folded text; a hash stands for a long one, which keeps a million definitions in memory."""
    folded = fold(text)
    if len(folded) <= KEY_CHARS:
        return folded
    return "#" + hashlib.blake2b(folded.encode("utf-8", "surrogatepass"), digest_size=10).hexdigest()


def variants(name: str) -> tuple[str, ...]:
    """Keys of a name: itself, singular, and what brackets add, as in `펄스 폭 변조(PWM)` or `전압(電壓)`."""
    keys = [text_key(name)]
    match = _BRACKETED.match(name)
    if match:
        base, inner = match.groups()
        if is_acronym(inner) or (_HAN.match(inner) and _HANGUL.search(base)):
            keys.append(text_key(base))
    keys.append(_singular(keys[-1]))
    return tuple(dict.fromkeys(keys))


def _singular(key: str) -> str:
    if key.isascii() and len(key) > 4 and key.endswith("s") and not key.endswith(("ss", "us", "is")):
        return key[:-1]
    return key


def initials_match(short: str, long: str) -> bool:
    """Whether `short` could abbreviate `long` by first letters: PWM and pulse-width modulation."""
    letters = "".join(c for c in short.casefold() if c.isalpha())
    words = re.findall(r"[^\W\d_]+", long.casefold())
    return len(words) > 1 and "".join(word[0] for word in words).startswith(letters[:3])


def build(records: Sequence[Record]) -> Concepts:
    """The concept graph of `records`, decided once, in the order of the records."""
    claims: defaultdict[str, dict[int, Claim]] = defaultdict(dict)
    everyday = _everyday_aliases(records)
    for number, record in enumerate(records):
        for key, claim in _claims(record):
            if claims[key].get(number) != "abbreviation":
                claims[key][number] = claim
    forest = Forest(len(records))
    weak = [key for key, claimants in claims.items() if _is_weak(key, claimants)]
    weak_keys = set(weak)
    for key, claimants in claims.items():
        if key not in weak_keys:
            forest.union(claimants)
    ambiguous = sum(not _join_weak(forest, key, claims[key], everyday) for key in weak)
    return _numbered(records, forest, claims, ambiguous)


def _claims(record: Record) -> Iterator[tuple[str, Claim]]:
    entry = record.entry
    if record.stated_pair:
        yield from _stated_claims(entry.term, entry.definition)
        yield from _stated_claims(entry.definition, entry.term)
    else:
        yield from ((key, "name") for key in variants(entry.term))
        yield text_key(entry.definition), "definition"
    for alias in entry.aliases:
        claim: Claim = "abbreviation" if alias.kind == "abbreviation" else "alias"
        yield from ((key, claim) for key in variants(alias.text))


def _stated_claims(text: str, partner: str) -> Iterator[tuple[str, Claim]]:
    claim: Claim = "abbreviation" if is_acronym(text) and initials_match(text, partner) else "name"
    keys = variants(text) if len(text) <= KEY_CHARS else (text_key(text),)
    yield from ((key, claim) for key in keys)


def _is_weak(key: str, claimants: dict[int, Claim]) -> bool:
    """Whether joining by `key` needs a second look: an abbreviation, an alias, or a word that many claim."""
    if len(claimants) < 2:
        return False
    kinds = claimants.values()
    return "abbreviation" in kinds or "alias" in kinds or len(claimants) > MAX_CLAIMS


def _join_weak(forest: Forest, key: str, claimants: dict[int, Claim], everyday: set[str]) -> bool:
    """Join by a weak key unless it is ambiguous; whether nothing stays apart."""
    short = {forest.find(n) for n, claim in claimants.items() if claim == "abbreviation"}
    roots = {forest.find(n) for n in claimants}
    one_word = not key.startswith("#") and len(key) <= 20
    if len(roots) == 1:
        return True
    if len(short) > 1 or (one_word and (len(roots) > MAX_CLAIMS or key in everyday)):
        return False
    forest.union(claimants)
    return True


def _everyday_aliases(records: Sequence[Record]) -> set[str]:
    """One-word aliases that stand in so many definitions that they name nothing in particular."""
    aliases = {fold(a.text) for r in records for a in r.entry.aliases if " " not in a.text}
    if not aliases:
        return set()
    seen: Counter[str] = Counter()
    for record in records:
        if not record.stated_pair:
            seen.update(aliases.intersection(_WORD.findall(record.entry.definition.casefold())))
    least = max(EVERYDAY_LEAST, EVERYDAY_SHARE * len(records))
    return {word for word, count in seen.items() if count > least}


def _numbered(
    records: Sequence[Record],
    forest: Forest,
    claims: dict[str, dict[int, Claim]],
    ambiguous: int,
) -> Concepts:
    roots = [forest.find(number) for number in range(len(records))]
    number_of = {root: number for number, root in enumerate(dict.fromkeys(roots))}
    of_record = tuple(number_of[root] for root in roots)
    of_key = {key: tuple(sorted({of_record[n] for n in claimants})) for key, claimants in claims.items()}
    names = [""] * len(number_of)
    for number, record in zip(of_record, records, strict=True):
        name = f"{text_key(record.entry.term)}\x1f{text_key(record.entry.definition)}"
        names[number] = min(names[number] or name, name)
    sizes = Counter(number for numbers in of_key.values() for number in numbers)
    top, largest = max(sizes.items(), key=lambda item: (item[1], -item[0]), default=(0, 0))
    return Concepts(
        of_record=of_record,
        ids=tuple(hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12] for name in names),
        of_key=of_key,
        ambiguous=ambiguous,
        largest=largest,
        largest_name=records[of_record.index(top)].entry.term if records else "",
        texts=len(of_key),
    )
