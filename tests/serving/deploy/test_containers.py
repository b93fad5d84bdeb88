"""`embedkit deploy docker`, `kserve` and `hf-endpoint`: what they write, and each check with an edit that it finds."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from embedkit.errors import AnswerNoError, UserError
from embedkit.models.resolve import ModelSource, resolve_model
from embedkit.ranking.hybrid.shares import shares_of
from embedkit.serving.deploy.checks.containers import METRIC
from embedkit.serving.deploy.containers import ContainerSettings
from embedkit.serving.deploy.targets import TARGETS, DeployOptions, check, deploy


def make(target: str, run: Path, output: Path, settings: ContainerSettings | None = None) -> Path:
    options = DeployOptions(model=str(run), output=output, export=run.parents[1] / "export")
    return deploy(target, settings or ContainerSettings(), options)


@pytest.fixture(scope="module")
def made(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    home, folders = tmp_path_factory.mktemp("made"), dict[str, Path]()

    def folder(target: str) -> Path:
        if target not in folders:
            folders[target] = make(target, run, home / target)
        return folders[target]

    return folder


CONTAINERS = [target.name for target in TARGETS if target.name != "azure"]


@pytest.mark.parametrize("target", CONTAINERS)
def test_a_folder_is_right_and_the_same_twice(
    target: str, made: Callable[[str], Path], run: Path, tmp_path: Path
) -> None:
    folder = made(target)
    assert check(folder) == []
    again = make(target, run, tmp_path / target)
    for path in folder.rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (again / path.relative_to(folder)).read_bytes(), path.name


@pytest.mark.parametrize("target", CONTAINERS)
def test_a_plain_model_is_enough(target: str, tiny_model: Path, run: Path, tmp_path: Path) -> None:
    options = DeployOptions(model=str(tiny_model), output=tmp_path / "out", export=run.parents[1] / "export")
    assert deploy(target, ContainerSettings(), options).is_dir()


@pytest.mark.parametrize("target", CONTAINERS)
def test_its_search_weighs_words_as_the_runs_does(
    target: str, made: Callable[[str], Path], run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = made(target)
    model = ModelSource(
        requested="", path=str(folder if target == "hf-endpoint" else folder / "model"), origin="folder"
    )
    assert shares_of(model).languages == shares_of(resolve_model(str(run))).languages != ()
    assert "other weights" not in capsys.readouterr().err


def test_every_file_of_an_image_can_be_read_by_others(made: Callable[[str], Path]) -> None:
    assert all(path.stat().st_mode & 0o004 for path in made("docker").rglob("*") if path.is_file())


def test_the_autoscalers_metric_is_one_that_the_service_has() -> None:
    source = Path(__file__).parents[3] / "packages" / "serving" / "embedkit" / "serving"
    assert any(f'"{METRIC}"' in path.read_text() for path in source.rglob("metrics.py"))


EDITS = {
    "as root": ("docker", "Dockerfile", r"^USER .*$", "USER root", "as root"),
    "no user": ("kserve", "Dockerfile", r"^USER .*$", "", "as root"),
    "no health check": ("docker", "Dockerfile", r"^HEALTHCHECK(.*\n).*$", "", "does not ask /health"),
    "a wheel that is not there": ("docker", "Dockerfile", r"\*\.whl \./", "other.whl ./", "no 'other.whl'"),
    "a flag that serve has not": ("docker", "Dockerfile.gpu", "--batch-size", "--batch", "--batch"),
    "a backend that is a number": ("docker", "Dockerfile.gpu", '"128"', '"many"', "many"),
    "loopback": ("docker", "Dockerfile", "0.0.0.0", "127.0.0.1", "--host 0.0.0.0"),
    "another port": ("docker", "Dockerfile", "EXPOSE 8000", "EXPOSE 80", "port of the service"),
    "a key in the image": (
        "docker",
        "Dockerfile",
        "^EXPOSE",
        "ENV EMBEDKIT_API_KEY=abc\nEXPOSE",
        "secret in clear",
    ),
    "an open version": ("docker", "requirements.txt", "numpy==.*", "numpy>=2", "pinned"),
    "a key in compose": ("docker", "compose.yml", r"\$\{EMBEDKIT_API_KEY:.*", "abc", "secret in clear"),
    "a key in a list": (
        "docker",
        "compose.yml",
        r"environment:\n      EMBEDKIT.*",
        "environment: [EMBEDKIT_API_KEY=abcdef]",
        "secret in clear",
    ),
    "a volume that is not there": (
        "docker",
        "compose.yml",
        r"\./prometheus.yml:",
        "./other.yml:",
        "no './other.yml'",
    ),
    "another metric": ("kserve", "kubernetes.yml", METRIC, "queue", "does not scale on"),
    "a selector of nothing": (
        "kserve",
        "kubernetes.yml",
        r"selector: \{app: .*\}",
        "selector: {app: x}",
        "selects no pods",
    ),
    "its own selector": (
        "kserve",
        "kubernetes.yml",
        r"^    matchLabels: \{app: .*\}",
        "    matchLabels: {app: x}",
        "its own pods",
    ),
    "no readiness": ("kserve", "kubernetes.yml", "readinessProbe", "otherProbe", "readinessProbe"),
    "another path": ("kserve", "kubernetes.yml", "path: /health", "path: /", "does not ask /health"),
    "no memory": ("kserve", "kubernetes.yml", r"limits: \{memory: .*\}", "limits: {}", "no memory"),
    "root in the pod": ("kserve", "kubernetes.yml", "runAsNonRoot: true", "runAsNonRoot: false", "as root"),
    "no pods": ("kserve", "kubernetes.yml", "maxReplicas: 4", "maxReplicas: 0", "at least 1"),
    "a flag in the manifest": ("kserve", "kubernetes.yml", '"--backend"', '"--engine"', "--engine"),
    "a flag for kserve": ("kserve", "inferenceservice.yml", '"--backend"', '"--engine"', "--engine"),
    "a name that is no label": (
        "kserve",
        "inferenceservice.yml",
        "name: embedkit-my-run$",
        "name: My_Run",
        "63",
    ),
    "a key in the manifest": (
        "kserve",
        "kubernetes.yml",
        r"- \{name: OMP_NUM_THREADS, value: \"2\"\}",
        "- {name: EMBEDKIT_API_KEY, value: abcdefgh}",
        "secret in clear",
    ),
    "a handler that fails": (
        "hf-endpoint",
        "handler.py",
        "load\\(folder",
        "load(folder / 'x'",
        "does not answer",
    ),
    "a graph that is not there": (
        "hf-endpoint",
        "handler.py",
        'graph="onnx"',
        'graph="onnx-int8"',
        "does not answer",
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_that_would_fail_is_found(
    name: str, made: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target, file, before, after, wanted = EDITS[name]
    folder = Path(shutil.copytree(made(target), tmp_path / target))
    text = (folder / file).read_text(encoding="utf-8")
    edited = re.sub(before, after, text, flags=re.MULTILINE)
    assert edited != text
    (folder / file).write_text(edited, encoding="utf-8")
    with pytest.raises(AnswerNoError):
        check(folder)
    assert wanted in capsys.readouterr().out


def test_the_manifests_are_what_the_issue_asks_for(made: Callable[[str], Path]) -> None:
    text = (made("kserve") / "kubernetes.yml").read_text(encoding="utf-8")
    kinds = {document["kind"] for document in yaml.safe_load_all(text)}
    assert kinds >= {"Deployment", "Service", "HorizontalPodAutoscaler", "NetworkPolicy"}


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        (ContainerSettings(name="A_b"), "--name"),
        (ContainerSettings(name="a" * 64), "63"),
        (ContainerSettings(image="a b"), "--image"),
        (ContainerSettings(port=80), "--port"),
        (ContainerSettings(replicas=0), "--replicas"),
    ],
)
def test_a_name_that_is_refused_writes_nothing(
    settings: ContainerSettings, wanted: str, run: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=wanted):
        make("kserve", run, tmp_path / "out", settings)
    assert not list(tmp_path.iterdir())
