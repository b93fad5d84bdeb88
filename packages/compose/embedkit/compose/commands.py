"""Command signatures of the composer: Typer options and help, then one call into the room."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from embedkit.compose.encode.commands import embed
from embedkit.compose.export.commands import convert
from embedkit.compose.llm.commands import ask, judge
from embedkit.compose.templates.commands import synth


class MinerName(StrEnum):
    """Ways to find hard negatives."""

    auto = "auto"
    lexical = "lexical"
    dense = "dense"
    hybrid = "hybrid"


class TokenizerName(StrEnum):
    """What counts as a word to the lexical and hybrid miners."""

    words = "words"
    kiwi = "kiwi"


class ValidateFormat(StrEnum):
    """How `validate` prints what it found."""

    text = "text"
    github = "github"


def compose(
    input_: Annotated[
        list[str],
        typer.Option(
            "--input",
            "-i",
            help="A glossary or two-column table: CSV, TSV, JSONL, xlsx or ods; - is stdin. Repeatable.",
        ),
    ],
    output: Annotated[
        str, typer.Option(help="The training rows; the other files lie beside it. - is stdout.")
    ] = ("data/pairs.jsonl"),
    map_: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            help="Which column is what: term=용어, or term=1 (the first) where there is no header. Repeatable.",
        ),
    ] = None,
    kinds: Annotated[
        str,
        typer.Option(
            help="Kinds of rows, comma-separated: term-definition, alias-definition, abbreviation-full_form, "
            "term-translation, pair, definition-term, question-definition, typo-definition, description-definition; "
            "or all. Default: all but definition-term and description-definition."
        ),
    ] = "",
    forms: Annotated[
        int,
        typer.Option(
            min=0,
            max=20,
            help="How many question forms (What is PWM used for?) make rows of each term; each other name gets one.",
        ),
    ] = 4,
    questions: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Questions of your own, which only measure: CSV, TSV, JSONL or xlsx with the columns question and "
            "term, entry_id or definition. Those with a style, as ask writes them, are split by it: some styles of "
            "each concept train. Repeatable.",
        ),
    ] = None,
    train_questions: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="The same, to be trained on. Repeatable."),
    ] = None,
    known: Annotated[
        bool,
        typer.Option(
            "--known/--no-known",
            help="Write questions for the concepts of the training rows, in words that training does without, "
            "beside the output.",
        ),
    ] = True,
    split: Annotated[
        str,
        typer.Option(
            help="Train, dev and test shares, by concept; a share may be 0. Default: 0.9/0.05/0.05, "
            "of 150 concepts and more at least 15 each for dev and test."
        ),
    ] = "",
    miner: Annotated[
        MinerName,
        typer.Option(
            help="How hard negatives are found. auto: dense where the model can read the texts, else lexical."
        ),
    ] = MinerName.auto,
    model: Annotated[str, typer.Option(help="The model of the dense miner. Default: all-MiniLM-L6-v2.")] = "",
    hard_k: Annotated[int, typer.Option(min=0, max=1000, help="Hard negatives per row.")] = 3,
    max_relative: Annotated[
        float,
        typer.Option(min=0, max=1, help="A negative scores at most this share of the positive's own score."),
    ] = 0.95,
    max_score: Annotated[
        float | None, typer.Option(help="A negative scores at most this. Default: no limit.")
    ] = None,
    margin: Annotated[
        float, typer.Option(min=0, help="A negative scores at least this much less than the positive.")
    ] = 0.0,
    rank_window: Annotated[
        str,
        typer.Option(
            metavar="FIRST:LAST",
            help="Take negatives of these ranks first, as 3:50; 3: skips the two nearest. "
            "Only texts that the limits allow are counted.",
        ),
    ] = "",
    hub_cap: Annotated[
        int,
        typer.Option(
            min=0,
            help="The most rows that one text is a negative of; questions, typos and descriptions share the negatives "
            "of their definition's row and are not counted. 0: four times the average, more when rows run short.",
        ),
    ] = 0,
    tokenizer: Annotated[
        TokenizerName,
        typer.Option(
            help="What lexical and hybrid compare: words, or with kiwi Korean morphemes (needs the extra ko)."
        ),
    ] = TokenizerName.words,
    cross_encoder: Annotated[
        str,
        typer.Option(
            metavar="MODEL",
            help="Score the 32 nearest texts again with this cross-encoder; the score limits apply to its scores.",
        ),
    ] = "",
    backend: Annotated[
        str, typer.Option(help="What runs the dense miner's model: torch, onnx, onnx-int8 or openvino.")
    ] = "torch",
    vectors: Annotated[
        str,
        typer.Option(
            metavar="DIR", help="A folder that `embedkit embed` made: texts in it are not encoded again."
        ),
    ] = "",
    ann_above: Annotated[
        int,
        typer.Option(min=0, help="Dense: use a FAISS index where there are more texts than this. 0: never."),
    ] = 200_000,
    ann_recall: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="The recall that the index must reach, measured against exact search."
        ),
    ] = 0.95,
    rounds: Annotated[
        int,
        typer.Option(
            min=1,
            max=20,
            help="Rounds of mining. From the second on, with a model fine-tuned on the rows of the round before.",
        ),
    ] = 1,
    round_config: Annotated[
        str,
        typer.Option(
            metavar="FILE",
            help="The cfg.json of that fine-tuning. Default: the default recipe, starting from --model.",
        ),
    ] = "",
    synonyms: Annotated[
        Path | None,
        typer.Option(
            help="A synonym_candidates.csv with decisions: accepted pairs are one concept, "
            "rejected ones are not proposed again."
        ),
    ] = None,
    explain: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TERM",
            help="Print which texts became negatives of this term's rows, which did not and why; "
            "write nothing. Repeatable.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed of the split and of drawn negatives.")] = 0,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 when any row was rejected.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace existing output.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Do everything but mining and writing.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Turn glossaries and two-column tables into training rows with hard negatives, split by concept."""
    from embedkit.compose import ComposeOptions
    from embedkit.compose import compose as run

    run(
        ComposeOptions(
            inputs=input_,
            output=output,
            mapping=map_ or (),
            kinds=kinds,
            forms=forms,
            questions=questions or (),
            train_questions=train_questions or (),
            known=known,
            split=split,
            miner=miner.value,
            model=model,
            hard_k=hard_k,
            max_relative=max_relative,
            max_score=max_score,
            margin=margin,
            rank_window=rank_window,
            hub_cap=hub_cap,
            tokenizer=tokenizer.value,
            cross_encoder=cross_encoder,
            backend=backend,
            vectors=vectors,
            ann_above=ann_above,
            ann_recall=ann_recall,
            rounds=rounds,
            round_config=round_config,
            synonyms=str(synonyms or ""),
            explain=explain or (),
            seed=seed,
            strict=strict,
            force=force,
            dry_run=dry_run,
            as_json=json_,
        )
    )


def validate(
    file: Annotated[
        Path, typer.Argument(help="A glossary, a two-column table, pairs.jsonl or other training rows.")
    ],
    map_: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            help="Which column is what: term=용어, or term=1 (the first) where there is no header. Repeatable.",
        ),
    ] = None,
    format_: Annotated[
        ValidateFormat,
        typer.Option(
            "--format", help="How findings are printed: as text, or as annotations of a GitHub workflow."
        ),
    ] = ValidateFormat.text,
    model: Annotated[
        str,
        typer.Option(help="Report texts that are longer than this model reads."),
    ] = "",
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check a data file and print file:line: problem for each finding; exit 1 when there are any."""
    from embedkit.compose.check.validate import validate as run

    run(file, mapping=map_ or (), output_format=format_.value, model=model, as_json=json_)


def register(app: typer.Typer) -> None:
    """Add this room's commands to the command line."""
    app.command("compose")(compose)
    app.command("validate")(validate)
    for command in (ask, judge, embed, synth, convert):
        app.command()(command)
