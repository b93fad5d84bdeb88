"""The signature of `embedkit embed`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class EmbedRole(StrEnum):
    """Which of the model's prompts a text gets."""

    document = "document"
    query = "query"
    both = "both"


def embed(
    input_: Annotated[
        str,
        typer.Option(
            "--input",
            "-i",
            help='A table as compose reads it, lines of {"id","text"}, or .txt with a text a line.',
        ),
    ] = "",
    output: Annotated[Path, typer.Option(help="The folder of the shards.")] = Path("data/vectors"),
    map_: Annotated[
        list[str] | None,
        typer.Option("--map", help="Of a table: ROLE=COLUMN, as compose takes it. Repeatable."),
    ] = None,
    model: Annotated[str, typer.Option(help="The model. Default: all-MiniLM-L6-v2.")] = "",
    role: Annotated[
        EmbedRole,
        typer.Option(help="The prompt, for models that have prompts; both where compose reads them."),
    ] = EmbedRole.document,
    backend: Annotated[
        str, typer.Option(help="What runs the model: torch, onnx, onnx-int8 or openvino.")
    ] = "torch",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps (torch only).")] = "auto",
    batch_size: Annotated[int, typer.Option(min=1, help="Texts a forward pass.")] = 64,
    shards: Annotated[
        int,
        typer.Option(
            min=0,
            help="Number of shards. Default: of torchrun, Slurm, MPI (WORLD_SIZE …) where one runs this, else 1.",
        ),
    ] = 0,
    shard_index: Annotated[
        int,
        typer.Option(
            min=-1,
            help="Make this shard only, from 0. Default: RANK, SLURM_PROCID, JOB_COMPLETION_INDEX …, else all.",
        ),
    ] = -1,
    merge: Annotated[
        bool, typer.Option("--merge", help="Prove that all shards are there and join them; encodes nothing.")
    ] = False,
    ray: Annotated[bool, typer.Option("--ray", help="Encode on a Ray cluster.")] = False,
    ray_workers: Annotated[int, typer.Option(min=1, help="Ray: models loaded at a time.")] = 1,
    force: Annotated[bool, typer.Option("--force", help="Make complete shards again.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Encode texts into shards that machines make without knowing of each other; complete shards are kept."""
    from embedkit.compose import EmbedOptions
    from embedkit.compose import embed as run

    run(
        EmbedOptions(
            input=input_,
            output=output,
            mapping=map_ or (),
            model=model,
            role=role.value,
            backend=backend,
            device=device,
            batch_size=batch_size,
            shards=shards,
            shard_index=None if shard_index < 0 else shard_index,
            merge=merge,
            ray_workers=ray_workers if ray else 0,
            force=force,
            as_json=json_,
        )
    )


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("embed")(embed)
