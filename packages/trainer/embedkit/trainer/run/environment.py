"""environment.json: versions, machine and number format of a run, and the hashes of what it began with."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch

from embedkit.data.manifest import versions
from embedkit.errors import UserError
from embedkit.files import write_text
from embedkit.models.run_folder import ENVIRONMENT, NEW_TOKENS
from embedkit.trainer.config import RunConfig
from embedkit.trainer.model.precision import device_name
from embedkit.trainer.rows.store import RowSummary
from embedkit.trainer.run.plan import TrainPlan
from embedkit.trainer.step.processes import world_size


def write_environment(
    run: Path, config: RunConfig, plan: TrainPlan, *, rows: RowSummary, base_weights: str
) -> None:
    """Write environment.json, and the new tokens if there are some; `base_weights` is the hash of the base model's."""
    value = {
        "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
        "platform": platform.platform(),
        "device": config.device,
        "device_name": device_name(config.device),
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "processes": world_size(),
        "dtype": plan.dtype,
        "dtype_reason": plan.dtype_reason,
        "seed": config.seed,
        "base_weights": base_weights,
        "data": {"paths": rows.paths, "sha256": rows.sha256, "rows": rows.rows},
    }
    write_text(run / ENVIRONMENT, json.dumps(value, ensure_ascii=False, indent=2) + "\n")
    if plan.vocabulary is not None:
        write_text(run / NEW_TOKENS, "".join(f"{token}\n" for token in plan.vocabulary.tokens))


def saved_tokens(run: Path) -> tuple[str, ...]:
    """The new tokens that a run began with."""
    path = run / NEW_TOKENS
    return tuple(path.read_text(encoding="utf-8").split()) if path.is_file() else ()


def write_kept_epoch(run: Path, epoch: float) -> None:
    """Add to environment.json how many epochs the weights of the model had."""
    value = json.loads((run / ENVIRONMENT).read_text(encoding="utf-8")) | {"kept_epoch": epoch}
    write_text(run / ENVIRONMENT, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What a run began with: hashes of its rows and of its base model, processes; empty where that is not known."""

    rows: str = ""
    base_weights: str = ""
    processes: int = 0


def start_of(run: Path) -> Start:
    """What the run's environment.json says that it began with."""
    path = run / ENVIRONMENT
    if not path.is_file():
        return Start()
    value = json.loads(path.read_text(encoding="utf-8"))
    data = value.get("data") or {}
    return Start(
        rows=str(data.get("sha256") or ""),
        base_weights=str(value.get("base_weights") or ""),
        processes=int(value.get("processes") or 0),
    )


def require_same_start(run: Path, config: RunConfig, *, rows: RowSummary, base_weights: str) -> None:
    """Raise `UserError` when rows, base model or number of processes are not those that the run began with."""
    before, now = start_of(run), world_size()
    if before.rows not in ("", rows.sha256):
        raise UserError(
            "the rows have changed since the run began",
            place=", ".join(rows.paths),
            hint="put the file back, or start anew with --force",
        )
    if before.base_weights not in ("", base_weights):
        raise UserError(
            "the base model has changed since the run began",
            place=config.model_id,
            hint="put it back, or start anew with --force",
        )
    if before.processes not in (0, now):
        raise UserError(
            "the run began with {before} processes, and these are {now}: its batches would be others",
            place=str(run),
            hint="start as many, or start anew with --force",
            before=before.processes,
            now=now,
        )
