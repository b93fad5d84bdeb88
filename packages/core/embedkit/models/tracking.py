"""A run in MLflow: settings, numbers, hashes of the rows, files, the model, and later what an evaluation found.

Where it goes is MLflow's own environment: `MLFLOW_TRACKING_URI`, `MLFLOW_EXPERIMENT_NAME`, `MLFLOW_RUN_ID`, which Azure
ML and Databricks set; without any, `mlflow.db` and `mlruns/` here. The run's folder remembers its run in MLflow, so
that `--resume` and `evaluate` go on with it.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from embedkit.console import say, warn
from embedkit.data.manifest import versions
from embedkit.errors import UserError
from embedkit.extras import require
from embedkit.files import write_text
from embedkit.models.kinds import scores_pairs
from embedkit.models.run_folder import CARD, CONFIG, ENVIRONMENT, MODEL, TRACKING

_EXPERIMENT = "embedkit"
_MOST_PARAMS = 100  # in one request
_LONGEST = 500  # characters of a parameter that every server takes
_NEEDED = ("sentence-transformers", "transformers", "torch", "numpy")
_UNSAFE = re.compile(r"[^\w\-. /:]")
_CREDENTIALS = re.compile(r"//[^/@]*@")


class MlflowRun:
    """The tracker of one training. What a server refuses on the way is a warning; training goes on."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._mlflow = _mlflow()

    def start(self) -> None:
        """Begin the run in MLflow, or go on with it, and send what it starts with.

        Raises:
            UserError: MLflow cannot be reached.
        """
        mlflow, known = self._mlflow, read_tracking(self._run)
        run_id = os.environ.get("MLFLOW_RUN_ID") or known.get("run_id")
        try:
            if not run_id and not os.environ.get("MLFLOW_EXPERIMENT_ID"):
                mlflow.set_experiment(os.environ.get("MLFLOW_EXPERIMENT_NAME", _EXPERIMENT))
            active = mlflow.start_run(run_id=run_id, run_name=None if run_id else self._run.name)
            self._send_start(mlflow.get_run(active.info.run_id).data.params)
        except (mlflow.exceptions.MlflowException, OSError) as error:
            raise UserError(
                "MLflow refuses the run: {reason}",
                place=_CREDENTIALS.sub("//", mlflow.get_tracking_uri()),
                hint="check MLFLOW_TRACKING_URI, or take mlflow out of output.report_to",
                reason=_first_line(error),
            ) from error
        _write_tracking(self._run, run_id=active.info.run_id, uri=mlflow.get_tracking_uri())

    def _send_start(self, sent: Mapping[str, str]) -> None:
        environment = json.loads((self._run / ENVIRONMENT).read_text(encoding="utf-8"))
        data = environment.get("data") or {}
        self._mlflow.set_tags(
            {
                "embedkit.rows_sha256": data.get("sha256", ""),
                "embedkit.base_weights": environment.get("base_weights", ""),
                "embedkit.version": environment.get("versions", {}).get("embedkit-toolkit", ""),
            }
        )
        for name in (CONFIG, ENVIRONMENT):
            self._mlflow.log_artifact(str(self._run / name))
        config = json.loads((self._run / CONFIG).read_text(encoding="utf-8"))
        new = [(key, value) for key, value in _flat(config) if key not in sent]
        for start in range(0, len(new), _MOST_PARAMS):
            self._mlflow.log_params(dict(new[start : start + _MOST_PARAMS]))

    def log(self, values: Mapping[str, float], *, step: int) -> None:
        """Send numbers of one step."""
        with _warned(self._mlflow):
            self._mlflow.log_metrics({_safe(name): float(value) for name, value in values.items()}, step=step)

    def finish(self) -> None:
        """End the run in MLflow."""
        with _warned(self._mlflow):
            self._mlflow.end_run()


def log_model(run: Path) -> None:
    """Send a run's model, in MLflow's sentence-transformers flavour (a cross-encoder as files), and its card; nothing
    where it is not tracked.
    """
    known = read_tracking(run)
    if not known:
        return
    from sentence_transformers import SentenceTransformer

    from embedkit.models.quiet import quiet_libraries

    mlflow = _mlflow(known)
    with _warned(mlflow), quiet_libraries(), mlflow.start_run(run_id=known["run_id"]):
        mlflow.log_artifact(str(run / MODEL / CARD))
        if scores_pairs(run / MODEL):
            mlflow.log_artifacts(str(run / MODEL), MODEL)
            return
        model = SentenceTransformer(str(run / MODEL), device="cpu")
        sample = ["embedkit"]
        info = mlflow.sentence_transformers.log_model(
            model,
            name=MODEL,
            signature=mlflow.models.infer_signature(sample, model.encode(sample)),
            pip_requirements=[f"{name}=={number.split('+')[0]}" for name, number in _pins()],
        )
        _write_tracking(run, **{**known, "model_uri": info.model_uri})
        say("MLflow: run {run}, model {model}", run=known["run_id"], model=info.model_uri)


def log_evaluation(run: Path, folder: Path, *, verdict: str, metrics: Mapping[str, float]) -> None:
    """Add what an evaluation wrote in `folder` to the run in MLflow; nothing without a tracked run."""
    known = read_tracking(run)
    if not known:
        return
    mlflow = _mlflow(known)
    with _warned(mlflow):
        client = mlflow.MlflowClient()
        for name in ("metrics.json", "report.html"):
            if (folder / name).is_file():
                client.log_artifact(known["run_id"], str(folder / name))
        client.set_tag(known["run_id"], "embedkit.verdict", verdict)
        for name, value in metrics.items():
            client.log_metric(known["run_id"], _safe(name), value)
        say("MLflow: the report is in run {run}", run=known["run_id"])


def read_tracking(run: Path) -> dict[str, str]:
    """The run in MLflow that a run's folder remembers; empty where it was not tracked."""
    path = run / TRACKING
    found: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found


def _write_tracking(run: Path, **values: str) -> None:
    values["uri"] = _CREDENTIALS.sub("//", values["uri"])
    write_text(run / TRACKING, json.dumps(values, indent=2) + "\n")


def _mlflow(known: Mapping[str, str] | None = None) -> Any:
    mlflow = require("mlflow", extra="train")
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    if known and not os.environ.get("MLFLOW_TRACKING_URI"):
        mlflow.set_tracking_uri(known["uri"])
    return mlflow


@contextmanager
def _warned(mlflow: Any) -> Iterator[None]:
    """Make a warning of what MLflow raises."""
    try:
        yield
    except (mlflow.exceptions.MlflowException, OSError) as error:
        warn("MLflow: {reason}", reason=_first_line(error))


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def _pins() -> list[tuple[str, str]]:
    found = versions(*_NEEDED)
    return [(name, str(found[name])) for name in _NEEDED if found.get(name)]


def _safe(name: str) -> str:
    """A metric's name in characters that every server takes; `@` is written as in `ndcg_at_10`."""
    return _UNSAFE.sub("_", name.replace("@", "_at_"))


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(value)[:_LONGEST]
