"""Command signatures of the serving room."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Target(StrEnum):
    """What a model can be exported to."""

    onnx = "onnx"
    onnx_int8 = "onnx-int8"
    openvino = "openvino"


def serve(
    model: Annotated[
        str | None,
        typer.Option(help="A run, a folder or a hub id; by default the newest run in runs/, else MiniLM-L6."),
    ] = None,
    name: Annotated[
        str, typer.Option(help="What clients call the model; by default the run's or folder's name.")
    ] = "",
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 is every one.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8000,
    batch_size: Annotated[int, typer.Option(min=1, help="Texts that are encoded together at most.")] = 32,
    max_waiting: Annotated[
        int,
        typer.Option(min=1, help="Texts that may wait; a request beyond them is told to come back (429)."),
    ] = 4096,
    backend: Annotated[
        str, typer.Option(help="What computes: torch, onnx, onnx-int8 or openvino.")
    ] = "torch",
) -> None:
    """Serve a model over HTTP, in the form of OpenAI's embeddings API.

    Its address is printed on stdout when it answers. EMBEDKIT_API_KEY asks clients for that key.
    """
    from embedkit.serving.serve import serve as run

    run(
        model,
        name=name,
        host=host,
        port=port,
        batch_size=batch_size,
        max_waiting=max_waiting,
        backend=backend,
    )


def export(
    model: Annotated[
        str | None,
        typer.Option(help="A run, a folder or a hub id; by default the newest run in runs/, else MiniLM-L6."),
    ] = None,
    to: Annotated[
        list[Target] | None, typer.Option(help="What to convert to. Repeatable. Default: onnx.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder to write; by default exports/ and the model's name.")
    ] = None,
    force: Annotated[bool, typer.Option(help="Replace an export that is there.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print what export.json holds.")] = False,
) -> None:
    """Write a model as a folder that other runtimes load: ONNX, ONNX in int8 or OpenVINO.

    Each graph is held against torch on English and Korean sentences; one that does not agree is not written.
    """
    from embedkit.serving.export import export as run

    run(model, to=[target.value for target in to or [Target.onnx]], output=output, force=force, as_json=json_)


def register(app: typer.Typer) -> None:
    """Add the room's commands."""
    app.command()(serve)
    app.command()(export)
