"""`embedkit config`: write a good cfg.json, check one, show what counts and where each value came from."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedkit.config import ConfigError, Loaded, load_config
from embedkit.console import out, out_json, say
from embedkit.data.jsonl import read_objects
from embedkit.data.records import DEFAULT_PATHS
from embedkit.data.shapes import NAMES, Shape, shape_of
from embedkit.errors import AnswerNoError
from embedkit.files import STDIO, refuse_existing, write_text
from embedkit.messages import tr
from embedkit.models.bases import base_named, bases_for, choose_base, is_here, names_of
from embedkit.models.readable import SAMPLE_TEXTS, UNREADABLE_SHARE, unreadable_share
from embedkit.models.resolve import resolve_model
from embedkit.text import language_of
from embedkit.trainer.config import RunConfig
from embedkit.trainer.losses.registry import LOSSES
from embedkit.trainer.rows.fit import is_inference_class, losses_for

DEFAULT_CONFIG = Path("cfg.json")
AUTO = "auto"
NAMED_BASES = 3
LEAST_SHARE = 0.05
# Every so many rows one text is looked at.
SAMPLED = 10
# What `config init` writes: the fields a person changes first; the rest are defaults (`config show`).
_FIRST_FIELDS: Mapping[str, tuple[str, ...]] = {
    "loss": ("name", "temperature", "symmetric"),
    "train": ("batching", "batch_size", "epochs", "max_length"),
    "optim": ("lr", "warmup_ratio", "scheduler"),
    "data": ("pairs_path", "max_hard_negatives"),
    "output": ("save_dir", "save_name"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFacts:
    """What `config init` chooses by; `concepts` counts those that rows name, `inference` says that every class is an
    inference class; `languages` are those of a twentieth of the rows and more; `texts` are a sample.
    """

    shape: Shape = "pairs"
    rows: int = 0
    concepts: int = 0
    inference: bool = True
    languages: frozenset[str] = frozenset()
    texts: tuple[str, ...] = ()

    @property
    def loss(self) -> str:
        """The first loss of the registry that fits; classes that are no inference classes fit softmax alone."""
        fitting = losses_for(self.shape, "embedding")
        return fitting[0] if self.inference else next(n for n in fitting if LOSSES[n].rows == self.shape)


def find_config(path: Path | None) -> Path | None:
    """The config file that a command without `--config` uses: cfg.json, where there is one."""
    return DEFAULT_CONFIG if path is None and DEFAULT_CONFIG.is_file() else path


def load_run_config(path: Path | None, *, sets: Sequence[str] = ()) -> Loaded[RunConfig]:
    """Read and check cfg.json under environment and flags; `ConfigError` holds all problems."""
    return load_config(RunConfig, find_config(path), sets=sets)


def starter_config(facts: RowFacts | None = None) -> dict[str, Any]:
    """The JSON object that `config init` writes: the defaults (docs/recipes.md), but for what rows that are no pairs
    ask for.
    """
    facts = facts or RowFacts()
    values = RunConfig.model_validate({"loss": facts.loss}).model_dump(mode="json")
    if facts.shape != "pairs":
        values["train"]["batch_size"], values["optim"]["lr"] = 64, 2e-4
    if facts.shape == "texts":  # longer or faster, and vectors fall together
        values["train"]["epochs"], values["optim"]["lr"] = 1, 3e-5
    if facts.shape in ("triplets", "classed_pairs"):  # their negatives are people's, not mined
        values["data"]["max_hard_negatives"] = None
    sections = {
        name: {key: values[name][key] for key in keys if key in values[name]}
        for name, keys in _FIRST_FIELDS.items()
    }
    return {"model_id": values["model_id"], "seed": values["seed"], **sections}


def config_init(*, output: Path, pairs: Path | None = None, model: str = "", force: bool = False) -> None:
    """Write the starter config that suits `pairs`, by default the rows that `train` would find. The base model is
    `model`; with `auto` the smallest on this machine that reads the rows' languages.

    Raises:
        UserError: `pairs` cannot be read, or `output` is there and is kept.
    """
    refuse_existing(output, force=force)
    file = pairs or next((path for path in DEFAULT_PATHS if path.is_file()), None)
    facts = _row_facts(file) if file else RowFacts()
    config = starter_config(facts)
    if pairs:
        config["data"]["pairs_path"] = str(pairs)
    if model:
        _set_model(config, model, facts)
    write_text(output, json.dumps(config, ensure_ascii=False, indent=2) + "\n")
    if facts.concepts:
        say(
            "{file}: {rows} rows of {concepts} concepts: batches of {batch_size}, learning rate {lr}",
            file=file,
            rows=facts.rows,
            concepts=facts.concepts,
            batch_size=config["train"]["batch_size"],
            lr=config["optim"]["lr"],
        )
    elif facts.shape != "pairs":
        say("{file}: {shape}: loss {loss}", file=file, shape=tr(NAMES[facts.shape]), loss=facts.loss)
    _say_what_is_read(config["model_id"], facts)
    if str(output) != STDIO:
        say("{path} written; `embedkit config show --config {path} --origin` explains it", path=output)


def _set_model(config: dict[str, Any], model: str, facts: RowFacts) -> None:
    """Set the base model and, where it was trained with prompts that it does not bring, those."""
    chosen = choose_base(facts.languages) if model == AUTO else base_named(model)
    if chosen is not None:
        config["model_id"] = chosen.id
        if chosen.query_prompt:
            config["train"] |= {
                "query_prompt": chosen.query_prompt,
                "document_prompt": chosen.document_prompt,
            }
    elif model != AUTO:
        config["model_id"] = model


def _say_what_is_read(model: str, facts: RowFacts) -> None:
    """Say so when the base model cannot read the rows, and what to do about it."""
    if not facts.texts or not is_here(model):
        return
    share = unreadable_share(resolve_model(model, network=False), facts.texts)
    if share > UNREADABLE_SHARE:
        say(
            "{model} cannot read {percent} % of these rows: train adds tokens for them (train.extend_vocabulary)",
            model=model,
            percent=round(100 * share),
        )
        say(
            "models that read {languages}: {names}",
            languages=", ".join(sorted(facts.languages)),
            names=names_of(bases_for(facts.languages)[:NAMED_BASES]),
        )


def _row_facts(path: Path) -> RowFacts:
    shape: Shape | None = None
    per_concept, languages = Counter[str](), Counter[str]()
    inference, texts = True, list[str]()
    for number, (_, row) in enumerate(read_objects(path)):
        shape = shape or shape_of(row)
        text = next((value for value in row.values() if isinstance(value, str)), "")
        languages[str(row.get("lang") or language_of(text))] += 1
        if number % SAMPLED == 0 and len(texts) < SAMPLE_TEXTS:
            texts.append(text)
        if row.get("group"):
            per_concept[str(row["group"])] += 1
        inference = inference and (shape != "classed_pairs" or is_inference_class(row.get("label")))
    return RowFacts(
        shape=shape or "pairs",
        rows=per_concept.total(),
        concepts=len(per_concept),
        inference=inference,
        languages=frozenset(
            lang for lang, count in languages.items() if lang and count >= LEAST_SHARE * languages.total()
        ),
        texts=tuple(texts),
    )


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
