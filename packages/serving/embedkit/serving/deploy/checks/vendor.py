"""Validators that others wrote, asked where they are installed, and without a network."""

from __future__ import annotations

import importlib
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest.mock import patch

from embedkit.messages import Phrase
from embedkit.serving.deploy.checks.problems import DeployProblem

# Azure's loader of each file.
LOADERS = {
    "azureml/data.yml": "load_data",
    "azureml/environment.yml": "load_environment",
    "azureml/job.yml": "load_job",
    "azureml/model.yml": "load_model",
    "azureml/endpoint.yml": "load_online_endpoint",
    "azureml/deployment.yml": "load_online_deployment",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Validator:
    """A validator by the name of its package: a program with its arguments before the file, or a function."""

    name: str
    files: Sequence[str] = ()
    program: Sequence[str] = ()
    load: Callable[[Path], Iterator[DeployProblem]] | None = None
    package: str = ""

    def is_there(self) -> bool:
        """Whether it is installed here."""
        if self.load is None:
            return self.path() is not None
        try:
            return find_spec(self.package) is not None
        except ModuleNotFoundError:
            return False

    def path(self) -> str | None:
        """Where the program is: beside this Python, else on the PATH."""
        beside = Path(sys.executable).with_name(self.program[0])
        return str(beside) if beside.is_file() else shutil.which(self.program[0])


def validate(validator: Validator, folder: Path) -> Iterator[DeployProblem]:
    """What a validator says against a folder; nothing where it is not installed."""
    if not validator.is_there():
        return
    if validator.load is not None:
        yield from validator.load(folder)
        return
    for name in validator.files:
        command = [str(validator.path()), *validator.program[1:], str(folder / name)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            said = " ".join((done.stdout or done.stderr).split())[:400]
            yield DeployProblem(name, Phrase("{validator}: {said}", validator=validator.name, said=said))


def azure_loaders(folder: Path) -> Iterator[DeployProblem]:
    """Load each YAML file by azure-ai-ml; a loader that asks for the network is refused it."""
    ml = importlib.import_module("azure.ai.ml")
    errors = (
        importlib.import_module("azure.core.exceptions").AzureError,
        importlib.import_module("marshmallow.exceptions").MarshmallowError,
        *(OSError, ValueError, TypeError, KeyError, AttributeError),
    )
    for name, loader in LOADERS.items():
        if not (folder / name).is_file():
            continue
        try:
            with no_network():
                getattr(ml, loader)(source=str(folder / name))
        except errors as error:
            said = " ".join(str(error).split())[:400]
            yield DeployProblem(name, Phrase("{validator}: {said}", validator=loader, said=said))


@contextmanager
def no_network() -> Iterator[None]:
    """Refuse every connection while the block runs."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise ConnectionRefusedError("no network while files are checked")

    with patch.object(socket.socket, "connect", refuse), patch.object(socket, "getaddrinfo", refuse):
        yield


HADOLINT = Validator(name="hadolint", program=("hadolint", "--no-color"), files=("Dockerfile",))
DOCKER_VALIDATORS = (
    Validator(name="hadolint", program=HADOLINT.program, files=("Dockerfile", "Dockerfile.gpu")),
    Validator(
        name="check-jsonschema",
        program=("check-jsonschema", "--builtin-schema", "vendor.compose-spec"),
        files=("compose.yml",),
    ),
)
KUBERNETES_VALIDATORS = (
    HADOLINT,
    Validator(
        name="kubernetes-validate",
        program=("kubernetes-validate", "--strict", "--quiet"),
        files=("kubernetes.yml",),
    ),
)
AZURE_VALIDATORS = (
    Validator(name="azure-ai-ml", load=azure_loaders, package="azure.ai.ml"),
    Validator(
        name="check-jsonschema",
        program=("check-jsonschema", "--builtin-schema", "vendor.github-workflows"),
        files=(".github/workflows/azureml.yml",),
    ),
)
