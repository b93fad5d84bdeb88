"""Command signatures of `embedkit deploy`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

deploy_app = typer.Typer(
    name="deploy",
    help="Write a folder that runs a model in a cloud, in containers or behind an endpoint, and check it.",
    no_args_is_help=True,
)

ModelOption = Annotated[
    str | None,
    typer.Option(help="A run, a folder or a hub id. Default: the newest run in runs/, else MiniLM-L6."),
]
OutputOption = Annotated[Path | None, typer.Option(help="Folder to write. Default: deploy/TARGET.")]
ExportOption = Annotated[
    Path | None,
    typer.Option("--export", help="The model's export. Default: exports/MODEL, which is written if absent."),
]
GraphOption = Annotated[Literal["onnx", "onnx-int8"], typer.Option(help="The graph that answers.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace an earlier folder of embedkit deploy.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


RunOption = Annotated[str | None, typer.Option("--model", help="A run. Default: the newest in runs/.")]


@deploy_app.command("azure", short_help="Azure ML: job, endpoint, notebook, workflow.")
def azure(
    model: RunOption = None,
    output: OutputOption = None,
    export: ExportOption = None,
    graph: GraphOption = "onnx",
    name: Annotated[str, typer.Option(help="Name of the assets. Default: embedkit-RUN.")] = "",
    endpoint: Annotated[
        str,
        typer.Option(
            help="Name of the endpoint: 3 to 32 lower-case letters, digits and dashes, free in the region. "
            "Default: the assets' name."
        ),
    ] = "",
    compute: Annotated[
        str, typer.Option(envvar="AZUREML_COMPUTE_NAME", help="The cluster that trains.")
    ] = "gpu-cluster",
    gpus: Annotated[int, typer.Option(help="Training processes a node: one a GPU.")] = 1,
    nodes: Annotated[int, typer.Option(help="Nodes of the cluster that train together.")] = 1,
    instance_type: Annotated[
        str, typer.Option(help="Machine behind the endpoint; it costs around the clock.")
    ] = "Standard_DS3_v2",
    instance_count: Annotated[int, typer.Option(help="How many of them.")] = 1,
    timeout_ms: Annotated[int, typer.Option(help="What a request may take, at most 180000.")] = 60_000,
    traffic: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=PERCENT", help="Share of a deployment; repeatable, together 100."),
    ] = None,
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Write what Azure ML needs to train, register and serve a run: YAML files, notebook, workflow."""
    from embedkit.serving.deploy.azure import AzureSettings
    from embedkit.serving.deploy.targets import DeployOptions, deploy

    settings = AzureSettings(
        name=name,
        endpoint=endpoint,
        compute=compute,
        gpus=gpus,
        nodes=nodes,
        instance_type=instance_type,
        instance_count=instance_count,
        timeout_ms=timeout_ms,
        traffic=traffic or (),
    )
    options = DeployOptions(
        model=model, output=output, export=export, graph=graph, force=force, as_json=json_
    )
    deploy("azure", settings, options)


NameOption = Annotated[str, typer.Option(help="Name of the service. Default: embedkit-MODEL.")]
ImageOption = Annotated[str, typer.Option(help="Name of the image. Default: NAME:WEIGHTS.")]
PortOption = Annotated[int, typer.Option(help="Port of the service in the container.")]


@deploy_app.command("docker", short_help="Images without torch and for a GPU; compose.")
def docker(
    model: ModelOption = None,
    output: OutputOption = None,
    export: ExportOption = None,
    graph: GraphOption = "onnx",
    name: NameOption = "",
    image: ImageOption = "",
    port: PortOption = 8000,
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Write a Dockerfile without torch, one for a GPU, and a compose file with Prometheus."""
    from embedkit.serving.deploy.containers import ContainerSettings
    from embedkit.serving.deploy.targets import DeployOptions, deploy

    options = DeployOptions(
        model=model, output=output, export=export, graph=graph, force=force, as_json=json_
    )
    deploy("docker", ContainerSettings(name=name, image=image, port=port), options)


@deploy_app.command("kserve", short_help="Kubernetes and KServe manifests, the image.")
def kserve(
    model: ModelOption = None,
    output: OutputOption = None,
    export: ExportOption = None,
    graph: GraphOption = "onnx",
    name: NameOption = "",
    image: ImageOption = "",
    port: PortOption = 8000,
    replicas: Annotated[int, typer.Option(help="At most this many pods.")] = 4,
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Write manifests for Kubernetes and for KServe, and the Dockerfile of their image."""
    from embedkit.serving.deploy.containers import ContainerSettings
    from embedkit.serving.deploy.targets import DeployOptions, deploy

    options = DeployOptions(
        model=model, output=output, export=export, graph=graph, force=force, as_json=json_
    )
    deploy("kserve", ContainerSettings(name=name, image=image, port=port, replicas=replicas), options)


@deploy_app.command("hf-endpoint", short_help="A model repository with its handler.")
def hf_endpoint(
    model: ModelOption = None,
    output: OutputOption = None,
    export: ExportOption = None,
    graph: GraphOption = "onnx",
    force: ForceOption = False,
    json_: JsonOption = False,
) -> None:
    """Write a model repository with the handler of a Hugging Face endpoint."""
    from embedkit.serving.deploy.containers import ContainerSettings
    from embedkit.serving.deploy.targets import DeployOptions, deploy

    options = DeployOptions(
        model=model, output=output, export=export, graph=graph, force=force, as_json=json_
    )
    deploy("hf-endpoint", ContainerSettings(), options)


@deploy_app.command("check", short_help="Check such a folder, edited or not.")
def check(
    folder: Annotated[Path, typer.Argument(help="A folder that embedkit deploy wrote, edited or not.")],
    json_: JsonOption = False,
) -> None:
    """Check a folder of embedkit deploy; exit 1 when something in it would be refused or would fail.

    Asks azure-ai-ml, check-jsonschema, hadolint and kubernetes-validate too, where they are installed; no network.
    """
    from embedkit.serving.deploy.targets import check as run

    run(folder, as_json=json_)
