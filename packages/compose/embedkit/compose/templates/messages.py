"""What synth says on stderr: what was read, made and proved, and what fell short."""

from __future__ import annotations

from collections.abc import Sequence

from embedkit.compose.templates.lists import LISTED
from embedkit.compose.templates.records import SynthOptions, SynthResult
from embedkit.compose.templates.rows import Shortfall, SynthRow
from embedkit.console import say, warn
from embedkit.data.entries import Reject as Rejected
from embedkit.data.tally import Tally
from embedkit.messages import tr

SUSPICIOUS = 0.1  # wording that beats chance by more than this is warned about


def say_result(result: SynthResult, options: SynthOptions, rejected: Sequence[Rejected]) -> None:
    say_rejected(result.tally, rejected)
    say(
        "synth: {train} training rows on {train_concepts} concepts, {test} test rows on {test_concepts}",
        train=result.train_rows,
        train_concepts=result.train_concepts,
        test=result.test_rows,
        test_concepts=result.test_concepts,
    )
    proof = result.proof
    say(
        "proof: {terms} shared terms, {texts} shared normalised texts, {doubles} duplicate rows, "
        "{own} negatives of the same concept",
        terms=proof.shared_terms,
        texts=proof.shared_texts,
        doubles=proof.duplicate_rows,
        own=proof.same_concept_negatives,
    )
    say(
        "wording alone tells positives from negatives in {share:.0%} of the rows (chance {chance:.0%})",
        share=proof.by_wording,
        chance=proof.by_chance,
    )
    if proof.by_wording > proof.by_chance + SUSPICIOUS:
        warn(
            "the pack words its negatives differently from its passages: a model will learn the "
            "wording instead of the meaning"
        )
    _say_shortfall(result.shortfall, options)


def say_rejected(tally: Tally, rejected: Sequence[Rejected]) -> None:
    tally.print()
    for line in rejected[:LISTED]:
        say("{file}:{line}: {reason}", file=line.file, line=line.line, reason=tr(line.reason))
    if len(rejected) > LISTED:
        say("… and {count} more", count=len(rejected) - LISTED)


def _say_shortfall(shortfall: Shortfall, options: SynthOptions) -> None:
    if shortfall.undefined_terms:
        say(
            "terms without a definition, whose passages only name them: {count} (add a tab and a definition)",
            count=shortfall.undefined_terms,
        )
    if shortfall.term_rows or shortfall.acronym_rows:
        say(
            "missing rows: {terms} for terms, {acronyms} for acronyms; the pack has no more templates",
            terms=shortfall.term_rows,
            acronyms=shortfall.acronym_rows,
        )
    if shortfall.negatives:
        say(
            "missing negatives for {hard_k} a row: {count}; that part has too few other concepts",
            count=shortfall.negatives,
            hard_k=options.hard_k,
        )


def say_preview(train: Sequence[SynthRow], result: SynthResult) -> None:
    for row in train[:: max(1, len(train) // 3)][:3]:
        say("  {anchor}  →  {positive}", anchor=row.pair.anchor, positive=row.pair.positive)
    say("dry run: would write {outputs}", outputs=", ".join(result.outputs))
