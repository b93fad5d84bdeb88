"""Which shard this process makes: by the options, else by the environment variables of its launcher."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from embedkit.errors import UserError

# Name, number and count, the most particular first: torchrun and MPI run inside Slurm, too.
_LAUNCHERS = (
    ("torchrun", "RANK", "WORLD_SIZE"),
    ("MPI", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("MPI", "PMI_RANK", "PMI_SIZE"),
    ("a Slurm array", "SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT"),
    ("Slurm", "SLURM_PROCID", "SLURM_NTASKS"),
)
_KUBERNETES = "JOB_COMPLETION_INDEX"


@dataclass(frozen=True, slots=True)
class Place:
    """The shards that this process makes, their total number, and the launcher that decided it."""

    indices: tuple[int, ...]
    count: int
    said_by: str = ""


def place_of(environment: Mapping[str, str], *, shards: int, shard_index: int | None) -> Place:
    """Decide by the options (0 and None where not given), else by the environment, else one process makes all.

    Raises:
        UserError: an index without a count, or beyond it.
    """
    said_by = ""
    if shard_index is None:
        said_by, shard_index, launched = _launched(environment)
        shards = shards or launched
    if shard_index is None:
        return Place(tuple(range(shards or 1)), shards or 1)
    if not shards:
        raise UserError(
            "shard {index} is asked for, but not the number of shards",
            hint="--shards N; every process is given the same number",
            index=shard_index,
        )
    if shard_index >= shards:
        raise UserError(
            "there is no shard {index} of {shards}",
            hint="the last is {last}",
            index=shard_index,
            shards=shards,
            last=shards - 1,
        )
    return Place((shard_index,), shards, said_by)


def _launched(environment: Mapping[str, str]) -> tuple[str, int | None, int]:
    for name, number, count in _LAUNCHERS:
        if number in environment and count in environment:
            own = _number(environment, number)
            if "ARRAY" in number:  # --array=10-18:2 numbers its tasks so
                step = _number(environment, "SLURM_ARRAY_TASK_STEP") or 1
                own = (own - _number(environment, "SLURM_ARRAY_TASK_MIN")) // step
            return name, own, _number(environment, count)
    if _KUBERNETES in environment:
        return "Kubernetes", _number(environment, _KUBERNETES), 0
    return "", None, 0


def _number(environment: Mapping[str, str], name: str) -> int:
    value = environment.get(name, "0")
    if not value.isdecimal():
        raise UserError(
            "{name}={value!r} is not a number",
            hint="--shards and --shard-index decide instead",
            name=name,
            value=value,
        )
    return int(value)
