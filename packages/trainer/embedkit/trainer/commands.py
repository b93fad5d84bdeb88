"""Command signatures of the trainer: Typer options and help, then one call into the room."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

config_app = typer.Typer(name="config", help="Write, check and explain cfg.json.", no_args_is_help=True)

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", help="JSON config, - for stdin. Default: cfg.json where there is one, else defaults."
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override one field, as train.epochs=2. Repeatable."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace what is there.")]


class StudentKind(StrEnum):
    """The kinds of model that a tuned one is distilled to."""

    STATIC = "static"


def train(
    config: ConfigOption = None,
    sets: SetOption = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on from the run's last checkpoint, to the same final weights."),
    ] = False,
    force: ForceOption = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Try ten steps, say what the run would take and what is wrong with it; write nothing. Exit 1: it "
            "cannot fit.",
        ),
    ] = False,
    final: Annotated[
        bool,
        typer.Option(
            "--final",
            help="After the verdict: train the run's recipe on all rows, those that measured it too, into "
            "runs/NAME/final/. The same as embedkit finalize runs/NAME.",
        ),
    ] = False,
    json_: JsonOption = False,
) -> None:
    """Train an embedding model on pairs.jsonl; the result is runs/NAME/."""
    if final:
        from embedkit.trainer.run.final import finalize_config

        finalize_config(
            config=config, sets=sets or (), resume=resume, force=force, dry_run=dry_run, as_json=json_
        )
        return
    from embedkit.trainer.run.train import train as run

    run(config=config, sets=sets or (), resume=resume, force=force, dry_run=dry_run, as_json=json_)


def finalize(
    run: Annotated[Path, typer.Argument(help="The run, as runs/cfg.")],
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")] = False,
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Train a measured run's recipe on all of its rows: the model to use, in RUN/final/.

    The dev, test and known rows are trained on too, with as many visits of each concept. search, serve and export of
    the run use this model from then on; evaluate measures the one without them.
    """
    from embedkit.trainer.run.final import finalize as work

    work(run, resume=resume, force=force, as_json=json_)


def compare(
    losses: Annotated[str, typer.Option(help="Losses to compare, as softmax,cosine,mnrl.")],
    config: ConfigOption = None,
    sts: Annotated[
        Path | None,
        typer.Option(help="Graded sentence pairs to measure with; by default the dev rows are."),
    ] = None,
    sets: SetOption = None,
    force: Annotated[bool, typer.Option("--force", help="Train again what is done already.")] = False,
    json_: JsonOption = False,
) -> None:
    """Train the same model on the same rows with several losses and print one table."""
    from embedkit.trainer.run.compare import compare as run

    run(config=config, losses=losses, sts=sts, sets=sets or (), force=force, as_json=json_)


def distill(
    model: Annotated[str, typer.Option(help="The tuned model: a run, as runs/cfg, or a folder.")],
    to: Annotated[
        StudentKind,
        typer.Option(help="static: a vector for each token; a text is the mean of its tokens' vectors."),
    ] = StudentKind.STATIC,
    output: Annotated[
        Path | None, typer.Option(help="The student's run; by default the run's name with -static.")
    ] = None,
    dimensions: Annotated[
        int | None,
        typer.Option(min=2, help="Numbers in a vector; by default as many as the tuned model has."),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0.01, help="Minutes of training, about; by default until known recall stops rising."
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")] = False,
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Make a small fast model from a tuned one, train it on with the same rows, and say what it costs and gains.

    The result is a run: search, serve and evaluate take it.
    """
    from embedkit.trainer.distill.run import DistillOptions
    from embedkit.trainer.distill.run import distill as run

    run(
        DistillOptions(
            model=model,
            output=output,
            dimensions=dimensions,
            minutes=minutes,
            resume=resume,
            force=force,
            as_json=json_,
        )
    )


def label(
    input_: Annotated[Path, typer.Option("--input", help="Pairs of texts, with grades or without: .jsonl.")],
    teacher: Annotated[str, typer.Option(help="A cross-encoder with one score: a folder or a hub id.")],
    output: Annotated[Path, typer.Option(help="File of the graded pairs; - for stdout.")] = Path(
        "data/graded.jsonl"
    ),
    force: Annotated[bool, typer.Option("--force", help="Replace an existing output.")] = False,
    json_: JsonOption = False,
) -> None:
    """Let a cross-encoder grade pairs of texts, to train on with the loss cosent or cosine."""
    from embedkit.trainer.rows.label import LabelOptions
    from embedkit.trainer.rows.label import label as run

    run(LabelOptions(input=input_, teacher=teacher, output=output, force=force, as_json=json_))


@config_app.command("init")
def config_init(
    output: Annotated[Path, typer.Option("--output", help="File to write, - for stdout.")] = Path("cfg.json"),
    pairs: Annotated[
        Path | None,
        typer.Option(help="Rows to suit; by default data/pairs.jsonl or pairs.jsonl, where there is one."),
    ] = None,
    model: Annotated[
        str,
        typer.Option(help="Base model; auto: the smallest on this machine that reads the rows' languages."),
    ] = "",
    force: ForceOption = False,
) -> None:
    """Write a config with the settings that measured best for rows like these."""
    from embedkit.trainer.settings import config_init as run

    run(output=output, pairs=pairs, model=model, force=force)


@config_app.command("validate")
def config_validate(
    file: Annotated[Path, typer.Argument(help="Config to check, - for stdin.")],
    json_: JsonOption = False,
) -> None:
    """Check a config: every problem with its line and column."""
    from embedkit.trainer.settings import config_validate as run

    run(file, as_json=json_)


@config_app.command("show")
def config_show(
    config: ConfigOption = None,
    sets: SetOption = None,
    origin: Annotated[
        bool,
        typer.Option("--origin", help="Say for each value which won: default, file, environment or flag."),
    ] = False,
    json_: JsonOption = False,
) -> None:
    """Print the config that would be used, defaults filled in."""
    from embedkit.trainer.settings import config_show as run

    run(config=config, sets=sets or (), origin=origin, as_json=json_)


@config_app.command("schema")
def config_schema() -> None:
    """Print the JSON Schema of cfg.json."""
    from embedkit.trainer.settings import config_schema as run

    run()


def register(app: typer.Typer) -> None:
    """Add this room's commands to the command line."""
    app.command("train")(train)
    app.command("finalize")(finalize)
    app.command("compare")(compare)
    app.command("distill")(distill)
    app.command("label")(label)
    app.add_typer(config_app)
