"""What TensorBoard, W&B, MLflow and Trackio hold of the run that scripts/test-trackers.sh trained and went on with."""

# ruff: noqa: S101 (a script that checks)
from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

STEPS = [1, 2, 3, 4]
WANTED = {
    "train/loss",
    "train/learning_rate",
    "train/grad_norm",
    "train/epoch",
    "eval/loss",
    "eval/ndcg_at_10",
}
# The steps of each metric, and the batch size that stands among the parameters.
Found = tuple[dict[str, list[int]], str]


def tensorboard() -> Found:
    """The event files of the run's folder, as one run."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = Path("runs/x/checkpoints/tensorboard")
    events = EventAccumulator(str(folder))
    events.Reload()
    steps = {tag: [event.step for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    (settings,) = folder.rglob("hparams.yml")
    line = next(line for line in settings.read_text().splitlines() if line.startswith("train.batch_size:"))
    return steps, line.split()[-1].strip("'")


def wandb() -> Found:
    """The offline runs, which `wandb sync` joins by their id."""
    files = sorted(Path("wandb").glob("offline-run-*/run-*.wandb"))
    assert len(files) == 2, files
    assert len({path.name for path in files}) == 1, files
    steps: dict[str, list[int]] = {}
    batch_size = ""
    for path in files:
        for record in wandb_records(path):
            found = {"/".join(item.nested_key) or item.key: item.value_json for item in record.history.item}
            for name in found.keys() & WANTED:
                steps.setdefault(name, []).append(int(found["_step"]))
            for item in (*record.run.config.update, *record.config.update):
                if "train.batch_size" in (item.key, *item.nested_key):
                    batch_size = json.loads(item.value_json)
    return {name: sorted(set(found)) for name, found in steps.items()}, str(batch_size)


def wandb_records(path: Path) -> Iterator[object]:
    """The records of a W&B log: LevelDB's log format after a head of seven bytes."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, block, parts = path.read_bytes(), 7, 32768, b""
    while at + 7 <= len(data):
        if block - at % block < 7:
            at += block - at % block
            continue
        length, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        parts += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            record = Record()
            record.ParseFromString(parts)
            parts = b""
            yield record


def mlflow() -> Found:
    """The one run of the experiment."""
    import mlflow

    known = json.loads(Path("runs/x/tracking.json").read_text())
    client = mlflow.MlflowClient()
    run = client.get_run(known["run_id"])
    assert len(client.search_runs([run.info.experiment_id])) == 1
    steps = {
        name: sorted({one.step for one in client.get_metric_history(known["run_id"], name)})
        for name in run.data.metrics
    }
    return steps, run.data.params["train.batch_size"]


def trackio() -> Found:
    """The one run of the project."""
    from trackio.sqlite_storage import SQLiteStorage

    (name,) = SQLiteStorage.get_runs("embedkit")
    steps: dict[str, list[int]] = {}
    for line in SQLiteStorage.get_logs("embedkit", name):
        for metric in line.keys() & WANTED:
            steps.setdefault(metric, []).append(line["step"])
    config = SQLiteStorage.get_run_config("embedkit", name)
    return {metric: sorted(set(found)) for metric, found in steps.items()}, str(config["train.batch_size"])


for look in (tensorboard, wandb, mlflow, trackio):
    held, size = look()
    assert held.keys() >= WANTED, (look.__name__, sorted(held))
    assert held["train/loss"] == STEPS, (look.__name__, held["train/loss"])
    assert size == "8", (look.__name__, size)
    print(f"{look.__name__}: {len(held)} metrics, steps {held['train/loss']}, parameters there")
