"""What a run says about itself: the model card, and the environment it ran in."""

from __future__ import annotations

import json
import math
import os
import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from embedkit.data.card import UNMEASURED
from embedkit.data.manifest import versions
from embedkit.data.run_folder import CARD, ENVIRONMENT
from embedkit.files import write_text
from embedkit.trainer.config import RunConfig
from embedkit.trainer.losses.sections import LossSection, TemperatureSection
from embedkit.trainer.model.precision import Precision, device_name
from embedkit.trainer.rows.store import RowSummary
from embedkit.trainer.step.processes import world_size
from embedkit.trainer.watch.dev_evaluation import Look, best_metric, is_better
from embedkit.trainer.watch.dev_metrics import DevMetrics, label

if TYPE_CHECKING:
    from embedkit.trainer.run.plan import TrainPlan

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_USE = """\
## Use

```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("model")  # the folder beside this file
queries = model.encode_query(["{query}"])
documents = model.encode_document(["{document}"])
print(model.similarity(queries, documents))
```
"""
_LIMITS = """\
## Limits

The model was tuned for the texts above. On other subjects and languages it may be worse than its base
model: measure before use with `embedkit evaluate`. It has learnt whatever its base model and the training
texts are biased towards.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFacts:
    """What the card tells. `dev` holds (epoch, metrics) of each look at the dev rows, `kept` is the one whose
    weights the model has (None: it has the last ones).
    """

    config: RunConfig
    plan: TrainPlan
    rows: RowSummary
    dev: Sequence[tuple[float, DevMetrics]]
    kept: Look | None
    stopped_early: bool
    steps: int
    seconds: float
    precision: Precision
    example: tuple[str, str]
    dimensions: int
    max_length: float


def write_environment(
    run: Path, *, device: str, precision: Precision, rows: RowSummary, config: RunConfig, base_weights: str
) -> None:
    """Write environment.json: versions, machine, number format, and the hashes of what is trained on what."""
    value = {
        "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
        "platform": platform.platform(),
        "device": device,
        "device_name": device_name(device),
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "processes": world_size(),
        "dtype": precision.dtype,
        "dtype_reason": precision.reason,
        "seed": config.seed,
        "base_weights": base_weights,
        "data": {"path": rows.path, "sha256": rows.sha256, "rows": rows.rows},
    }
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
    told = json.loads(path.read_text(encoding="utf-8"))
    data = told.get("data") or {}
    return Start(
        rows=str(data.get("sha256") or ""),
        base_weights=str(told.get("base_weights") or ""),
        processes=int(told.get("processes") or 0),
    )


def write_card(run: Path, facts: CardFacts) -> str:
    """Write README.md to the run; return the text of the copy that lies in its model folder."""
    text = card_text(facts)
    write_text(run / CARD, text)
    return text.replace(
        'SentenceTransformer("model")  # the folder beside', 'SentenceTransformer(".")  # the folder of'
    )


def card_text(facts: CardFacts) -> str:
    """The model card in Markdown with the front matter that model hubs read."""
    parts = (
        _front_matter(facts),
        _head(facts),
        *_data(facts.rows),
        _recipe(facts),
        *_looks(facts),
        UNMEASURED,
    )
    query, document = (text.replace("\\", "\\\\").replace('"', '\\"') for text in facts.example)
    use = _USE.format(query=query, document=document)
    return "\n".join(part for part in (*parts, use, _LIMITS) if part)


def _front_matter(facts: CardFacts) -> str:
    languages = "".join(f"- {lang}\n" for lang in facts.rows.languages)
    base = facts.config.model_id
    return (
        "---\nlibrary_name: sentence-transformers\npipeline_tag: sentence-similarity\n"
        + (f"base_model: {base}\n" if _is_hub_id(base) else "")
        + (f"language:\n{languages}" if languages else "")
        + "tags:\n- sentence-transformers\n- feature-extraction\n- sentence-similarity\n- embedkit\n---\n"
    )


def _is_hub_id(name: str) -> bool:
    return bool(_HUB_ID.fullmatch(name)) and not Path(name).exists()


def _base(name: str) -> str:
    """A base model's name for other people: of a folder on this machine its own name."""
    return name if _is_hub_id(name) else Path(name).name


def _head(facts: CardFacts) -> str:
    return (
        f"# {facts.config.output.save_name}\n\n"
        f"A sentence embedding model: {_base(facts.config.model_id)}, tuned with embedkit on "
        f"{facts.rows.rows} rows. It turns a text {_length(facts.max_length)} into "
        f"{facts.dimensions} numbers; texts are near when their cosine similarity is high.\n"
    )


def _length(most: float) -> str:
    return f"of up to {most} tokens" if math.isfinite(most) else "of any length"


def _data(rows: RowSummary) -> Iterator[str]:
    lines = [
        f"- File: {_names(rows.path)}" + (f", SHA-256 `{rows.sha256}`" if rows.sha256 else ""),
        f"- Rows: {rows.rows}, hard negatives: {rows.hard_negatives}",
    ]
    counts = (
        ("Languages", rows.languages),
        ("Kinds", rows.kinds),
        ("Sources", rows.sources),
        ("Licences", rows.licenses),
    )
    lines += [f"- {title}: {_counted(values)}" for title, values in counts if values]
    yield "## Training data\n\n" + "\n".join(lines) + "\n"
    bare = rows.rows - sum(rows.licenses.values())
    if bare:
        some = f"{bare} of the rows name" if rows.licenses else "The rows name"
        yield f"{some} no licence: find out before you publish the model.\n"


def _names(paths: str) -> str:
    return ", ".join(f"`{Path(path).name}`" for path in paths.split(", "))


def _counted(values: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in values.items())


def _loss(settings: LossSection) -> str:
    warm = settings.temperature if isinstance(settings, TemperatureSection) else None
    return settings.name if warm is None else f"{settings.name}, temperature {warm}"


def _recipe(facts: CardFacts) -> str:
    config, plan = facts.config, facts.plan
    train, optim = config.train, config.optim
    rows = {
        "loss": ", ".join(dict.fromkeys(map(_loss, config.losses))),
        "batch": f"{train.batch_size} rows, {plan.effective_batch_size} a step",
        "epochs, steps": f"{train.epochs}, {facts.steps} of {plan.steps}",
        "optimiser": f"{optim.name}, weight decay {optim.weight_decay}",
        "learning rate": f"{optim.lr}, {optim.scheduler}, warm-up {optim.warmup_ratio:.0%}",
        "format": facts.precision.dtype,
        "weights": f"{1 - train.base_share:.0%} trained, {train.base_share:.0%} the base model's"
        if train.base_share
        else "trained",
        "LoRA": f"merged, rank {config.lora.r}" if config.lora else "no",
        "revision of the base model": config.hf.revision or "not pinned",
        "seed": str(config.seed),
        "time": f"{facts.seconds:.0f} s",
    }
    table = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
    return f"## Training\n\n| | |\n|---|---|\n{table}\n\n`config.json` of the run holds every setting.\n"


def _looks(facts: CardFacts) -> Iterator[str]:
    """The dev rows at each look, and whose weights the model has."""
    if not facts.dev:
        return
    looks = [(epoch, metrics.measured()) for epoch, metrics in facts.dev]
    names = list(dict.fromkeys(name for _, values in looks for name in values))
    kept = facts.kept.epoch if facts.kept else looks[-1][0]
    lines = "\n".join(
        f"| {epoch:g}{' (kept)' if epoch == kept else ''} | "
        + " | ".join(f"{values[n]:.4f}" if n in values else "" for n in names)
        + " |"
        for epoch, values in looks
    )
    head = f"| epoch | {' | '.join(map(label, names))} |\n|---|{'---|' * len(names)}"
    yield f"## Dev rows\n\nEpoch 0 is the base model. {_kept(facts)}\n\n{head}\n{lines}\n"


def _kept(facts: CardFacts) -> str:
    if facts.kept is None:
        return f"The model is that after the last step, {facts.steps}."
    metric = best_metric(facts.config.train) or "loss"
    told = (
        f"The model is that of epoch {facts.kept.epoch:g} (step {facts.kept.step}), the best by {label(metric)} "
        f"of the looks at these rows, so its numbers here flatter it a little."
    )
    base = next((metrics.measured()[metric] for epoch, metrics in facts.dev if epoch == 0), None)
    if base is not None and not is_better(facts.kept.metrics.measured()[metric], base, metric):
        told += " None was better than the base model."
    if facts.stopped_early:
        patience = facts.config.train.early_stopping_patience
        told += f" Training stopped early, at step {facts.steps}: {patience} looks had been no better."
    return told
