"""The targets of `embedkit deploy`, one line each, and what is done with any of them: write and check."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from embedkit.console import out, out_json, say
from embedkit.errors import AnswerNoError
from embedkit.extras import DISTRIBUTION
from embedkit.files import atomic_folder, refuse_inputs, require_writable
from embedkit.models.resolve import newest_run, resolve_model
from embedkit.serving.deploy.azure import write_azure
from embedkit.serving.deploy.checks.azure import check_azure
from embedkit.serving.deploy.checks.containers import check_docker, check_hf_endpoint, check_kserve
from embedkit.serving.deploy.checks.problems import DeployFiles, DeployProblem
from embedkit.serving.deploy.checks.vendor import (
    AZURE_VALIDATORS,
    DOCKER_VALIDATORS,
    KUBERNETES_VALIDATORS,
    Validator,
    validate,
)
from embedkit.serving.deploy.containers import write_docker, write_hf_endpoint, write_kserve
from embedkit.serving.deploy.folder import RECORD, read_record, refuse_others, write_json
from embedkit.serving.deploy.source import DeploySource, find_source, require_run, short_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A target: what fills its folder, what checks it, and the validators of others that read it too."""

    name: str
    write: Callable[[DeploySource, Path, Any], None]
    check: Callable[[DeployFiles], Iterator[DeployProblem]]
    validators: Sequence[Validator] = ()
    needs_run: bool = False


TARGETS = (
    Target(name="azure", write=write_azure, check=check_azure, validators=AZURE_VALIDATORS, needs_run=True),
    Target(name="docker", write=write_docker, check=check_docker, validators=DOCKER_VALIDATORS),
    Target(name="kserve", write=write_kserve, check=check_kserve, validators=KUBERNETES_VALIDATORS),
    Target(name="hf-endpoint", write=write_hf_endpoint, check=check_hf_endpoint),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployOptions:
    """What all targets have in common; without `model`, the newest run in `runs/`."""

    model: str | None = None
    output: Path | None = None
    export: Path | None = None
    graph: str = "onnx"
    force: bool = False
    as_json: bool = False


def deploy(target: str, settings: Any, options: DeployOptions) -> Path:
    """Write the folder of a target, whole or not at all, and return its path.

    Raises:
        UserError: the model, its export or a name is not right, or the folder exists and may not be replaced.
    """
    chosen = _target(target)
    output = options.output or Path("deploy") / target
    model = resolve_model(options.model or newest_run(), network=False)
    if chosen.needs_run:
        require_run(model)
    checked = settings.checked(short_name(model))
    refuse_inputs([output], [model.path, *([options.export] if options.export else [])])
    refuse_others(output, force=options.force)
    require_writable(output.parent)
    source = find_source(model, exported=options.export, graph=options.graph)
    with atomic_folder(output) as folder:
        chosen.write(source, folder, checked)
        record = {
            "target": target,
            "embedkit": version(DISTRIBUTION),
            "model": source.name,
            "weights": source.record["weights"],
            "graph": source.graph,
        }
        write_json(folder / RECORD, record)
    if options.as_json:
        out_json({"output": str(output), **record})
    else:
        say("next: embedkit deploy check {output}", output=output)
        out(str(output))
    return output


def _target(name: str) -> Target:
    return next(target for target in TARGETS if target.name == name)


def check(folder: Path, *, as_json: bool = False) -> list[DeployProblem]:
    """Check a folder that a person may have edited, and print what is wrong.

    Raises:
        UserError: `embedkit deploy` did not write it.
        AnswerNoError: something is wrong in it.
    """
    record = read_record(folder)
    target = next((each for each in TARGETS if each.name == record["target"]), None) or TARGETS[0]
    files = DeployFiles(folder)
    found = list(target.check(files))
    ran, absent = list[str](), list[str]()
    for validator in target.validators:
        (ran if validator.is_there() else absent).append(validator.name)
        found += validate(validator, folder)
    problems = sorted({*found, *files.unreadable}, key=lambda problem: problem.place)
    if as_json:
        rows = [{"place": problem.place, "problem": str(problem.text)} for problem in problems]
        out_json({"problems": rows, "validators": ran, "not_installed": absent})
    else:
        for problem in problems:
            out(str(problem))
    if ran:
        say("checked by embedkit, {names}", names=", ".join(ran))
    if absent:
        say("not installed, so not asked: {names}", names=", ".join(absent))
    if problems:
        raise AnswerNoError("problems: {count}", place=str(folder), count=len(problems))
    say("{folder}: no problem found", folder=folder)
    return problems
