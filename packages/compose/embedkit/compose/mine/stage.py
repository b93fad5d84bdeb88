"""Mining as a step of compose: each part among its own texts, so that none ever sees a text of another."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Sequence
from dataclasses import replace

from embedkit.compose.mine.candidates.base import Guards
from embedkit.compose.mine.candidates.tokens import words_of
from embedkit.compose.mine.choose import Choice, miner_factory
from embedkit.compose.mine.found import Found
from embedkit.compose.mine.options import MineOptions
from embedkit.compose.mine.pools import Mask
from embedkit.compose.mine.select import Mined, mine
from embedkit.compose.rows.drafts import Draft
from embedkit.compose.rows.split import PARTS, Part
from embedkit.compose.rows.spool import Picked
from embedkit.console import warn


def mine_parts(
    drafts: Sequence[Draft],
    parts: Sequence[Part],
    mask: Mask,
    choice: Choice,
    *,
    options: MineOptions,
    guards: Guards,
    explain: Collection[int] = (),
) -> Mined:
    """What was mined for every draft, and why for those whose numbers are in `explain`."""
    found = Mined(Found(len(drafts)))
    if not guards.hard_k:
        return found
    rescorer = options.rescorer()
    if options.sets_bar and choice.source is None and rescorer is None:
        warn("the lexical miner has no bar: --max-score, --margin and --max-relative need a model's scores")
    make_miner = miner_factory(
        choice,
        bar=options.bar,
        rescorer=rescorer,
        encoding=options.encoding,
        words=words_of(options.tokenizer),
    )
    for part in PARTS:
        members = array("i", (number for number, own in enumerate(parts) if own == part))
        wanted = {own: number for own, number in enumerate(members) if number in explain} if explain else {}
        mined = mine(Picked(drafts, members), mask, make_miner, guards=guards, explain=wanted)
        for number, negatives in zip(members, mined.negatives, strict=True):
            found.negatives.put(number, negatives)
        found.above.extend(replace(above, number=members[above.number]) for above in mined.above)
        found.passed_over.update(mined.passed_over)
        for own, row in mined.explained.items():
            found.explained[wanted[own]] = replace(row, part=part)
    return found
