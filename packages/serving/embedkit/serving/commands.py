"""Command signatures of the serving room."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from embedkit.serving.deploy.commands import deploy_app


class ExportFormat(StrEnum):
    """What a model can be exported to."""

    ONNX = "onnx"
    ONNX_INT8 = "onnx-int8"
    OPENVINO = "openvino"


def serve(
    model: Annotated[
        str | None,
        typer.Option(help="A run, a folder or a hub id. Default: the newest run in runs/, else MiniLM-L6."),
    ] = None,
    name: Annotated[
        str, typer.Option(help="The model's name in requests. Default: the run's or folder's name.")
    ] = "",
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 is all addresses.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8000,
    batch_size: Annotated[int, typer.Option(min=1, help="Encode at most this many texts together.")] = 32,
    max_waiting: Annotated[
        int, typer.Option(min=1, help="Queue at most this many texts; a request beyond them gets HTTP 429.")
    ] = 4096,
    backend: Annotated[str, typer.Option(help="Runtime: torch, onnx, onnx-int8 or openvino.")] = "torch",
) -> None:
    """Serve a model over HTTP, in the form of OpenAI's embeddings API.

    Prints its address on stdout when it is ready. With EMBEDKIT_API_KEY set, clients have to send that key.
    """
    from embedkit.serving import ServeOptions
    from embedkit.serving import serve as run

    run(
        ServeOptions(
            model=model,
            name=name,
            host=host,
            port=port,
            batch_size=batch_size,
            max_waiting=max_waiting,
            backend=backend,
        )
    )


def export(
    model: Annotated[
        str | None,
        typer.Option(help="A run, a folder or a hub id. Default: the newest run in runs/, else MiniLM-L6."),
    ] = None,
    to: Annotated[
        list[ExportFormat] | None, typer.Option(help="Format to convert to; repeatable. Default: onnx.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Folder to write. Default: exports/MODEL.")] = None,
    force: Annotated[bool, typer.Option(help="Replace an earlier export.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print the contents of export.json.")] = False,
) -> None:
    """Export a model to a folder that other runtimes load: ONNX, ONNX in int8 or OpenVINO.

    Each graph is compared with torch on English and Korean sentences; a graph that disagrees is not written.
    """
    from embedkit.serving import ExportOptions
    from embedkit.serving import export as run

    formats = [format.value for format in to or [ExportFormat.ONNX]]
    run(ExportOptions(model=model, to=formats, output=output, force=force, as_json=json_))


def register(app: typer.Typer) -> None:
    """Add the room's commands."""
    app.command()(serve)
    app.command()(export)
    app.add_typer(deploy_app)
