"""The signature of `embedkit synth`."""

from typing import Annotated

import typer


def synth(
    terms: Annotated[
        str,
        typer.Option(
            help="One term per line, optionally a tab and its definition. Default: the pack's own list."
        ),
    ] = "",
    acronyms: Annotated[
        str, typer.Option(help='Lines of {"acronym","full","definition","lang"?}. Default: the pack\'s own.')
    ] = "",
    pairs_per_term: Annotated[int, typer.Option(min=0, max=1000, help="Rows per term.")] = 6,
    pairs_per_acronym: Annotated[int, typer.Option(min=0, max=1000, help="Rows per acronym.")] = 8,
    test_split: Annotated[
        float, typer.Option(help="Share of the terms that goes to pairs.test.jsonl.")
    ] = 0.2,
    pack: Annotated[
        str,
        typer.Option(
            help="Templates: electronics-en, games-ko, medicine-en … or a TOML or YAML file. Default: by language."
        ),
    ] = "",
    hard_k: Annotated[int, typer.Option(min=0, max=100, help="Hard negatives per row.")] = 2,
    seed: Annotated[int, typer.Option(help="Random seed of the split and the wordings.")] = 0,
    output: Annotated[
        str, typer.Option(help="Training rows; the other files lie beside it. - is stdout.")
    ] = ("data/pairs.jsonl"),
    force: Annotated[bool, typer.Option("--force", help="Replace existing output.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Do everything but writing.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Turn lists of terms and acronyms into training and test rows through templates, split by term."""
    from embedkit.compose import SynthOptions
    from embedkit.compose import synth as run

    run(
        SynthOptions(
            terms=terms,
            acronyms=acronyms,
            pairs_per_term=pairs_per_term,
            pairs_per_acronym=pairs_per_acronym,
            test_split=test_split,
            pack=pack,
            hard_k=hard_k,
            seed=seed,
            output=output,
            force=force,
            dry_run=dry_run,
            as_json=json_,
        )
    )
