"""What is deployed: a run or another model, its export, and the rows and the base model that a cloud trains it from."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedkit.console import say
from embedkit.errors import UserError
from embedkit.models.resolve import RANKER, ModelSource, weights_hash
from embedkit.models.run_folder import Run, run_of
from embedkit.ranking.hybrid.shares import keep_shares, shares_of
from embedkit.serving.exporter import EXPORTS, RECORD, ExportOptions, export
from embedkit.serving.score import load
from embedkit.serving.server import name_of

GRAPHS = ("onnx", "onnx-int8")
# The scorer reads these, and the graph that is named; not the weights for torch, which are as large again.
_SCORED = ("*.json", "1_Pooling/*", "README*", "LICEN[CS]E*", "NOTICE*")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploySource:
    """A model with its export and the record of that."""

    name: str
    model: ModelSource
    export: Path
    record: Mapping[str, Any]
    graph: str

    def copy_export(self, target: Path) -> None:
        """Copy what the scorer reads."""
        files = [
            path
            for pattern in _SCORED
            for path in self.export.glob(pattern)
            if path.is_file() and path.name != RANKER
        ]
        files += [self.export / name for name in self.record["graphs"][self.graph]["sha256"]]
        for path in sorted(files):
            copy = target / path.relative_to(self.export)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        record = {**self.record, "graphs": {self.graph: self.record["graphs"][self.graph]}}
        (target / RECORD).write_text(
            json.dumps(record, ensure_ascii=False, indent=2) + "\n", encoding="utf-8"
        )
        keep_shares(shares_of(self.model), target)

    def copy_model(self, target: Path) -> None:
        """Copy what torch reads. `copyfile` leaves out the modes: weights are written for their owner alone."""
        for path in sorted(self.export.rglob("*")):
            below = path.relative_to(self.export)
            if path.is_file() and below.parts[0] not in ("onnx", "openvino", RECORD, RANKER):
                (target / below).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target / below)
        keep_shares(shares_of(self.model), target)


SAMPLE_REQUEST = {
    "input": ["PWM", "What does a Schottky diode do?", "쇼트키 다이오드는 어디에 쓰나요?"],
    "input_type": "query",
}


def find_source(source: ModelSource, *, exported: Path | None, graph: str) -> DeploySource:
    """The model with its export, which is made where there is none yet.

    Raises:
        UserError: there is no such export, or it is of another model or without the graph.
    """
    folder = exported or Path(EXPORTS) / short_name(source)
    if exported is None and not folder.exists():
        say("no export yet: writing {folder}", folder=folder)
        with redirect_stdout(io.StringIO()):  # its path is no answer to this command
            export(ExportOptions(model=source.requested, to=GRAPHS, output=folder))
    record = read_export(folder)
    _require_same(folder, record, source.path)
    if graph not in record["graphs"]:
        raise UserError(
            "has no graph {graph!r}",
            place=str(folder),
            hint="embedkit export --model {model} --to {graph} --output {folder} --force",
            graph=graph,
            model=source.requested,
            folder=folder,
        )
    load(folder, graph=graph)  # a model with layers that only torch has is refused here
    return DeploySource(
        name=short_name(source),
        model=source,
        export=folder,
        record=record,
        graph=graph,
    )


def short_name(source: ModelSource) -> str:
    """The last part of what clients call a model."""
    return Path(name_of(source)).name


def read_export(folder: Path) -> Mapping[str, Any]:
    """The record of an export.

    Raises:
        UserError: the folder is none.
    """
    try:
        record: Mapping[str, Any] = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        missing = [name for graph in record["graphs"].values() for name in graph["sha256"]]
        missing = [name for name in ("tokenizer.json", *missing) if not (folder / name).is_file()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        missing, record = [RECORD], {}
    if missing:
        raise UserError(
            "is no whole export: {missing} is missing or damaged",
            place=str(folder),
            hint="embedkit export --model runs/NAME --to onnx --to onnx-int8 writes one",
            missing=missing[0],
        )
    return record


def _require_same(folder: Path, record: Mapping[str, Any], model: str) -> None:
    if record.get("weights") != weights_hash(model):
        raise UserError(
            "is an export of other weights than {model}",
            place=str(folder),
            hint="embedkit export --model {model} --to onnx --to onnx-int8 --output {folder} --force",
            model=model,
            folder=folder,
        )


def require_run(source: ModelSource) -> Run:
    """The run that a model is of, whose rows are there.

    Raises:
        UserError: the model is no run, or its rows are gone.
    """
    run = run_of(source)
    if run is None:
        raise UserError(
            "is no run: there is no recipe and there are no rows to train it from",
            place=source.requested,
            hint="name a run (runs/NAME); deploy docker, kserve and hf-endpoint take any model",
        )
    if not run.trained_on:
        raise UserError(
            "the rows that the run was trained on are not there",
            place=str(run.folder),
            hint="run this where its data.pairs_path leads to them",
        )
    return run
