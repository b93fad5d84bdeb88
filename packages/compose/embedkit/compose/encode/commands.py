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
            help='A table that compose reads, JSON lines of {"id","text"}, or .txt with one text per line.',
        ),
    ] = "",
    output: Annotated[Path, typer.Option(help="The folder of the shards.")] = Path("data/vectors"),
    map_: Annotated[
        list[str] | None,
        typer.Option("--map", help="Of a table: which column is what, as in compose --map. Repeatable."),
    ] = None,
    model: Annotated[str, typer.Option(help="The model. Default: all-MiniLM-L6-v2.")] = "",
    role: Annotated[
        EmbedRole,
        typer.Option(
            help="Which of the model's prompts texts get, if it has prompts. both: for compose --vectors."
        ),
    ] = EmbedRole.document,
    backend: Annotated[
        str, typer.Option(help="What runs the model: torch, onnx, onnx-int8 or openvino.")
    ] = "torch",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps (torch only).")] = "auto",
    batch_size: Annotated[int, typer.Option(min=1, help="Texts per forward pass.")] = 64,
    shards: Annotated[
        int,
        typer.Option(
            min=0,
            show_default=False,
            help="Number of shards. Default: the number of processes under torchrun, Slurm or MPI, else 1.",
        ),
    ] = 0,
    shard_index: Annotated[
        int,
        typer.Option(
            min=-1,
            show_default=False,
            help="Make this shard only, from 0. Default: this process's number under a launcher or "
            "Kubernetes, else all.",
        ),
    ] = -1,
    merge: Annotated[
        bool,
        typer.Option("--merge", help="Check that all shards are complete and join them; encode nothing."),
    ] = False,
    ray: Annotated[bool, typer.Option("--ray", help="Encode on a Ray cluster.")] = False,
    ray_workers: Annotated[
        int, typer.Option(min=1, help="With --ray: number of models loaded at a time.")
    ] = 1,
    force: Annotated[
        bool, typer.Option("--force", help="Make shards again that are complete already.")
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Encode texts to vectors, in shards that several machines can make independently; complete ones are kept."""
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
