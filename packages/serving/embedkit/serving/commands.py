"""Command signatures of the serving room."""

from typing import Annotated

import typer


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


def register(app: typer.Typer) -> None:
    """Add the room's commands."""
    app.command()(serve)
