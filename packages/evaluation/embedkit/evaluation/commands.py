"""Command signatures of evaluation: evaluate, report."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class ReportFormat(StrEnum):
    """The formats of a report."""

    HTML = "html"
    MD = "md"
    JSON = "json"


def evaluate(
    model: Annotated[str, typer.Option(help="The model to evaluate: a run, a folder or a hub id.")],
    baseline: Annotated[
        str | None, typer.Option(help="The model to compare with; by default the one the run started from.")
    ] = None,
    test: Annotated[
        Path | None,
        typer.Option(
            help="Test rows of any shape; by default the run's, data/pairs.test.jsonl or pairs.test.jsonl."
        ),
    ] = None,
    corpus: Annotated[
        Path | None,
        typer.Option(help="Texts to search: a glossary or pairs; by default the positives of all splits."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(help="Folder for metrics.json, queries.jsonl and report.html; by default the run."),
    ] = None,
    similarity: Annotated[
        Path | None,
        typer.Option(
            help="Graded pairs of everyday language, to measure forgetting; by default 1,203 that ship with embedkit."
        ),
    ] = None,
    known: Annotated[
        Path | None,
        typer.Option(
            help="Questions for the glossary's own concepts; by default pairs.known.jsonl beside the run's pairs."
        ),
    ] = None,
    floor: Annotated[
        list[str] | None,
        typer.Option(
            help="What a model must reach to be shipped; by default recall@10=0.5 and recall@1=0.3. Repeatable."
        ),
    ] = None,
    sample_size: Annotated[
        int | None,
        typer.Option(min=1, help="Ask only so many of the known questions and of the test rows' queries."),
    ] = None,
    fail_under: Annotated[
        list[str] | None,
        typer.Option(help="Exit 1 if a metric is below a number, such as ndcg@10=0.6; may be repeated."),
    ] = None,
    fail_under_delta: Annotated[
        float | None,
        typer.Option(help="Exit 1 if the first metric (nDCG@10) gains less than this over the baseline."),
    ] = None,
    allow_leak: Annotated[
        bool, typer.Option("--allow-leak", help="Evaluate even if test rows were trained on.")
    ] = False,
    mteb: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TASK",
            help="Run this MTEB task instead: a name, FILE.py or FILE.py:CLASS; may be repeated. Needs [mteb].",
        ),
    ] = None,
    resamples: Annotated[int, typer.Option(min=100, help="Bootstrap and permutation resamples.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Seed of the resampling.")] = 0,
    json_: Annotated[bool, typer.Option("--json", help="Print the contents of metrics.json.")] = False,
) -> None:
    """Compare a model with its baseline as search uses it: SHIP, NOT YET, NO DIFFERENCE or DO NOT SHIP."""
    if mteb:
        from embedkit.evaluation.mteb_tasks import MtebOptions, evaluate_mteb

        given = {
            "--test": test,
            "--corpus": corpus,
            "--similarity": similarity,
            "--known": known,
            "--floor": floor,
            "--sample-size": sample_size,
            "--fail-under": fail_under,
            "--fail-under-delta": fail_under_delta is not None,
            "--allow-leak": allow_leak,
        }
        unused = [name for name, value in given.items() if value]
        evaluate_mteb(
            MtebOptions(
                tasks=mteb, model=model, baseline=baseline, output=output, unused=unused, as_json=json_
            )
        )
        return
    from embedkit.evaluation.evaluate import evaluate as run
    from embedkit.evaluation.plan import EvaluateOptions

    run(
        EvaluateOptions(
            model=model,
            baseline=baseline,
            test=test,
            corpus=corpus,
            output=output,
            similarity=similarity,
            known=known,
            floor=floor or (),
            sample_size=sample_size,
            fail_under=fail_under or (),
            fail_under_delta=fail_under_delta,
            allow_leak=allow_leak,
            resamples=resamples,
            seed=seed,
            as_json=json_,
        )
    )


def report(
    runs: Annotated[list[Path], typer.Argument(help="Evaluated runs or folders with a metrics.json.")],
    format_: Annotated[
        ReportFormat | None,
        typer.Option("--format", help="html writes a page; md (the default of several runs) and json print."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(help="By default the run's report.html, or comparison.html of several; - is stdout."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing output.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Render an evaluation again, or put runs side by side and test each against the first."""
    from embedkit.evaluation.report.report import ReportOptions
    from embedkit.evaluation.report.report import report as run

    chosen = format_.value if format_ else None
    run(ReportOptions(runs=runs, format=chosen, output=output, force=force, as_json=json_))


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.command("evaluate")(evaluate)
    app.command("report")(report)
