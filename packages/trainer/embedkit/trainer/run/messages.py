"""What `embedkit train` says on stderr: the plan before the run, the result after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedkit.console import say, warn
from embedkit.messages import tr
from embedkit.models.readable import warn_of_share
from embedkit.models.run_folder import measured_run
from embedkit.trainer.watch.progress import duration

if TYPE_CHECKING:
    from embedkit.trainer.model.vocabulary import NewVocabulary
    from embedkit.trainer.run.plan import TrainPlan
    from embedkit.trainer.run.train import TrainResult

# From this share of the texts on, cutting them deserves a warning.
MANY_CUT = 0.1


def print_plan(plan: TrainPlan) -> None:
    """What a run would do: model, device, rows, batches, lengths and steps."""
    say(
        "model: {model}, {trained} of {all} parameters trained",
        model=plan.model,
        trained=f"{plan.trained_parameters:,}",
        all=f"{plan.parameters:,}",
    )
    say(
        "device: {device}, {dtype} ({reason})", device=plan.device, dtype=plan.dtype, reason=plan.dtype_reason
    )
    template = (
        "rows: {rows}; dev rows: {dev}"
        if plan.negatives_per_anchor is None
        else "rows: {rows} of {concepts} concepts, {negatives} hard negatives; dev rows: {dev}"
    )
    say(
        template,
        rows=plan.rows,
        concepts=plan.concepts,
        negatives=plan.hard_negatives,
        dev=plan.dev_rows,
    )
    if plan.known_dev_rows:
        say(
            "known dev rows: {count} (questions for trained concepts, in words that are not trained on)",
            count=plan.known_dev_rows,
        )
    _print_batch(plan)
    if plan.vocabulary is not None:
        _print_vocabulary(plan.vocabulary)
    if plan.parallel_sentences:
        say(
            "beside the rows: {count} everyday Korean sentences with their English (train.parallel_share)",
            count=f"{plan.parallel_sentences:,}",
        )
    warn_of_share(plan.model, plan.unreadable_share, plan.languages)
    _print_lengths(plan)
    say(
        "steps: at most {steps} ({epochs} × {each}), until known recall stops rising; output: {run}"
        if plan.ends_when_flat
        else "steps: {steps} ({epochs} × {each}); output: {run}",
        steps=plan.steps,
        epochs=plan.epochs,
        each=plan.steps_per_epoch,
        run=plan.run,
    )


def _print_vocabulary(new: NewVocabulary) -> None:
    template = (
        "vocabulary: {count} new tokens, of which {translated} begin as their translations; "
        "{script} texts are {ratio} times shorter"
        if new.shorter > 1
        else "vocabulary: {count} new tokens for {script} texts, of which {translated} begin as their translations"
    )
    say(
        template,
        count=f"{len(new.tokens):,}",
        translated=f"{new.translated:,}",
        script=", ".join(map(tr, new.scripts)),
        ratio=f"{new.shorter:.1f}",
    )


def _print_batch(plan: TrainPlan) -> None:
    for reason, count in plan.dropped.items():
        say("  {count} rejected: {reason}", count=count, reason=reason)
    if plan.negatives_per_anchor is None:
        say(
            "batch: {batch} rows ({effective} a step); loss {loss}",
            batch=plan.batch_size,
            effective=plan.effective_batch_size,
            loss=plan.loss,
        )
        return
    say(
        "batch: {batch} rows ({effective} a step), about {negatives} negatives an anchor; loss {loss}",
        batch=plan.batch_size,
        effective=plan.effective_batch_size,
        negatives=f"{plan.negatives_per_anchor:.0f}",
        loss=plan.loss,
    )
    if plan.processes > 1:
        say(
            "processes: {processes}, each with {batch} rows; an anchor's negatives are those of all processes "
            "({alone} would be its own)",
            processes=plan.processes,
            batch=plan.batch_size,
            alone=f"{plan.negatives_per_anchor_on_device:.0f}",
        )
    if plan.split_weights:
        say("weights: each process holds a part of them (FSDP); what is saved is whole")
    if plan.negatives_per_anchor < 1:
        warn(
            "a batch has no negatives, so nothing can be learnt: raise train.batch_size or add hard negatives"
        )


def _print_lengths(plan: TrainPlan) -> None:
    lengths = plan.lengths
    if lengths is None:
        return
    share = f"{lengths.cut_share:.1%}"
    say(
        "tokens a text: median {median}, 95 % up to {p95}, longest {longest}; {share} cut at {limit}",
        median=lengths.median,
        p95=lengths.p95,
        longest=lengths.longest,
        share=share,
        limit=lengths.limit,
    )
    shares = ", ".join(f"≤{upper} {share:.0%}" for upper, share in lengths.histogram)
    say("  of them {shares}", shares=shares)
    if lengths.cut_share > MANY_CUT:
        warn(
            "{share} of the texts are longer than the model reads; raise train.max_length if it can",
            share=share,
        )


def print_result(result: TrainResult) -> None:
    """How a run went, and what comes next."""
    say(
        "trained {steps} steps in {time}, {rate} samples/s, mean loss {loss}",
        steps=result.steps - result.resumed_from_step,
        time=duration(result.seconds),
        rate=f"{result.samples_per_second:.1f}",
        loss=f"{result.loss:.4f}",
    )
    say("model: {model}", model=result.model)
    if result.model_kind == "cross_encoder":
        say("next: embedkit compose --cross-encoder {run}, or embedkit label --teacher {run}", run=result.run)
    elif (measured := measured_run(result.run)) is not None:
        say("search, serve and export of {run} use this model now", run=measured)
    elif result.shape == "pairs":
        say("next: embedkit evaluate --model {run}", run=result.run)
