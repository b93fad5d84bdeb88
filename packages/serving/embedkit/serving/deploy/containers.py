"""`embedkit deploy docker`, `kserve` and `hf-endpoint`: images, manifests, a handler, all with the one core."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from embedkit.messages import Phrase
from embedkit.serving.deploy.checks import names
from embedkit.serving.deploy.folder import filled, write, write_json
from embedkit.serving.deploy.packages import PYTHON, SERVING, pinned, pinned_extras, write_wheel
from embedkit.serving.deploy.source import SAMPLE_REQUEST, DeploySource

_MIB = 1 << 20
_IMAGE = re.compile(r"[a-z0-9]+([._/:-]+[a-z0-9]+)*(:[\w][\w.-]{0,127})?(@sha256:[0-9a-f]{64})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSettings:
    """The options of the targets in containers; the help of each command describes them."""

    name: str = ""
    image: str = ""
    port: int = 8000
    replicas: int = 4

    def checked(self, model: str) -> ContainerSettings:
        """The settings with their names filled in.

        Raises:
            UserError: Docker or Kubernetes would refuse one of them.
        """
        name = self.name or names.slug(model)
        names.refuse("--name", names.name_problem("container", name))
        if self.image and not _IMAGE.fullmatch(self.image):
            names.refuse(
                "--image",
                Phrase("{image!r} is no name of an image, such as registry/name:tag", image=self.image),
            )
        if not 1024 <= self.port <= 65535:
            names.refuse("--port", Phrase("{port} is not from 1024 to 65535", port=self.port))
        names.refuse("--replicas", names.count_problem(self.replicas))
        return ContainerSettings(name=name, image=self.image, port=self.port, replicas=self.replicas)


def write_docker(source: DeploySource, folder: Path, settings: ContainerSettings) -> None:
    """Write the images of a CPU and a GPU, and a compose file with Prometheus."""
    values = _values(source, settings)
    _write_image(source, folder, values)
    source.copy_model(folder / "model")
    write(folder / "requirements-gpu.txt", _listed(pinned_extras("train", "serve")))
    write(folder / "Dockerfile.gpu", filled("docker/Dockerfile.gpu", values))
    write(folder / "Dockerfile.gpu.dockerignore", filled("docker/gpu.dockerignore", values))
    for name in ("compose.yml", "prometheus.yml", "README.md"):
        write(folder / name, filled(f"docker/{name}", values))
    write_json(folder / "sample-request.json", SAMPLE_REQUEST)


def write_kserve(source: DeploySource, folder: Path, settings: ContainerSettings) -> None:
    """Write the image of a CPU, and manifests for Kubernetes with and without KServe."""
    values = _values(source, settings)
    _write_image(source, folder, values)
    for name in ("kubernetes.yml", "inferenceservice.yml", "README.md"):
        write(folder / name, filled(f"kserve/{name}", values))


def write_hf_endpoint(source: DeploySource, folder: Path, settings: ContainerSettings) -> None:
    """Write a model repository with a custom handler."""
    values = _values(source, settings)
    source.copy_export(folder)
    write_wheel(folder)
    write(folder / "requirements.txt", _listed(pinned(SERVING)))
    write(folder / "handler.py", filled("hf/handler.py.in", values))
    write(folder / "run_embedkit.py", filled("azure/run_embedkit.py.in", values))
    write(folder / "ENDPOINT.md", filled("hf/endpoint.md", values))


def _write_image(source: DeploySource, folder: Path, values: Mapping[str, object]) -> None:
    source.copy_export(folder / "model")
    write_wheel(folder)
    write(folder / "requirements.txt", _listed([*pinned_extras("serve"), *pinned(SERVING)]))
    write(folder / "Dockerfile", filled("docker/Dockerfile", values))
    write(folder / "Dockerfile.dockerignore", filled("docker/cpu.dockerignore", values))


def _values(source: DeploySource, settings: ContainerSettings) -> dict[str, object]:
    graph = source.record["graphs"][source.graph]["bytes"]
    return {
        "model": source.name,
        "name": settings.name,
        "image": settings.image or f"{settings.name}:{source.record['weights']}",
        "port": settings.port,
        "replicas": settings.replicas,
        "graph": source.graph,
        "python": PYTHON,
        # Measured: a graph takes twice its file, a batch of long texts some hundred MB more.
        "memory": f"{max(1024, 256 * -(-(3 * graph // _MIB + 512) // 256))}Mi",
    }


def _listed(pins: list[str]) -> str:
    return "".join(f"{pin}\n" for pin in sorted(set(pins), key=str.lower))
