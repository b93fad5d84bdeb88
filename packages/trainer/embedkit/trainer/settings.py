"""`embedkit config`: write a good cfg.json, check one, show what counts and where each value came from."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from embedkit.config import ConfigError, Loaded, load_config
from embedkit.console import out, out_json, say
from embedkit.data.jsonl import read_objects
from embedkit.data.records import DEFAULT_PATHS
from embedkit.errors import AnswerNoError
from embedkit.files import STDIO, refuse_existing, write_text
from embedkit.trainer.config import ROWS_OF_A_CONCEPT, RunConfig

DEFAULT_CONFIG = Path("cfg.json")
# What `config init` writes: the fields a person changes first; the rest are defaults (`config show`).
_FIRST_FIELDS: Mapping[str, tuple[str, ...]] = {
    "train": ("loss", "batching", "batch_size", "epochs", "max_length", "temperature", "symmetric"),
    "optim": ("lr", "warmup_ratio", "scheduler"),
    "data": ("pairs_path", "max_hard_negatives"),
    "output": ("save_dir", "save_name"),
}
# The recipe that measured best at equal time (docs/recipes.md). The mined negatives are not encoded: where concepts
# have many rows, they choose which concepts share a batch.
_RECIPE: Mapping[str, Mapping[str, Any]] = {
    "train": {"batch_size": 64, "epochs": 4, "max_length": 128, "temperature": 0.05, "symmetric": True},
    "optim": {"lr": 2e-4},
    "data": {"max_hard_negatives": 0},
}
# Where concepts have many rows, a batch holds few concepts and a pass sees each of them often.
_OF_MANY_ROWS: Mapping[str, Mapping[str, Any]] = {"train": {"batch_size": 128}, "optim": {"lr": 1e-4}}


def find_config(path: Path | None) -> Path | None:
    """The config file that a command without `--config` uses: cfg.json, where there is one."""
    return DEFAULT_CONFIG if path is None and DEFAULT_CONFIG.is_file() else path


def load_run_config(path: Path | None, *, sets: Sequence[str] = ()) -> Loaded[RunConfig]:
    """Read and check cfg.json under environment and flags; `ConfigError` holds all problems."""
    return load_config(RunConfig, find_config(path), sets=sets)


def starter_config(*, many_rows: bool = False) -> dict[str, Any]:
    """The JSON object that `config init` writes; `many_rows` says that concepts have `ROWS_OF_A_CONCEPT` or more."""
    values = RunConfig().model_dump(mode="json")
    sections = {
        name: {key: values[name][key] for key in keys}
        | dict(_RECIPE.get(name, {}))
        | dict(_OF_MANY_ROWS.get(name, {}) if many_rows else {})
        for name, keys in _FIRST_FIELDS.items()
    }
    return {"model_id": values["model_id"], "seed": values["seed"], **sections}


def config_init(*, output: Path, pairs: Path | None = None, force: bool = False) -> None:
    """Write the starter config that suits `pairs`, by default the rows that `train` would find.

    Raises:
        UserError: `pairs` cannot be read, or `output` is there and is kept.
    """
    refuse_existing(output, force=force)
    file = pairs or next((path for path in DEFAULT_PATHS if path.is_file()), None)
    rows, concepts = _counted(file) if file else (0, 0)
    config = starter_config(many_rows=concepts > 0 and rows >= ROWS_OF_A_CONCEPT * concepts)
    if pairs:
        config["data"]["pairs_path"] = str(pairs)
    write_text(output, json.dumps(config, ensure_ascii=False, indent=2) + "\n")
    if concepts:
        say(
            "{file}: {rows} rows of {concepts} concepts: batches of {batch_size}, learning rate {lr}",
            file=file,
            rows=rows,
            concepts=concepts,
            batch_size=config["train"]["batch_size"],
            lr=config["optim"]["lr"],
        )
    if str(output) != STDIO:
        say("{path} written; `embedkit config show --config {path} --origin` explains it", path=output)


def _counted(pairs: Path) -> tuple[int, int]:
    """Rows that name their concept, and concepts."""
    per_concept = Counter(str(row["group"]) for _, row in read_objects(pairs) if row.get("group"))
    return per_concept.total(), len(per_concept)


def config_validate(file: Path, *, as_json: bool = False) -> None:
    """Say whether `file` is a right config.

    Raises:
        AnswerNoError: it is not; the message holds every problem.
    """
    try:
        load_config(RunConfig, file)
    except ConfigError as error:
        if as_json:
            out_json({"valid": False, "problems": list(error.problems)})
        raise AnswerNoError(str(error)) from None
    if as_json:
        out_json({"valid": True, "problems": []})
    else:
        say("{path} is valid", path=file)


def config_show(
    *, config: Path | None, sets: Sequence[str] = (), origin: bool = False, as_json: bool = False
) -> None:
    """Print the resolved config as JSON, or a line per field with its origin."""
    loaded = load_run_config(config, sets=sets)
    values = loaded.config.model_dump(mode="json")
    if as_json:
        out_json({"config": values, "origins": dict(loaded.origins)} if origin else values)
    elif origin:
        for key, won in sorted(loaded.origins.items()):
            out(f"{key} = {json.dumps(_lookup(values, key), ensure_ascii=False)}  ({won})")
    else:
        out(json.dumps(values, ensure_ascii=False, indent=2))


def config_schema() -> None:
    """Print the JSON Schema that editors check cfg.json with."""
    out(json.dumps(RunConfig.model_json_schema(), ensure_ascii=False, indent=2))


def _lookup(values: dict[str, Any], key: str) -> Any:
    found: Any = values
    for part in key.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found
