"""`embedkit deploy azure`: the folder, its bytes, and each check with an edit that it must find."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from embedkit.errors import AnswerNoError, UserError
from embedkit.serving.deploy.azure import AzureSettings
from embedkit.serving.deploy.targets import DeployOptions, check, deploy


@pytest.fixture(scope="module")
def written(run: Path) -> Path:
    return make(run, run.parents[1] / "azure")


def make(run: Path, output: Path, **settings: Any) -> Path:
    options = DeployOptions(model=str(run), output=output, export=run.parents[1] / "export")
    return deploy("azure", AzureSettings(**settings), options)


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "azure"))


def test_the_folder_is_right_and_whole(written: Path) -> None:
    names = {path.relative_to(written).as_posix() for path in written.rglob("*") if path.is_file()}
    assert names >= {
        *(f"azureml/{n}.yml" for n in ("data", "environment", "job", "model", "endpoint", "deployment")),
        *("environment/train.yml", "environment/serve.yml", "src/score.py", "src/run_embedkit.py"),
        *("sample-request.json", "notebooks/azureml.ko.ipynb", "notebooks/azureml.en.ipynb"),
        *(".github/workflows/azureml.yml", "README.md", "README.ko.md", "data/pairs.test.jsonl"),
        *("model/export.json", "model/onnx/model.onnx", "data/base-model/model.safetensors"),
    }
    assert "model/model.safetensors" not in names
    assert check(written) == []


def test_the_same_export_gives_the_same_bytes(run: Path, written: Path, tmp_path: Path) -> None:
    again = make(run, tmp_path / "again")
    for path in sorted(written.rglob("*")):
        if path.is_file():
            assert path.read_bytes() == (again / path.relative_to(written)).read_bytes(), path.name


def test_no_file_names_this_machine(written: Path) -> None:
    for path in written.rglob("*"):
        if path.is_file() and path.suffix not in (".whl", ".onnx", ".safetensors", ".jsonl"):
            assert str(written.parent) not in path.read_text(encoding="utf-8"), path.name


def test_readmes_name_the_variables_and_their_costs(written: Path) -> None:
    for name in ("README.md", "README.ko.md"):
        text = (written / name).read_text(encoding="utf-8")
        for variable in (
            *("AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP"),
            *("AZUREML_WORKSPACE_NAME", "AZUREML_COMPUTE_NAME"),
        ):
            assert re.search(rf"^\| `{variable}` \|[^|]+\|[^|]+\|$", text, re.MULTILINE), variable


def test_several_gpus_are_one_distributed_job(run: Path, tmp_path: Path) -> None:
    folder = make(run, tmp_path / "azure", gpus=4, nodes=2, traffic=("green=90", "blue=10"))
    job = yaml.safe_load((folder / "azureml" / "job.yml").read_text(encoding="utf-8"))
    assert job["distribution"] == {"type": "pytorch", "process_count_per_instance": 4}
    assert job["resources"]["instance_count"] == 2
    endpoint = yaml.safe_load((folder / "azureml" / "endpoint.yml").read_text(encoding="utf-8"))
    assert endpoint["traffic"] == {"green": 90, "blue": 10}
    assert check(folder) == []


JOB, DEPLOYMENT, ENDPOINT = "azureml/job.yml", "azureml/deployment.yml", "azureml/endpoint.yml"
WORKFLOW = ".github/workflows/azureml.yml"
EDITS: dict[str, tuple[str, Callable[[dict[str, Any]], object], str]] = {
    "endpoint of 40 characters": (ENDPOINT, lambda c: c.update(name="e" * 40), "3 to 32"),
    "endpoint of 2 characters": (ENDPOINT, lambda c: c.update(name="ab"), "3 to 32"),
    "endpoint in capitals": (ENDPOINT, lambda c: c.update(name="Embed-X"), "3 to 32"),
    "endpoint with an underscore": (ENDPOINT, lambda c: c.update(name="embed_x"), "3 to 32"),
    "endpoint that ends in a dash": (ENDPOINT, lambda c: c.update(name="embed-"), "3 to 32"),
    "deployment of 40 characters": (DEPLOYMENT, lambda c: c.update(name="d" * 40), "3 to 32"),
    "traffic of 90 %": (ENDPOINT, lambda c: c.update(traffic={"blue": 60, "green": 30}), "sum to 90"),
    "traffic of 110 %": (ENDPOINT, lambda c: c.update(traffic={"blue": 60, "green": 50}), "sum to 110"),
    "traffic below zero": (ENDPOINT, lambda c: c.update(traffic={"blue": 120, "green": -20}), "0 to 100"),
    "request of 400 s": (
        DEPLOYMENT,
        lambda c: c["request_settings"].update(request_timeout_ms=400_000),
        "180000 ms",
    ),
    "queue of 200 s": (
        DEPLOYMENT,
        lambda c: c["request_settings"].update(max_queue_wait_ms=200_000),
        "180000 ms",
    ),
    "undeclared input": (
        JOB,
        lambda c: c.update(command=c["command"] + " && echo ${{inputs.corpus}}"),
        "inputs.corpus is not declared",
    ),
    "undeclared output": (
        JOB,
        lambda c: c.update(command=c["command"] + " && ls ${{ outputs.vectors }}"),
        "outputs.vectors is not declared",
    ),
    "scoring file": (
        DEPLOYMENT,
        lambda c: c["code_configuration"].update(scoring_script="scores.py"),
        "no 'scores.py'",
    ),
    "code folder of the service": (
        DEPLOYMENT,
        lambda c: c["code_configuration"].update(code="../source"),
        "no '../source'",
    ),
    "no code folder": (DEPLOYMENT, lambda c: c.pop("code_configuration"), "no code folder"),
    "code folder of the job": (JOB, lambda c: c.update(code="../source"), "no '../source'"),
    "no machine": (DEPLOYMENT, lambda c: c.update(instance_count=0), "at least 1"),
    "a machine of text": (DEPLOYMENT, lambda c: c.update(instance_count="1"), "at least 1"),
    "no node": (JOB, lambda c: c["resources"].update(instance_count=0), "at least 1"),
    "no process": (
        JOB,
        lambda c: c.update(distribution={"type": "pytorch", "process_count_per_instance": 0}),
        "at least 1",
    ),
    "integer variable of the service": (
        DEPLOYMENT,
        lambda c: c["environment_variables"].update(EMBEDKIT_MAX_TEXTS=256),
        "256 is not a text",
    ),
    "integer variable of the job": (JOB, lambda c: c["environment_variables"].update(N=1), "1 is not a text"),
    "compute without azureml:": (JOB, lambda c: c.update(compute="gpu-cluster"), "begin with azureml:"),
    "compute of 40 characters": (JOB, lambda c: c.update(compute="azureml:" + "c" * 40), "2 to 32"),
    "a machine that Azure has not": (
        DEPLOYMENT,
        lambda c: c.update(instance_type="ml.m5.large"),
        "no Azure machine",
    ),
    "another endpoint": (DEPLOYMENT, lambda c: c.update(endpoint_name="other"), "endpoint.yml"),
    "another model": (DEPLOYMENT, lambda c: c.update(model="azureml:other@latest"), "registers"),
    "another environment": (JOB, lambda c: c.update(environment="azureml:other:1"), "registers"),
    "a flag that train has not": (
        JOB,
        lambda c: c.update(command=c["command"].replace("--resume", "--continue")),
        "--continue",
    ),
    "a command that embedkit has not": (
        JOB,
        lambda c: c.update(command=c["command"].replace('py" train', 'py" learn')),
        "learn",
    ),
    "rows that are gone": ("azureml/data.yml", lambda c: c.update(path="../rows"), "no '../rows'"),
    "conda file": ("azureml/environment.yml", lambda c: c.update(conda_file="../e.yml"), "no '../e.yml'"),
    "an open version": (
        "environment/serve.yml",
        lambda c: c["dependencies"][-1]["pip"].append("onnx>=1"),
        "pinned",
    ),
    "no token": (
        WORKFLOW,
        lambda c: c["jobs"]["release"].update(permissions={"contents": "read"}),
        "id-token",
    ),
    "no environment": (WORKFLOW, lambda c: c["jobs"]["release"].pop("environment"), "subject"),
    "no roll back": (
        WORKFLOW,
        lambda c: c["jobs"]["release"].update(
            steps=[s for s in c["jobs"]["release"]["steps"] if s.get("name") != "roll back"]
        ),
        "gives the traffic back",
    ),
    "no smoke test": (
        WORKFLOW,
        lambda c: c["jobs"]["release"].update(
            steps=[s for s in c["jobs"]["release"]["steps"] if "invoke" not in str(s.get("run"))]
        ),
        "tries the new deployment",
    ),
    "a client secret": (
        WORKFLOW,
        lambda c: c["jobs"]["release"]["steps"][1]["with"].update({"client-secret": "abc"}),
        "secret",
    ),
    "a storage key": (
        JOB,
        lambda c: c["environment_variables"].update(STORE="DefaultEndpointsProtocol=https;AccountKey=abc=="),
        "secret in clear",
    ),
    "a limit that is no number": (
        DEPLOYMENT,
        lambda c: c["environment_variables"].update(EMBEDKIT_MAX_TEXTS="many"),
        "whole number",
    ),
    "a local input that is gone": (
        JOB,
        lambda c: c["inputs"]["rows"].update(path="rows"),
        "no 'rows'",
    ),
    "a password": (
        JOB,
        lambda c: c["environment_variables"].update(DB_PASSWORD="hunter2"),
        "secret in clear",
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_that_the_cloud_would_refuse_is_found(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, change, wanted = EDITS[name]
    path = folder / file
    text = path.read_text(encoding="utf-8")
    content = yaml.load(text, Loader=yaml.BaseLoader if file == WORKFLOW else yaml.SafeLoader)
    change(content)
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    with pytest.raises(AnswerNoError):
        check(folder)
    assert wanted in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("src/score.py", "no 'score.py'"),
        ("azureml/endpoint.yml", "azureml/endpoint.yml: is missing"),
        ("sample-request.json", "sample-request.json: is missing"),
        ("environment/train.yml", "no '../environment/train.yml'"),
    ],
)
def test_a_file_that_is_gone_is_found(
    name: str, wanted: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / name).unlink()
    with pytest.raises(AnswerNoError):
        check(folder)
    assert wanted in capsys.readouterr().out


def test_a_scoring_file_without_its_functions_is_found(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "src" / "score.py").write_text("def init() -> None: ...\n")
    with pytest.raises(AnswerNoError):
        check(folder)
    assert "'score.py' has no function run()" in capsys.readouterr().out


def test_a_key_in_a_notebook_is_found(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "notebooks" / "azureml.ko.ipynb"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["cells"][1]["source"].append("key = 'AccountKey=abc=='")
    path.write_text(json.dumps(content))
    with pytest.raises(AnswerNoError):
        check(folder)
    assert "azureml.ko.ipynb: cells[1]" in capsys.readouterr().out


def test_a_fresh_checkout_without_rows_and_model_is_right(folder: Path) -> None:
    shutil.rmtree(folder / "data")
    shutil.rmtree(folder / "model")
    assert check(folder) == []


def test_broken_yaml_is_one_problem_with_its_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / JOB).write_text("type: command\ncommand: [\n", encoding="utf-8")
    with pytest.raises(AnswerNoError):
        check(folder, as_json=True)
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert problem["place"] == "azureml/job.yml:3"


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({"endpoint": "Embed"}, "--endpoint: 'Embed' is refused"),
        ({"endpoint": "e" * 33}, "3 to 32"),
        ({"name": "a b"}, "--name"),
        ({"compute": "gpu_cluster"}, "--compute"),
        ({"instance_type": "big"}, "--instance-type"),
        ({"instance_count": 0}, "--instance-count"),
        ({"gpus": 0}, "--gpus"),
        ({"timeout_ms": 180_001}, "--timeout-ms"),
        ({"traffic": ("green=90",)}, "sum to 90"),
        ({"traffic": ("green",)}, "NAME=PERCENT"),
    ],
)
def test_a_name_that_the_cloud_refuses_writes_nothing(
    settings: dict[str, Any], wanted: str, run: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=re.escape(wanted)):
        make(run, tmp_path / "azure", **settings)
    assert not list(tmp_path.iterdir())


def test_a_model_that_is_no_run_is_refused(run: Path, tiny_model: Path, tmp_path: Path) -> None:
    options = DeployOptions(
        model=str(tiny_model), output=tmp_path / "azure", export=run.parents[1] / "export"
    )
    with pytest.raises(UserError, match="is no run"):
        deploy("azure", AzureSettings(), options)
    assert not list(tmp_path.iterdir())


def test_an_export_that_is_missing_or_of_another_model_is_refused(
    run: Path, tmp_path: Path, tiny_model: Path
) -> None:
    options = DeployOptions(model=str(run), output=tmp_path / "azure", export=tmp_path)
    with pytest.raises(UserError, match="no whole export"):
        deploy("azure", AzureSettings(), options)
    other = Path(shutil.copytree(run.parents[1] / "export", tmp_path / "other"))
    record = json.loads((other / "export.json").read_text())
    (other / "export.json").write_text(json.dumps(record | {"weights": "0" * 16}))
    with pytest.raises(UserError, match="other weights"):
        deploy(
            "azure", AzureSettings(), DeployOptions(model=str(run), output=tmp_path / "azure", export=other)
        )
    assert not (tmp_path / "azure").exists()


def test_another_folder_is_kept(run: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="not written by embedkit deploy"):
        make(run, tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_the_wheel_runs_from_its_folder(written: Path) -> None:
    """As the job and the service start it: unpacked, nothing installed."""
    command = [sys.executable, "-S", "-c", CODE, str(written / "src")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "embedkit-" in done.stdout


CODE = """
import sys
sys.path.insert(0, sys.argv[1])
from run_embedkit import use_wheel
use_wheel()
import embedkit.messages, embedkit.shipped_data
print(embedkit.messages.__file__)
assert (embedkit.shipped_data.data_path("messages")).is_dir()
"""


@pytest.mark.parametrize(
    ("file", "change", "wanted"),
    [
        (JOB, {"resources": 4}, "job.yml: resources: is no mapping"),
        (JOB, {"inputs": ["rows"]}, "job.yml: inputs: is no mapping"),
        (JOB, {"environment": None}, "job.yml: environment: is missing"),
        (DEPLOYMENT, {"request_settings": 180_000}, "request_settings: is no mapping"),
        (DEPLOYMENT, {"model": None}, "deployment.yml: model: is missing"),
        (DEPLOYMENT, {"environment_variables": ["A=1"]}, "environment_variables: is no mapping"),
        (WORKFLOW, {"jobs": {"check": None}}, "'check' is no mapping"),
        (WORKFLOW, {"jobs": {"check": {"steps": "make"}}}, "steps: is no list"),
        (WORKFLOW, {"jobs": {}}, "azure/login is missing"),
        ("environment/serve.yml", {"dependencies": "numpy"}, "dependencies: is no list"),
        ("environment/serve.yml", {"dependencies": ["numpy"]}, "numpy: is not pinned"),
        ("environment/train.yml", {"dependencies": ["python=3.11"]}, "pip is missing"),
    ],
)
def test_a_value_of_another_shape_is_a_problem_and_no_traceback(
    file: str, change: dict[str, Any], wanted: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / file
    content = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    path.write_text(yaml.safe_dump(content | change), encoding="utf-8")
    with pytest.raises(AnswerNoError):
        check(folder)
    assert wanted in capsys.readouterr().out
