"""What is sent to MLflow, by a stand-in that writes down what it is told; `make test-mlflow` asks the real one."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from embedkit.errors import UserError
from embedkit.models import tracking


class FakeError(Exception):
    pass


class Fake(ModuleType):
    def __init__(self, *, broken: str = "") -> None:
        super().__init__("mlflow")
        self.told: list[tuple[str, Any]] = []
        self.params: dict[str, str] = {}
        self.broken = broken
        self.exceptions = SimpleNamespace(MlflowException=FakeError)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)

        def tell(*values: Any, **named: Any) -> None:
            if name == self.broken:
                raise FakeError("no answer\nat all")
            self.told.append((name, (values, named)))

        return tell

    def get_tracking_uri(self) -> str:
        return "https://me:secret@server/store"

    @contextmanager
    def _run(self, run_id: str) -> Iterator[Any]:
        yield SimpleNamespace(info=SimpleNamespace(run_id=run_id))

    def start_run(self, *, run_id: str | None = None, run_name: str | None = None) -> Any:
        self.told.append(("start_run", (run_id, run_name)))
        return SimpleNamespace(info=SimpleNamespace(run_id=run_id or "new"))

    def get_run(self, run_id: str) -> Any:
        return SimpleNamespace(data=SimpleNamespace(params=self.params))

    def log_params(self, params: dict[str, str]) -> None:
        self.params.update(params)

    def MlflowClient(self) -> "Fake":  # noqa: N802 (MLflow's name)
        return self

    def named(self, name: str) -> list[Any]:
        return [values for told, values in self.told if told == name]


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "x"
    folder.mkdir()
    (folder / "config.json").write_text('{"train": {"lr": 0.1}, "model_id": "m"}')
    (folder / "environment.json").write_text(
        '{"data": {"sha256": "abc"}, "base_weights": "def", "versions": {"embedkit-toolkit": "1"}}'
    )
    return folder


def use(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> Fake:
    monkeypatch.setitem(sys.modules, "mlflow", fake)
    return fake


def test_a_run_sends_settings_hashes_and_files(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = use(Fake(), monkeypatch)
    tracker = tracking.MlflowRun(run)
    tracker.start()
    tracker.log({"dev/ndcg@10": 0.5}, step=3)
    tracker.finish()
    assert fake.params == {"train.lr": "0.1", "model_id": "m"}
    assert fake.named("set_experiment") == [(("embedkit",), {})]
    assert fake.named("start_run") == [(None, "x")]
    assert fake.named("set_tags")[0][0][0]["embedkit.rows_sha256"] == "abc"
    assert [Path(v[0][0]).name for v in fake.named("log_artifact")] == ["config.json", "environment.json"]
    assert fake.named("log_metrics") == [(({"dev/ndcg_at_10": 0.5},), {"step": 3})]
    assert fake.named("end_run")


def test_the_run_is_remembered_without_a_password(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(Fake(), monkeypatch)
    tracking.MlflowRun(run).start()
    assert json.loads((run / "tracking.json").read_text()) == {"run_id": "new", "uri": "https://server/store"}


def test_a_resumed_run_goes_on_in_the_same_one(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = use(Fake(), monkeypatch)
    tracking.MlflowRun(run).start()
    tracking.MlflowRun(run).start()
    assert fake.named("start_run") == [(None, "x"), ("new", None)]
    assert len(fake.named("set_experiment")) == 1


def test_azures_run_is_used(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = use(Fake(), monkeypatch)
    monkeypatch.setenv("MLFLOW_RUN_ID", "azure-1")
    tracking.MlflowRun(run).start()
    assert fake.named("start_run") == [("azure-1", None)]
    assert not fake.named("set_experiment")


def test_a_server_that_does_not_answer_is_an_error_at_first_and_a_warning_later(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use(Fake(broken="set_experiment"), monkeypatch)
    with pytest.raises(UserError, match="MLflow refuses the run: no answer"):
        tracking.MlflowRun(run).start()
    fake = use(Fake(broken="log_metrics"), monkeypatch)
    tracker = tracking.MlflowRun(run)
    tracker.start()
    tracker.log({"loss": 1.0}, step=1)
    assert "warning: MLflow: no answer" in capsys.readouterr().err
    assert fake.named("start_run")


def test_an_evaluation_adds_its_report(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = use(Fake(), monkeypatch)
    tracking.log_evaluation(run, run, verdict="SHIP", metrics={"test/ndcg@10": 0.5})
    assert not fake.told  # the run was not tracked
    tracking.MlflowRun(run).start()
    (run / "report.html").write_text("<p>")
    tracking.log_evaluation(run, run, verdict="SHIP", metrics={"test/ndcg@10": 0.5})
    assert ("new", str(run / "report.html")) in [values for values, _ in fake.named("log_artifact")]
    assert fake.named("set_tag") == [(("new", "embedkit.verdict", "SHIP"), {})]
    assert fake.named("log_metric") == [(("new", "test/ndcg_at_10", 0.5), {})]
