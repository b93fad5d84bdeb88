"""`embedkit deploy azure`: what Azure ML needs to train, register and serve a run, as files that a person commits."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from embedkit.data.records import split_path
from embedkit.extras import DISTRIBUTION
from embedkit.files import sha256_file
from embedkit.messages import Phrase
from embedkit.models.resolve import resolve_model
from embedkit.models.run_folder import Run, measured_run, read_config
from embedkit.serving.deploy.checks import names
from embedkit.serving.deploy.folder import filled, write, write_json
from embedkit.serving.deploy.notebooks import notebook
from embedkit.serving.deploy.packages import PYTHON, SERVING, pinned, pinned_extras, write_wheel
from embedkit.serving.deploy.source import SAMPLE_REQUEST, DeploySource, require_run

VARIABLES = (
    "AZURE_SUBSCRIPTION_ID",
    "AZURE_RESOURCE_GROUP",
    "AZUREML_WORKSPACE_NAME",
    "AZUREML_COMPUTE_NAME",
)
BASE_MODEL = "base-model"
# Template -> file of the folder.
_FILES = {
    "data.yml": "azureml/data.yml",
    "environment.yml": "azureml/environment.yml",
    "job.yml": "azureml/job.yml",
    "model.yml": "azureml/model.yml",
    "endpoint.yml": "azureml/endpoint.yml",
    "deployment.yml": "azureml/deployment.yml",
    "serve.yml": "environment/serve.yml",
    "run_embedkit.py.in": "src/run_embedkit.py",
    "score.py.in": "src/score.py",
    "check_answer.py.in": "src/check_answer.py",
    "workflow.yml": ".github/workflows/azureml.yml",
    "gitignore": ".gitignore",
    "README.md": "README.md",
    "README.ko.md": "README.ko.md",
}
_EVALUATE = """\
  python "$CODE/run_embedkit.py" evaluate --model "${{outputs.run}}/@name@"
  --output "${{outputs.report}}" &&"""


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureSettings:
    """The options of `embedkit deploy azure`; its help describes each. Empty names follow the run's."""

    name: str = ""
    endpoint: str = ""
    compute: str = "gpu-cluster"
    gpus: int = 1
    nodes: int = 1
    instance_type: str = "Standard_DS3_v2"
    instance_count: int = 1
    timeout_ms: int = 60_000
    traffic: Sequence[str] = ()

    def checked(self, model: str) -> AzureSettings:
        """The settings with their names filled in.

        Raises:
            UserError: the cloud would refuse one of them.
        """
        name = self.name or names.slug(model)
        endpoint = self.endpoint or name[:32].rstrip("-")
        names.refuse("--name", names.name_problem("asset", name))
        names.refuse("--endpoint", names.name_problem("endpoint", endpoint))
        names.refuse("--compute", names.name_problem("compute", self.compute))
        names.refuse("--instance-type", names.instance_type_problem(self.instance_type))
        names.refuse("--timeout-ms", names.timeout_problem(self.timeout_ms))
        for option, count in (
            ("--instance-count", self.instance_count),
            ("--gpus", self.gpus),
            ("--nodes", self.nodes),
        ):
            names.refuse(option, names.count_problem(count))
        shares = self.shares()
        names.refuse("--traffic", names.traffic_problem(shares))
        for deployment in shares:
            names.refuse("--traffic", names.name_problem("endpoint", deployment))
        return AzureSettings(
            name=name,
            endpoint=endpoint,
            compute=self.compute,
            gpus=self.gpus,
            nodes=self.nodes,
            instance_type=self.instance_type,
            instance_count=self.instance_count,
            timeout_ms=self.timeout_ms,
            traffic=tuple(self.traffic),
        )

    def shares(self) -> dict[str, int]:
        """The traffic of each deployment in percent."""
        shares = {}
        for given in self.traffic:
            name, _, share = given.partition("=")
            if not share.isdecimal():
                names.refuse("--traffic", Phrase("{given!r} is not NAME=PERCENT", given=given))
            shares[name] = int(share)
        return shares


def write_azure(source: DeploySource, folder: Path, settings: AzureSettings) -> None:
    """Write the folder.

    Raises:
        UserError: the model is no run, or its rows are gone.
    """
    run = require_run(source.model)
    config = _copy_rows(run, folder / "data")
    config["output"] = {
        **config.get("output", {}),
        "save_dir": "runs",
        "save_name": settings.name,
        "report_to": [],
    }
    write_json(folder / "src" / "train.json", config | {"device": "auto", "dtype": "auto"})
    source.copy_export(folder / "model")
    write_wheel(folder / "src")
    values = _values(source, folder, settings)
    write(folder / "environment" / "train.yml", filled("azure/train.yml", values))
    values["train_version"] = sha256_file(folder / "environment" / "train.yml")[:8]
    fill = partial(filled, values=values)
    for template, name in _FILES.items():
        write(folder / name, fill(f"azure/{template}"))
    for language in ("ko", "en"):
        write_json(
            folder / "notebooks" / f"azureml.{language}.ipynb", notebook(fill("azure/notebook.txt"), language)
        )
    write_json(folder / "sample-request.json", SAMPLE_REQUEST)


def _values(source: DeploySource, folder: Path, settings: AzureSettings) -> dict[str, object]:
    processes = settings.gpus * settings.nodes
    distribution = f"distribution:\n  type: pytorch\n  process_count_per_instance: {settings.gpus}"
    shares = settings.shares()
    traffic = "traffic:\n" + "\n".join(f"  {name}: {share}" for name, share in shares.items())
    tested = any((folder / "data").rglob("*.test.jsonl"))
    return {
        "name": settings.name,
        "title": json.dumps(f"Embeddings of {source.name}, in the form of OpenAI's API", ensure_ascii=False),
        "rows_title": json.dumps(f"Training, dev and test rows of {source.name}", ensure_ascii=False),
        "model_title": json.dumps(f"{source.name} as ONNX", ensure_ascii=False),
        "model": source.name,
        "weights": source.record["weights"],
        "dimensions": source.record["dimensions"],
        "rows_hash": _hash_of(folder / "data"),
        "embedkit": version(DISTRIBUTION),
        "graph": source.graph,
        "endpoint": settings.endpoint,
        "compute": settings.compute,
        "nodes": settings.nodes,
        "gpus": settings.gpus,
        "instance_type": settings.instance_type,
        "instance_count": settings.instance_count,
        "timeout_ms": settings.timeout_ms,
        "evaluate": _EVALUATE.replace("@name@", settings.name) if tested else "",
        "distribution": distribution if processes > 1 else "",
        "traffic": traffic if shares else "",
        "python": PYTHON,
        "train_pins": _listed(pinned_extras("train", "onnx", "report")),
        "serve_pins": _listed(pinned(SERVING)),
    }


def _listed(pins: Sequence[str]) -> str:
    return "\n".join(f"      - {pin}" for pin in pins)


def _hash_of(folder: Path) -> str:
    import hashlib

    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.jsonl")):
        digest.update(f"{path.relative_to(folder)}\x1f{sha256_file(path)}\x1e".encode())
    return digest.hexdigest()[:16]


def _copy_rows(run: Run, target: Path) -> dict[str, Any]:
    """Copy the training rows with what stands beside them, and return the recipe with paths inside the asset."""
    config = dict(read_config(measured_run(run.folder) or run.folder))
    copies = [_copied(path, target, number) for number, path in enumerate(run.trained_on)]
    data: dict[str, Any] = dict(config.get("data") or {})
    if data.get("sources"):
        data["sources"] = [
            {**source, "path": copy} for source, copy in zip(data["sources"], copies, strict=True)
        ]
    else:
        data["pairs_path"] = copies[0]
    if data.get("dev_path"):
        data["dev_path"] = _dev_copy(Path(data["dev_path"]), run.trained_on, copies, target)
    return config | {"data": data, "model_id": _base_model(config, target)}


def _copied(path: Path, target: Path, number: int) -> str:
    place = target if number == 0 else target / str(number)
    place.mkdir(parents=True)
    beside = [*path.parent.glob(f"{path.stem}.*.jsonl"), *path.parent.glob(f"{path.stem}.manifest.json")]
    for file in sorted([path, *beside]):
        shutil.copyfile(file, place / file.name)
    return path.name if number == 0 else f"{number}/{path.name}"


def _dev_copy(path: Path, trained_on: Sequence[Path], copies: Sequence[str], target: Path) -> str | None:
    for training, copy in zip(trained_on, copies, strict=True):
        if path == split_path(training, "dev"):
            return str(split_path(Path(copy), "dev"))
    if not path.is_file():
        return None
    shutil.copyfile(path, target / f"dev-{path.name}")
    return f"dev-{path.name}"


def _base_model(config: Mapping[str, Any], target: Path) -> str:
    """The base model's hub id; a model that is a folder here travels with the rows."""
    base = resolve_model(str(config.get("model_id")), network=True, final=False)
    if base.origin not in ("run", "folder"):
        return str(config["model_id"])
    shutil.copytree(base.path, target / BASE_MODEL, copy_function=shutil.copyfile)
    return BASE_MODEL
