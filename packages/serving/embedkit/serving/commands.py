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
        list[str] | None,
        typer.Option(
            help="The model's name in requests; repeatable, as text-embedding-3-small. Default: the run's or folder's."
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 is all addresses.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8000,
    backend: Annotated[
        str,
        typer.Option(
            help="Runtime: torch, onnx, onnx-int8 or openvino. Default: auto, onnx-int8 on a CPU where it is "
            "installed and agrees with torch, else torch."
        ),
    ] = "auto",
    workers: Annotated[
        int, typer.Option(min=1, help="Processes; as many as cores on a CPU, as GPUs on GPUs.")
    ] = 1,
    corpus: Annotated[
        Path | None,
        typer.Option(help="Glossary or pairs to search; read again when it changes. Default: the run's own."),
    ] = None,
    cross_encoder: Annotated[
        str,
        typer.Option(
            help="Cross-encoder for /rerank and to order what a search found: a folder or a hub id."
        ),
    ] = "",
    batch_size: Annotated[int, typer.Option(min=1, help="Encode at most this many texts together.")] = 32,
    max_waiting: Annotated[
        int, typer.Option(min=1, help="Queue at most this many texts; a request beyond them gets HTTP 429.")
    ] = 4096,
    max_characters: Annotated[
        int, typer.Option(min=1, help="Characters of a text; a longer one gets HTTP 400.")
    ] = 1_000_000,
    max_connections: Annotated[
        int, typer.Option(min=1, help="Connections; the oldest that only half asked makes way.")
    ] = 2048,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds for a request to arrive and for an answer to be read.")
    ] = 20.0,
    token_arrays: Annotated[
        str, typer.Option(help="Read arrays of tokens as: model, or an encoding of tiktoken as cl100k_base.")
    ] = "",
    key_file: Annotated[
        Path | None, typer.Option(help="File with a line KEY or NAME KEY for each client.")
    ] = None,
    rate_limit: Annotated[
        float,
        typer.Option(min=0, help="Requests a minute for each key, or address without keys; 0: no limit."),
    ] = 0.0,
    cors: Annotated[
        list[str] | None, typer.Option(help="Origin whose pages may ask; repeatable; '*' is every one.")
    ] = None,
    access_log: Annotated[
        str, typer.Option(help="File for a JSON line a request, without texts; - is stdout.")
    ] = "",
) -> None:
    """Serve a model over HTTP, in the form of OpenAI's embeddings API, and search its corpus.

    Prints its address on stdout when it is ready. With EMBEDKIT_API_KEY set, clients have to send that key.
    """
    from embedkit.serving import ServeOptions
    from embedkit.serving import serve as run

    run(
        ServeOptions(
            model=model,
            names=name or (),
            host=host,
            port=port,
            backend=backend,
            workers=workers,
            corpus=corpus,
            cross_encoder=cross_encoder,
            batch_size=batch_size,
            max_waiting=max_waiting,
            max_characters=max_characters,
            max_connections=max_connections,
            timeout_s=timeout,
            token_arrays=token_arrays,
            key_file=key_file,
            rate_limit=rate_limit,
            cors=cors or (),
            access_log=access_log,
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
