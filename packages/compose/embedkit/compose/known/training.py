"""Training rows that ask as people do: in question forms, with a slip of the fingers, by description.

Nothing here makes rows of dev or test: those stay what they were, unseen concepts by their names. No anchor is a name
or definition of another concept, and none is what a known row asks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from embedkit.compose.known.clauses import clauses_of
from embedkit.compose.known.forms import asked_in, forms_of, seeded, typed
from embedkit.compose.known.typos import with_typo
from embedkit.compose.rows.drafts import Draft
from embedkit.data.entries import Entry
from embedkit.text import fold

DEFAULT_FORMS = 4
SLIPS = 6
CLAUSES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Taught:
    """A record of the training rows: its number, its entry, and the concept's definitions in other languages.

    `names` are the names that training may use, the term first, with their languages; `said` is the term without its
    brackets, `others` are the names of the concept that other records have.
    """

    record: int
    entry: Entry
    names: Sequence[tuple[str, str]]
    said: str
    others: Sequence[str] = ()
    elsewhere: Sequence[tuple[int, str]] = ()


def taught_names(entry: Entry, without: Collection[str]) -> tuple[tuple[str, str], ...]:
    """The term and the other names with their languages, but for plurals and names kept out (folded)."""
    aliases = (
        (alias.text, alias.lang or asked_in(alias.text, entry))
        for alias in entry.aliases
        if alias.kind != "plural" and fold(alias.text) not in without
    )
    return ((entry.term, asked_in(entry.term, entry)), *dict.fromkeys(aliases))


def question_rows(taught: Taught, *, forms: int, seed: int) -> Iterator[Draft]:
    """`forms` questions for the term and one for each other name, in the languages of the names."""
    for place, (name, lang) in enumerate(taught.names):
        known = forms_of(lang)
        if known is None or not forms:
            continue
        random = seeded(seed, "question forms", name, taught.entry.lang)
        for form in random.sample(known.train, min(len(known.train), 1 if place else forms)):
            yield _draft(form.render({"term": typed(name, random)}), taught, "question-definition", lang)


def typo_rows(taught: Taught, *, without: Collection[str], seed: int) -> Iterator[Draft]:
    """The term with a slip in it, alone and in question forms; `without` are the (folded) slips that are measured."""
    term, lang = taught.said, asked_in(taught.said, taught.entry)
    random = seeded(seed, "training slips", taught.entry.term, taught.entry.lang)
    drawn = (with_typo(term, random) for _ in range(4 * SLIPS))
    slips = {fold(slip): slip for slip in drawn if fold(slip) not in (*without, fold(term))}
    forms = forms_of(lang)
    for place, slip in enumerate([*slips.values()][:SLIPS]):
        in_form = place % 2 and forms is not None
        asked = random.choice(forms.train).render({"term": slip}) if in_form and forms else slip
        yield _draft(asked, taught, "typo-definition", taught.entry.lang)


def description_rows(taught: Taught, *, without: Collection[str]) -> Iterator[Draft]:
    """Clauses for the whole definition, the first also for the definition in each other language."""
    clauses = [clause for clause in clauses_of(taught.entry, taught.others) if fold(clause) not in without][
        :CLAUSES
    ]
    for clause in clauses:
        yield _draft(clause, taught, "description-definition", taught.entry.lang)
    for record, definition in taught.elsewhere if clauses else ():
        yield Draft(
            anchor=clauses[0],
            positive=definition,
            kind="description-definition",
            record=record,
            lang=taught.entry.lang,
            anchor_role="question",
            positive_role="definition",
        )


def _draft(anchor: str, taught: Taught, kind: str, lang: str) -> Draft:
    return Draft(
        anchor=anchor,
        positive=taught.entry.definition,
        kind=kind,
        record=taught.record,
        lang=lang,
        anchor_role="question",
        positive_role="definition",
    )
