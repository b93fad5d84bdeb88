"""What a run says about itself: the model card, and the environment it ran in."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch

from embedkit.files import write_text
from embedkit.manifest import versions
from embedkit.trainer.config import RunConfig
from embedkit.trainer.data import RowSummary
from embedkit.trainer.dev import DevMetrics, label
from embedkit.trainer.precision import Precision, device_name
from embedkit.trainer.resume import CARD, ENVIRONMENT, MODEL

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
    """What the card tells. `dev` holds (epoch, metrics) of each look at the dev rows."""

    config: RunConfig
    rows: RowSummary
    dev: Sequence[tuple[float, DevMetrics]]
    steps: int
    seconds: float
    precision: Precision
    example: tuple[str, str]
    dimensions: int
    max_length: int


def write_environment(
    run: Path, *, device: str, precision: Precision, rows: RowSummary, config: RunConfig
) -> None:
    """Write environment.json: versions, machine, number format, and the hash of what is trained on."""
    value = {
        "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
        "platform": platform.platform(),
        "device": device,
        "device_name": device_name(device),
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "dtype": precision.dtype,
        "dtype_reason": precision.reason,
        "seed": config.seed,
        "data": {"path": rows.path, "sha256": rows.sha256, "rows": rows.rows},
    }
    write_text(run / ENVIRONMENT, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def data_hash(run: Path) -> str:
    """The SHA-256 of the rows that a run began with; empty where that is not known."""
    path = run / ENVIRONMENT
    if not path.is_file():
        return ""
    data = json.loads(path.read_text(encoding="utf-8")).get("data") or {}
    return str(data.get("sha256") or "")


def write_card(run: Path, facts: CardFacts) -> None:
    """Write README.md to the run and into its model folder, so that the model takes it along."""
    text = card_text(facts)
    write_text(run / CARD, text)
    write_text(
        run / MODEL / CARD,
        text.replace(
            'SentenceTransformer("model")  # the folder beside', 'SentenceTransformer(".")  # the folder of'
        ),
    )


def card_text(facts: CardFacts) -> str:
    """The model card in Markdown with the front matter that model hubs read."""
    parts = (_front_matter(facts), _head(facts), *_data(facts.rows), _recipe(facts), _metrics(facts.dev))
    query, document = (text.replace("\\", "\\\\").replace('"', '\\"') for text in facts.example)
    use = _USE.format(query=query, document=document)
    return "\n".join(part for part in (*parts, use, _LIMITS) if part)


def _front_matter(facts: CardFacts) -> str:
    languages = "".join(f"- {lang}\n" for lang in facts.rows.languages)
    return (
        "---\nlibrary_name: sentence-transformers\npipeline_tag: sentence-similarity\n"
        + f"base_model: {json.dumps(facts.config.model_id, ensure_ascii=False)}\n"
        + (f"language:\n{languages}" if languages else "")
        + "tags:\n- sentence-transformers\n- feature-extraction\n- sentence-similarity\n- embedkit\n---\n"
    )


def _head(facts: CardFacts) -> str:
    return (
        f"# {facts.config.output.save_name}\n\n"
        f"A sentence embedding model: {facts.config.model_id}, tuned with embedkit on {facts.rows.rows} "
        f"rows. It turns a text of up to {facts.max_length} tokens into "
        f"{facts.dimensions} numbers; texts are near when their cosine similarity is high.\n"
    )


def _data(rows: RowSummary) -> Iterator[str]:
    lines = [
        f"- File: `{Path(rows.path).name}`" + (f", SHA-256 `{rows.sha256}`" if rows.sha256 else ""),
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
    if not rows.licenses:
        yield "The rows name no licence: find out before you publish the model.\n"


def _counted(values: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in values.items())


def _recipe(facts: CardFacts) -> str:
    train, optim = facts.config.train, facts.config.optim
    rows = {
        "loss": f"{train.loss}, temperature {train.temperature}",
        "batch": f"{train.batch_size} rows × {train.grad_accum_steps}",
        "epochs, steps": f"{train.epochs}, {facts.steps}",
        "optimiser": f"{optim.name}, weight decay {optim.weight_decay}",
        "learning rate": f"{optim.lr}, {optim.scheduler}, warm-up {optim.warmup_ratio:.0%}",
        "format": facts.precision.dtype,
        "LoRA": f"merged, rank {facts.config.lora.r}" if facts.config.lora else "no",
        "seed": str(facts.config.seed),
        "time": f"{facts.seconds:.0f} s",
    }
    table = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
    return f"## Training\n\n| | |\n|---|---|\n{table}\n\n`config.json` of the run holds every setting.\n"


def _metrics(dev: Sequence[tuple[float, DevMetrics]]) -> str:
    if not dev:
        return ""
    looks = [(epoch, metrics.measured()) for epoch, metrics in dev]
    names = list(dict.fromkeys(name for _, values in looks for name in values))
    lines = "\n".join(
        f"| {epoch:g} | " + " | ".join(f"{values[n]:.4f}" if n in values else "" for n in names) + " |"
        for epoch, values in looks
    )
    head = f"| epoch | {' | '.join(map(label, names))} |\n|---|{'---|' * len(names)}"
    return f"## Dev rows\n\nEpoch 0 is the base model.\n\n{head}\n{lines}\n"
