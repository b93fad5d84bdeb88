"""The signature of `embedkit convert`."""

from enum import StrEnum
from typing import Annotated

import typer


class FormatName(StrEnum):
    """Formats that rows are read from and written to."""

    pairs = "pairs"
    sentence_transformers = "sentence-transformers"
    flagembedding = "flagembedding"
    tevatron = "tevatron"
    ms_swift = "ms-swift"
    ms_swift_reranker = "ms-swift-reranker"
    llamaindex = "llamaindex"
    beir = "beir"
    huggingface = "huggingface"


class SourceName(StrEnum):
    """Formats that rows are read from."""

    pairs = "pairs"
    sentence_transformers = "sentence-transformers"
    flagembedding = "flagembedding"
    tevatron = "tevatron"
    ms_swift = "ms-swift"
    ms_swift_reranker = "ms-swift-reranker"
    llamaindex = "llamaindex"
    beir = "beir"
    huggingface = "huggingface"
    nli = "nli"
    sts = "sts"
    labelled = "labelled"
    triplets = "triplets"


def convert(
    output: Annotated[
        str,
        typer.Option(
            help="File to write, or folder for beir and huggingface; - is stdout. Other parts lie beside it."
        ),
    ],
    input_: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            "-i",
            help="File or folder to read; dev and test files beside it come along. Repeatable. "
            "Default: data/pairs.jsonl, then pairs.jsonl.",
        ),
    ] = None,
    from_: Annotated[
        SourceName,
        typer.Option(
            "--from",
            help="Format of the input. nli, sts, labelled and triplets are tables or JSON lines with the usual names "
            "of columns (premise, sentence_A, gold_label, similarity …).",
        ),
    ] = SourceName.pairs,
    to: Annotated[FormatName, typer.Option("--to", help="Format of the output.")] = FormatName.pairs,
    negatives: Annotated[
        int | None,
        typer.Option(
            min=0, help="Keep this many negatives of each row, the first ones; rows with fewer are rejected."
        ),
    ] = None,
    scale: Annotated[
        float,
        typer.Option(
            min=0, help="With --from sts: what scores are divided by. 0: 5 where scores above 1 go up to 5."
        ),
    ] = 0.0,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 when anything was rejected.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace existing output.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Do everything but writing.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Convert training rows to another project's format or back, and report what that format cannot hold."""
    from embedkit.compose import ConvertOptions
    from embedkit.compose import convert as run

    run(
        ConvertOptions(
            output=output,
            inputs=input_ or (),
            from_=from_.value,
            to=to.value,
            negatives=negatives,
            scale=scale,
            strict=strict,
            force=force,
            dry_run=dry_run,
            as_json=json_,
        )
    )
