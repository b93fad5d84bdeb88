"""Checks of the folders of docker, kserve and hf-endpoint; the flags in them are parsed by the real command."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from embedkit.messages import Phrase
from embedkit.serving.deploy.checks import names
from embedkit.serving.deploy.checks.problems import DeployFiles, DeployProblem, at
from embedkit.serving.deploy.checks.shell import argument_problem, secret_problems

METRIC = "embedkit_waiting_texts"
_INSTRUCTION = re.compile(r"^([A-Z]+)\s+(.*)$")
_PIN = re.compile(r"[\w.\[\],-]+==[\w.!+-]+")
_TRY = """
import json, sys
sys.path.insert(0, sys.argv[1])
from handler import EndpointHandler
answer = EndpointHandler(sys.argv[1])({"inputs": ["a", "나"], "parameters": {"input_type": "query"}})
assert len(answer["data"]) == 2
"""


def check_docker(files: DeployFiles) -> Iterator[DeployProblem]:
    """Everything that is wrong in a folder of images."""
    for name in ("Dockerfile", "Dockerfile.gpu"):
        yield from _image(files, name)
    for name in ("requirements.txt", "requirements-gpu.txt"):
        yield from _pins(files, name)
    compose = files.mapping("compose.yml")
    yield from secret_problems("compose.yml", compose)
    for name, service in (compose.get("services") or {}).items():
        place = f"compose.yml: services.{name}"
        for volume in _listed(service, "volumes"):
            path = str(volume).partition(":")[0]
            if path.startswith(".") and not (files.folder / path).exists():
                yield DeployProblem(f"{place}.volumes", Phrase("there is no {path!r}", path=path))
        if service.get("privileged"):
            yield DeployProblem(f"{place}.privileged", Phrase("gives the container the whole machine"))
    files.mapping("prometheus.yml")


def check_kserve(files: DeployFiles) -> Iterator[DeployProblem]:
    """Everything that is wrong in a folder of manifests."""
    yield from _image(files, "Dockerfile")
    yield from _pins(files, "requirements.txt")
    serving = _entrypoint(files.text("Dockerfile"))
    manifests = files.documents("kubernetes.yml")
    for manifest in manifests:
        place = f"kubernetes.yml: {manifest.get('kind')}"
        yield from _named(place, manifest)
        yield from secret_problems(place, manifest)
    yield from _deployments(manifests, serving)
    yield from _references(manifests)
    service = files.mapping("inferenceservice.yml")
    if service:
        yield from _named("inferenceservice.yml", service)
        yield from secret_problems("inferenceservice.yml", service)
        predictor = (service.get("spec") or {}).get("predictor") or {}
        yield from _containers("inferenceservice.yml", predictor.get("containers") or (), serving)


def check_hf_endpoint(files: DeployFiles) -> Iterator[DeployProblem]:
    """Everything that is wrong in a model repository; its handler is loaded and asked, where its packages are here."""
    yield from _pins(files, "requirements.txt")
    for name in ("export.json", "tokenizer.json", "run_embedkit.py", "handler.py"):
        files.text(name)
    if not any(files.folder.glob("embedkit_toolkit-*.whl")):
        yield DeployProblem("embedkit_toolkit-*.whl", Phrase("is missing"))
    if files.unreadable or not all(find_spec(name) for name in ("onnxruntime", "tokenizers")):
        return
    command = [sys.executable, "-c", _TRY, str(files.folder.resolve())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["?"])[-1]
        yield DeployProblem("handler.py", Phrase("does not answer: {said}", said=said))


def _pins(files: DeployFiles, name: str) -> Iterator[DeployProblem]:
    for line in files.text(name).splitlines():
        if line.strip() and not line.startswith("#") and not _PIN.fullmatch(line.strip()):
            yield DeployProblem(f"{name}: {line}", Phrase("is not pinned with =="))


def _instructions(text: str) -> list[tuple[str, str]]:
    joined = re.sub(r"\\\n\s*", " ", text)
    return [(found[1], found[2]) for line in joined.splitlines() if (found := _INSTRUCTION.match(line))]


def _words(value: str) -> list[str]:
    try:
        words = json.loads(value)
    except ValueError:
        return value.split()
    return [str(word) for word in words] if isinstance(words, list) else []


def _entrypoint(text: str) -> list[str]:
    """The arguments of embedkit that an image starts with, without those of CMD."""
    return _words(next((value for name, value in _instructions(text) if name == "ENTRYPOINT"), "[]"))[1:]


def _image(files: DeployFiles, name: str) -> Iterator[DeployProblem]:
    text = files.text(name)
    if not text:
        return
    found = _instructions(text)
    users = [value for instruction, value in found if instruction == "USER"]
    if not users or users[-1].split(":")[0] in ("root", "0"):
        yield DeployProblem(f"{name}: USER", Phrase("the service would run as root"))
    health = next((value for instruction, value in found if instruction == "HEALTHCHECK"), "")
    if "/health" not in health:
        yield DeployProblem(f"{name}: HEALTHCHECK", Phrase("does not ask /health"))
    for instruction, value in found:
        if instruction == "COPY" and "--from" not in value:
            for path in value.split()[:-1]:
                if not any(files.folder.glob(path)):
                    yield DeployProblem(f"{name}: COPY", Phrase("there is no {path!r}", path=path))
        if instruction in ("ENV", "ARG") and re.search(r"(KEY|TOKEN|SECRET|PASSWORD)\s*=\s*\S", value):
            yield DeployProblem(f"{name}: {instruction}", Phrase("a secret in clear: keep it out of files"))
    entry = _entrypoint(text)
    yield from _started(f"{name}: ENTRYPOINT", entry, _words(dict(found).get("CMD", "[]")))
    port = _option(entry, "--port")
    for instruction, value in (("EXPOSE", dict(found).get("EXPOSE", "")), ("HEALTHCHECK", health)):
        if port and not re.search(rf"\b{port}\b", value):
            yield DeployProblem(
                f"{name}: {instruction}", Phrase("is not the port of the service: {port}", port=port)
            )


def _option(words: Sequence[str], name: str) -> str:
    return words[words.index(name) + 1] if name in words[:-1] else ""


def _started(place: str, entry: Sequence[str], arguments: Sequence[str]) -> Iterator[DeployProblem]:
    if entry[:1] != ["serve"]:
        yield DeployProblem(place, Phrase("does not run embedkit serve"))
        return
    if _option([*entry, *arguments], "--host") not in ("0.0.0.0", "::"):
        yield DeployProblem(place, Phrase("listens inside the container only: --host 0.0.0.0"))
    yield from at(place, argument_problem([*entry, *arguments]))


def _named(place: str, manifest: Mapping[str, Any]) -> Iterator[DeployProblem]:
    name = (manifest.get("metadata") or {}).get("name")
    yield from at(f"{place}: metadata.name", names.name_problem("container", name))


def _deployments(manifests: Sequence[Mapping[str, Any]], serving: Sequence[str]) -> Iterator[DeployProblem]:
    for manifest in manifests:
        if manifest.get("kind") != "Deployment":
            continue
        spec = manifest.get("spec") or {}
        template = spec.get("template") or {}
        labels = (template.get("metadata") or {}).get("labels") or {}
        if not _selects((spec.get("selector") or {}).get("matchLabels"), labels):
            yield DeployProblem(
                "kubernetes.yml: Deployment", Phrase("its selector does not select its own pods")
            )
        pod = template.get("spec") or {}
        yield from _containers("kubernetes.yml: Deployment", pod.get("containers") or (), serving, pod)


def _listed(value: Mapping[str, Any], key: str) -> Sequence[Any]:
    """The list under a key; empty where it is none."""
    found = value.get(key)
    return found if isinstance(found, list) else ()


def _selects(selector: object, labels: Mapping[str, str]) -> bool:
    return isinstance(selector, Mapping) and bool(selector) and selector.items() <= labels.items()


def _containers(
    place: str,
    containers: Sequence[Mapping[str, Any]],
    serving: Sequence[str],
    pod: Mapping[str, Any] | None = None,
) -> Iterator[DeployProblem]:
    if not containers:
        yield DeployProblem(place, Phrase("has no containers"))
    for container in containers:
        here = f"{place}.{container.get('name')}"
        if not container.get("image"):
            yield DeployProblem(f"{here}.image", Phrase("is missing"))
        yield from _started(f"{here}.args", serving, [str(word) for word in _listed(container, "args")])
        security = {**((pod or {}).get("securityContext") or {}), **(container.get("securityContext") or {})}
        if not security.get("runAsNonRoot"):
            yield DeployProblem(f"{here}.securityContext", Phrase("the service would run as root"))
        for probe in ("readinessProbe", *(("livenessProbe",) if pod else ())):
            if ((container.get(probe) or {}).get("httpGet") or {}).get("path") != "/health":
                yield DeployProblem(f"{here}.{probe}", Phrase("does not ask /health"))
        resources = container.get("resources") or {}
        for key in ("requests", "limits"):
            if not (resources.get(key) or {}).get("memory"):
                yield DeployProblem(f"{here}.resources.{key}", Phrase("names no memory"))
        ports = [
            port.get("containerPort") for port in _listed(container, "ports") if isinstance(port, Mapping)
        ]
        if _option(serving, "--port") not in map(str, ports):
            port = _option(serving, "--port")
            yield DeployProblem(f"{here}.ports", Phrase("is not the port of the service: {port}", port=port))


def _references(manifests: Sequence[Mapping[str, Any]]) -> Iterator[DeployProblem]:
    """What points at the Deployment points at one that is there."""
    pods = [
        (((m.get("spec") or {}).get("template") or {}).get("metadata") or {}).get("labels") or {}
        for m in manifests
        if m.get("kind") == "Deployment"
    ]
    deployments = [(m.get("metadata") or {}).get("name") for m in manifests if m.get("kind") == "Deployment"]
    for manifest in manifests:
        kind, spec = str(manifest.get("kind")), manifest.get("spec") or {}
        place = f"kubernetes.yml: {kind}"
        if kind == "HorizontalPodAutoscaler":
            yield from _autoscaler(place, spec, deployments)
            continue
        selector = (
            spec.get("selector") if kind == "Service" else spec.get("podSelector", spec.get("selector"))
        )
        wanted = selector if kind == "Service" else (selector or {}).get("matchLabels")
        if kind != "Deployment" and not any(_selects(wanted, labels) for labels in pods):
            yield DeployProblem(place, Phrase("its selector selects no pods of the Deployment"))


def _autoscaler(
    place: str, spec: Mapping[str, Any], deployments: Sequence[object]
) -> Iterator[DeployProblem]:
    if (spec.get("scaleTargetRef") or {}).get("name") not in deployments:
        yield DeployProblem(f"{place}.scaleTargetRef", Phrase("is not the name of the Deployment"))
    least, most = spec.get("minReplicas", 1), spec.get("maxReplicas")
    yield from at(f"{place}.maxReplicas", names.count_problem(most))
    if isinstance(most, int) and isinstance(least, int) and least > most:
        yield DeployProblem(f"{place}.minReplicas", Phrase("is more than maxReplicas"))
    metrics = [
        ((each.get("pods") or {}).get("metric") or {}).get("name") for each in spec.get("metrics") or ()
    ]
    if METRIC not in metrics:
        yield DeployProblem(f"{place}.metrics", Phrase("does not scale on {metric}", metric=METRIC))
