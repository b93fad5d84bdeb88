"""Checks of an Azure folder: what the vendor's loaders let pass and the cloud refuses, and the workflow's rules."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from embedkit.messages import Phrase
from embedkit.serving.deploy.checks import names
from embedkit.serving.deploy.checks.problems import DeployFiles, DeployProblem, at, walk
from embedkit.serving.deploy.checks.shell import flag_problems, secret_problems

WORKFLOW = ".github/workflows/azureml.yml"
YAML_FILES = ("data", "environment", "job", "model", "endpoint", "deployment")
_REFERENCE = re.compile(r"\$\{\{\s*(?:parent\.)?([\w.]+)\s*\}\}")
_LIMITS = ("EMBEDKIT_MAX_TEXTS", "EMBEDKIT_MAX_CHARACTERS")
_FREE = ("name", "default_datastore")


def check_azure(files: DeployFiles) -> Iterator[DeployProblem]:
    """Everything that is wrong in the folder."""
    found = {name: files.mapping(f"azureml/{name}.yml") for name in YAML_FILES}
    for name, content in found.items():
        if not content:
            continue
        place = f"azureml/{name}.yml"
        kind = "endpoint" if name in ("endpoint", "deployment") else "asset"
        if "name" in content or name != "job":
            yield from at(f"{place}: name", names.name_problem(kind, content.get("name")))
        yield from _local_paths(files.folder, place, content)
        yield from _variables(place, content)
        yield from secret_problems(place, content)
    yield from _job(found["job"], found["environment"], found["data"])
    yield from _endpoint(found["endpoint"])
    yield from _deployment(files.folder, found["deployment"], found["endpoint"], found["model"])
    yield from _conda(files)
    yield from _workflow(files)
    yield from _notebooks(files)
    yield from _sample(files)


def _local_paths(folder: Path, place: str, content: Mapping[str, Any]) -> Iterator[DeployProblem]:
    """Every local path leads somewhere; a path in `.gitignore` may be absent, as in a fresh checkout."""
    ignored = _ignored(folder)
    for path, value in walk(content):
        key = path.rpartition(".")[2]
        if key not in ("path", "code", "conda_file", "local_path") or not isinstance(value, str):
            continue
        if re.match(r"[a-z]+:", value) or "${{" in value:
            continue
        target = (folder / place).parent / value
        if not target.exists() and target.resolve() not in ignored:
            yield DeployProblem(f"{place}: {path}", Phrase("there is no {path!r}", path=value))


def _ignored(folder: Path) -> set[Path]:
    path = folder / ".gitignore"
    lines = path.read_text(encoding="utf-8").split() if path.is_file() else []
    return {(folder / line.strip("/")).resolve() for line in lines if line.startswith("/")}


def _variables(place: str, content: Mapping[str, Any]) -> Iterator[DeployProblem]:
    variables = content.get("environment_variables") or {}
    for name, value in variables.items():
        if not isinstance(value, str):
            yield DeployProblem(
                f"{place}: environment_variables.{name}",
                Phrase("{value!r} is not a text: quote it", value=value),
            )


def _job(
    job: Mapping[str, Any], environment: Mapping[str, Any], data: Mapping[str, Any]
) -> Iterator[DeployProblem]:
    place = "azureml/job.yml"
    if not job:
        return
    declared = {f"{kind}.{name}" for kind in ("inputs", "outputs") for name in job.get(kind) or {}}
    for path, value in walk(job):
        for reference in _REFERENCE.findall(value) if isinstance(value, str) else ():
            if reference not in declared and reference not in _FREE:
                yield DeployProblem(f"{place}: {path}", Phrase("{name} is not declared", name=reference))
    for name in sorted(declared):
        if name.startswith("inputs.") and f"{name} " not in re.sub(r"\s*}}", " ", str(job.get("command"))):
            yield DeployProblem(f"{place}: {name}", Phrase("the command does not use it"))
    compute = job.get("compute")
    if not isinstance(compute, str) or not compute.startswith("azureml:"):
        yield DeployProblem(
            f"{place}: compute", Phrase("{given!r} does not begin with azureml:", given=compute)
        )
    else:
        yield from at(f"{place}: compute", names.name_problem("compute", compute.removeprefix("azureml:")))
    resources = job.get("resources") or {}
    yield from at(
        f"{place}: resources.instance_count", names.count_problem(resources.get("instance_count", 1))
    )
    distribution = job.get("distribution") or {"process_count_per_instance": 1}
    processes = distribution.get("process_count_per_instance", 1)
    yield from at(f"{place}: distribution.process_count_per_instance", names.count_problem(processes))
    yield from _same(f"{place}: environment", job.get("environment"), environment, "version")
    for name, given in (job.get("inputs") or {}).items():
        if (
            isinstance(given, Mapping)
            and str(given.get("path")).startswith("azureml:")
            and "@" in str(given["path"])
        ):
            yield from _same(f"{place}: inputs.{name}", given["path"], data, "")
    for key in ("code", "environment"):
        if not isinstance(job.get(key), str):
            yield DeployProblem(f"{place}: {key}", Phrase("is missing"))
    yield from flag_problems(f"{place}: command", str(job.get("command") or ""))


def _same(place: str, reference: object, asset: Mapping[str, Any], version: str) -> Iterator[DeployProblem]:
    """A reference to an asset of this folder has the asset's name, and its version where it has one."""
    if not isinstance(reference, str) or not reference.startswith("azureml:") or not asset:
        return
    if reference.startswith(("azureml://", "azureml:AzureML-")):  # a registry's, or Microsoft's own
        return
    wanted = f"{asset.get('name')}:{asset.get(version)}" if version in asset else str(asset.get("name"))
    given = reference.removeprefix("azureml:")
    if given != wanted and given.partition("@")[0].partition(":")[0] != wanted:
        yield DeployProblem(
            place,
            Phrase("{given!r} is not what this folder registers: {wanted!r}", given=given, wanted=wanted),
        )


def _endpoint(endpoint: Mapping[str, Any]) -> Iterator[DeployProblem]:
    if "traffic" in endpoint:
        yield from at("azureml/endpoint.yml: traffic", names.traffic_problem(endpoint["traffic"]))


def _deployment(
    folder: Path, deployment: Mapping[str, Any], endpoint: Mapping[str, Any], model: Mapping[str, Any]
) -> Iterator[DeployProblem]:
    place = "azureml/deployment.yml"
    if not deployment:
        return
    if deployment.get("endpoint_name") != endpoint.get("name"):
        yield DeployProblem(
            f"{place}: endpoint_name",
            Phrase("is not the name in endpoint.yml: {name!r}", name=endpoint.get("name")),
        )
    for key in ("model", "environment"):
        if not isinstance(deployment.get(key), (str, Mapping)):
            yield DeployProblem(f"{place}: {key}", Phrase("is missing"))
    yield from _same(f"{place}: model", deployment.get("model"), model, "")
    yield from at(f"{place}: instance_type", names.instance_type_problem(deployment.get("instance_type")))
    yield from at(f"{place}: instance_count", names.count_problem(deployment.get("instance_count", 1)))
    settings = deployment.get("request_settings") or {}
    for key in ("request_timeout_ms", "max_queue_wait_ms"):
        if key in settings:
            yield from at(f"{place}: request_settings.{key}", names.timeout_problem(settings[key]))
    yield from _scoring_file(folder, place, deployment.get("code_configuration") or {})
    variables = deployment.get("environment_variables") or {}
    for name in _LIMITS:
        if not str(variables.get(name, "1")).isdecimal():
            yield DeployProblem(
                f"{place}: environment_variables.{name}",
                Phrase("{count!r} is not a whole number of at least 1", count=variables[name]),
            )


def _scoring_file(folder: Path, place: str, configuration: Mapping[str, Any]) -> Iterator[DeployProblem]:
    code, script = configuration.get("code"), configuration.get("scoring_script")
    if not code or not script:
        yield DeployProblem(f"{place}: code_configuration", Phrase("names no code folder and scoring_script"))
        return
    sources = (folder / place).parent / str(code)
    if sources.is_dir() and not (sources / str(script)).is_file():
        yield DeployProblem(
            f"{place}: code_configuration.scoring_script", Phrase("there is no {path!r}", path=script)
        )
    if (sources / str(script)).is_file():
        missing = {"init", "run"} - _functions((sources / str(script)).read_text(encoding="utf-8"))
        for name in sorted(missing):
            yield DeployProblem(
                f"{place}: code_configuration.scoring_script",
                Phrase("{path!r} has no function {name}()", path=script, name=name),
            )
    if sources.is_dir() and not any(sources.glob("embedkit_toolkit-*.whl")):
        yield DeployProblem(
            f"{place}: code_configuration.code", Phrase("there is no {path!r}", path="embedkit_toolkit-*.whl")
        )


def _functions(code: str) -> set[str]:
    """The functions of a module; none where it cannot be parsed."""
    try:
        return {node.name for node in ast.parse(code).body if isinstance(node, ast.FunctionDef)}
    except (SyntaxError, ValueError):
        return set()


def _notebooks(files: DeployFiles) -> Iterator[DeployProblem]:
    for path in sorted((files.folder / "notebooks").glob("*.ipynb")):
        name = path.relative_to(files.folder).as_posix()
        content = files.json(name)
        yield from secret_problems(name, content)
        if content is not None and not (isinstance(content, dict) and isinstance(content.get("cells"), list)):
            yield DeployProblem(name, Phrase("is no notebook"))


def _conda(files: DeployFiles) -> Iterator[DeployProblem]:
    for name in ("environment/train.yml", "environment/serve.yml"):
        listed = files.mapping(name).get("dependencies") or []
        for line in listed:
            if isinstance(line, str) and line != "pip" and "=" not in line:
                yield DeployProblem(f"{name}: {line}", Phrase("is not pinned with =="))
        pip = [line for each in listed if isinstance(each, Mapping) for line in each.get("pip") or []]
        for line in pip:
            if not re.fullmatch(r"[\w.\[\],-]+==[\w.!+-]+", str(line)):
                yield DeployProblem(f"{name}: {line}", Phrase("is not pinned with =="))
        if not pip and not files.is_missing(name):
            yield DeployProblem(f"{name}: dependencies", Phrase("{name} is missing", name="pip"))


def _workflow(files: DeployFiles) -> Iterator[DeployProblem]:
    workflow = files.mapping(WORKFLOW)
    if not workflow:
        return
    text = files.text(WORKFLOW)
    triggers = workflow.get("on") or {}
    if "workflow_dispatch" not in triggers:
        yield DeployProblem(f"{WORKFLOW}: on", Phrase("{name} is missing", name="workflow_dispatch"))
    push = triggers.get("push") if isinstance(triggers, Mapping) else None
    if not (push or {}).get("tags"):
        yield DeployProblem(f"{WORKFLOW}: on", Phrase("{name} is missing", name="push.tags"))
    jobs = workflow.get("jobs") or {}
    if not any(
        "azure/login" in str(step.get("uses")) for job in jobs.values() for step in job.get("steps") or ()
    ):
        yield DeployProblem(f"{WORKFLOW}: jobs", Phrase("{name} is missing", name="azure/login"))
    for name, job in jobs.items():
        if any("azure/login" in str(step.get("uses")) for step in job.get("steps") or ()):
            yield from _login_job(f"{WORKFLOW}: jobs.{name}", job, workflow)
    yield from secret_problems(WORKFLOW, workflow)
    yield from _endpoint_named(files, text)


def _login_job(place: str, job: Mapping[str, Any], workflow: Mapping[str, Any]) -> Iterator[DeployProblem]:
    permissions = job.get("permissions", workflow.get("permissions"))
    if not isinstance(permissions, Mapping) or permissions.get("id-token") != "write":
        yield DeployProblem(f"{place}.permissions", Phrase("azure/login needs id-token: write"))
    if not job.get("environment"):
        yield DeployProblem(
            f"{place}.environment",
            Phrase("is missing: the federated credential's subject names it"),
        )
    steps = [step for step in job.get("steps") or () if isinstance(step, Mapping)]
    for step in steps:
        if "azure/login" in str(step.get("uses")):
            given = step.get("with") or {}
            for key in ("client-id", "tenant-id", "subscription-id"):
                if key not in given:
                    yield DeployProblem(f"{place}: azure/login", Phrase("{name} is missing", name=key))
            for key in sorted({"creds", "client-secret"} & set(given)):
                yield DeployProblem(f"{place}: azure/login", Phrase("{name} is a secret: use OIDC", name=key))
    if not any("failure()" in str(step.get("if")) and "traffic" in str(step.get("run")) for step in steps):
        yield DeployProblem(place, Phrase("no step gives the traffic back when a step fails"))
    tries = ("invoke", "--deployment-name")  # by name: what has traffic answers otherwise
    if not any(all(word in str(step.get("run")) for word in tries) for step in steps):
        yield DeployProblem(place, Phrase("no step tries the new deployment before it gets traffic"))


def _endpoint_named(files: DeployFiles, text: str) -> Iterator[DeployProblem]:
    name = files.mapping("azureml/endpoint.yml").get("name")
    if text and isinstance(name, str) and f"ENDPOINT: {name}\n" not in text:
        yield DeployProblem(
            f"{WORKFLOW}: ENDPOINT", Phrase("is not the name in endpoint.yml: {name!r}", name=name)
        )


def _sample(files: DeployFiles) -> Iterator[DeployProblem]:
    from embedkit.serving.score import RequestError, parse_request

    body = files.json("sample-request.json")
    try:
        if body is not None:
            parse_request(body)
    except RequestError as error:
        yield DeployProblem("sample-request.json", Phrase("{error}", error=error))
