"""Mining, part by part: no row of one part ever has a text of another as its negative.

The way of a row: its `Pool` says which texts are candidates and which its concepts forbid, a `Miner` ranks them,
`select` takes the negatives from the ranking, and `Mined` keeps them on disk.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from embedkit.compose.mine.candidates.tokens import words_of
from embedkit.compose.mine.choose import Choice, check_miner, miner_factory
from embedkit.compose.mine.explain import Explanation
from embedkit.compose.mine.negatives import NegativeStore
from embedkit.compose.mine.options import MiningOptions
from embedkit.compose.mine.pools import Mask
from embedkit.compose.mine.select import Above, MinedRow, mine
from embedkit.compose.rows.drafts import Draft
from embedkit.compose.rows.split import PARTS, Part
from embedkit.compose.rows.spool import Picked
from embedkit.console import warn
from embedkit.errors import UserError
from embedkit.models.cross_encoder import find_cross_encoder


@dataclass(frozen=True, slots=True)
class Mined:
    """What mining found, by the numbers of the drafts, and how often the hub cap withheld a text."""

    negatives: NegativeStore
    above: list[tuple[int, Above]] = field(default_factory=list)
    passed_over: Counter[str] = field(default_factory=Counter)
    explained: dict[int, Explanation] = field(default_factory=dict)

    def add(self, number: int, row: MinedRow) -> None:
        """Keep what was found for one draft."""
        self.negatives.put(number, row.negatives)
        self.passed_over["hub cap"] += row.passed_over
        if row.above:
            self.above.append((number, row.above))
        if row.explanation:
            self.explained[number] = row.explanation

    def share(self, leads: Sequence[int]) -> None:
        """Give each draft the negatives of the one that `leads` numbers, where that is another."""
        for number, lead in enumerate(leads):
            if lead != number:
                self.negatives.share(number, lead)


def check_mining(options: MiningOptions) -> None:
    """Raise `UserError` before any work for what cannot be: an unknown name, a missing extra, model or folder."""
    check_miner(options.miner, options.model)
    first, last = options.window
    if last is not None and options.hard_k and last - first + 1 < options.hard_k:
        raise UserError(
            "--rank-window {window} has room for fewer than --hard-k {hard_k} negatives",
            hint="for example --rank-window {first}:{last}",
            window=options.rank_window,
            hard_k=options.hard_k,
            first=first,
            last=first + 10 * options.hard_k,
        )
    if options.backend != "torch":
        from embedkit.models.backends import check_backend

        check_backend(options.backend)
    if options.vectors and not Path(options.vectors).is_dir():
        raise UserError("there is no such folder", place=options.vectors, hint="embedkit embed makes it")
    words_of(options.tokenizer)
    if options.cross_encoder:
        find_cross_encoder(options.cross_encoder)


def mine_parts(
    drafts: Sequence[Draft],
    parts: Sequence[Part | None],
    mask: Mask,
    choice: Choice,
    *,
    options: MiningOptions,
    explain: Collection[int] = (),
) -> Mined:
    """What was mined for every draft that has a part, and why for those whose numbers are in `explain`."""
    mined = Mined(NegativeStore(len(drafts)))
    if not options.hard_k:
        return mined
    if options.sets_bar and choice.source is None and not options.cross_encoder:
        warn("--max-score, --margin and --max-relative are ignored: the lexical miner has no model scores")
    make_miner = miner_factory(choice, options)
    for part in PARTS:
        members = array("i", (number for number, own in enumerate(parts) if own == part))
        wanted = {own for own, number in enumerate(members) if number in explain} if explain else ()
        rows = mine(Picked(drafts, members), mask, make_miner, options=options, explain=wanted)
        for own, row in rows:
            if row.explanation:
                row = replace(row, explanation=replace(row.explanation, part=part))
            mined.add(members[own], row)
    return mined
