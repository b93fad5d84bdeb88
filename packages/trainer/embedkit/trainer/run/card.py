"""The model card: what the model is for, what it was trained on and how, and what the dev rows gave."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from embedkit.data.manifest import question_writers
from embedkit.files import write_text
from embedkit.models.run_folder import (
    CARD,
    UNMEASURED,
    evaluation_section,
    measured_run,
    section_of,
    with_section,
)
from embedkit.trainer.config import RunConfig
from embedkit.trainer.losses.sections import LossSection, TemperatureSection
from embedkit.trainer.rows.store import RowSummary
from embedkit.trainer.watch.dev_evaluation import DevResult, best_metric, is_better
from embedkit.trainer.watch.dev_metrics import label

if TYPE_CHECKING:
    from embedkit.trainer.run.plan import TrainPlan
    from embedkit.trainer.step.loop import Ending

# Why a run ended before the most epochs that it may have had.
_ENDINGS: Mapping[Ending | None, str] = {
    None: "",
    "flat": " (until known recall stopped rising)",
    "unseen": " (until unseen terms were found worse than by the base model)",
    "described": " (until descriptions were answered worse than by the base model)",
    "everyday": " (until everyday language was understood worse than by the base model)",
    "time": " (train.max_minutes)",
}
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
_USE_CROSS_ENCODER = """\
## Use

```python
from sentence_transformers import CrossEncoder

model = CrossEncoder("model")  # the folder beside this file
print(model.predict([("{query}", "{document}")]))  # from 0 to 1
```
"""
_LIMITS_CROSS_ENCODER = """\
## Limits

The dev rows say how well it ranks again what plain words (BM25) find, where the right text is among it. On other
subjects and languages it may rank worse than what it is given: measure before use. It has learnt whatever its base
model and the training texts are biased towards.
"""
_LIMITS = """\
## Limits

The model was tuned for the texts above. On other subjects and languages it may be worse than its base
model: measure before use with `embedkit evaluate`. It has learnt whatever its base model and the training
texts are biased towards.
"""

_ROWS = "- Rows: "
_WRITTEN = "- Questions among them written by the language model "


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFacts:
    """What the card is written from. `kept` is the one of the results on the `dev` rows whose weights the model has;
    None: it has those of the last step.
    """

    config: RunConfig
    plan: TrainPlan
    rows: RowSummary
    dev: Sequence[DevResult]
    kept: DevResult | None
    stopped_early: bool
    ending: Ending | None
    steps: int
    seconds: float
    example: tuple[str, str]
    dimensions: int
    max_length: float

    @property
    def is_cross_encoder(self) -> bool:
        """Whether the model scores pairs of texts, and makes no vectors."""
        return self.config.train.model == "cross_encoder"


def write_card(run: Path, facts: CardFacts) -> str:
    """Write README.md to the run; return the text of the copy that lies in its model folder."""
    text = card_text(facts)
    if (measured := measured_run(run)) is not None:
        text = text.replace(_ROWS, "".join((*_writers_of(measured), _ROWS)), 1)
        text = with_section(text, evaluation_section(_measured_elsewhere(measured)))
    write_text(run / CARD, text)
    return text.replace(
        'Transformer("model")  # the folder beside', 'Transformer(".")  # the folder of'
    ).replace('CrossEncoder("model")  # the folder beside', 'CrossEncoder(".")  # the folder of')


def _writers_of(measured: Path) -> Iterator[str]:
    """The lines of a measured run's card on the language models that wrote questions among its rows."""
    card = (measured / CARD).read_text(encoding="utf-8") if (measured / CARD).is_file() else ""
    return (line + "\n" for line in card.splitlines() if line.startswith(_WRITTEN))


def _measured_elsewhere(measured: Path) -> str:
    """What was measured of the recipe, for the card of a model that has seen the rows that measured it."""
    card = (measured / CARD).read_text(encoding="utf-8") if (measured / CARD).is_file() else ""
    return (
        f"This model has also seen the held-out rows (dev, test and known), so nothing of them can measure it. The "
        f"same recipe was trained without them ({measured.name}) and measured:\n\n"
        + (section_of(card) or "not yet: `embedkit evaluate` does.")
    )


def card_text(facts: CardFacts) -> str:
    """The model card in Markdown with the front matter that model hubs read."""
    parts = (
        _front_matter(facts),
        _head(facts),
        *_data(facts.rows),
        _recipe(facts),
        *_dev_table(facts),
        "" if facts.is_cross_encoder else UNMEASURED,
    )
    query, document = (text.replace("\\", "\\\\").replace('"', '\\"') for text in facts.example)
    use = (_USE_CROSS_ENCODER if facts.is_cross_encoder else _USE).format(query=query, document=document)
    limits = _LIMITS_CROSS_ENCODER if facts.is_cross_encoder else _LIMITS
    return "\n".join(part for part in (*parts, use, limits) if part)


def _front_matter(facts: CardFacts) -> str:
    languages = "".join(f"- {lang}\n" for lang in facts.rows.languages)
    base = facts.config.model_id
    task, tags = "sentence-similarity", "- feature-extraction\n- sentence-similarity\n"
    if facts.is_cross_encoder:
        task, tags = "text-ranking", "- cross-encoder\n- reranker\n"
    return (
        f"---\nlibrary_name: sentence-transformers\npipeline_tag: {task}\n"
        + (f"base_model: {base}\n" if _is_hub_id(base) else "")
        + (f"language:\n{languages}" if languages else "")
        + f"tags:\n- sentence-transformers\n{tags}- embedkit\n---\n"
    )


def _is_hub_id(name: str) -> bool:
    return bool(_HUB_ID.fullmatch(name)) and not Path(name).exists()


def _base(name: str) -> str:
    """A base model's name for other people: of a folder on this machine its own name."""
    return name if _is_hub_id(name) else Path(name).name


def _head(facts: CardFacts) -> str:
    if facts.is_cross_encoder:
        return (
            f"# {facts.config.output.save_name}\n\n"
            f"A cross-encoder: {_base(facts.config.model_id)}, tuned with embedkit on {facts.rows.rows} rows. It reads "
            f"two texts {_length(facts.max_length)} together and scores them from 0 to 1; it makes no vectors.\n"
        )
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
        f"- File: {_names(rows.paths)}" + (f", SHA-256 `{rows.sha256}`" if rows.sha256 else ""),
        f"{_ROWS}{rows.rows}, hard negatives: {rows.hard_negatives}",
    ]
    counts = (
        ("Languages", rows.languages),
        ("Kinds", rows.kinds),
        ("Sources", rows.sources),
        ("Licences", rows.licenses),
    )
    lines += [f"- {title}: {_counted(values)}" for title, values in counts if values]
    writers = {llm: note for path in rows.paths for llm, note in question_writers(Path(path)).items()}
    lines += [f"{_WRITTEN}{llm}. {note}" for llm, note in writers.items()]
    yield "## Training data\n\n" + "\n".join(lines) + "\n"
    bare = rows.rows - sum(rows.licenses.values())
    if bare:
        some = f"{bare} of the rows name" if rows.licenses else "The rows name"
        yield f"{some} no licence: find out before you publish the model.\n"


def _names(paths: Sequence[str]) -> str:
    return ", ".join(f"`{Path(path).name}`" for path in paths)


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
        "epochs, steps": f"{facts.steps / plan.steps_per_epoch:g}, {facts.steps} steps{_ENDINGS[facts.ending]}"
        if train.epochs == "auto"
        else f"{train.epochs}, {facts.steps} of {plan.steps}{_ENDINGS[facts.ending]}",
        "optimiser": f"{optim.name}, weight decay {optim.weight_decay}",
        "learning rate": f"{optim.lr}, {optim.scheduler}, warm-up {optim.warmup_ratio:.0%}",
        "format": plan.dtype,
        "weights": f"{1 - train.base_share:.0%} trained, {train.base_share:.0%} the base model's"
        if train.base_share
        else "trained",
        "LoRA": f"merged, rank {config.lora.r}" if config.lora else "no",
        "vocabulary": _vocabulary(plan),
        "revision of the base model": config.hf.revision or "not pinned",
        "seed": str(config.seed),
        "time": f"{facts.seconds:.0f} s",
    }
    table = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
    return f"## Training\n\n| | |\n|---|---|\n{table}\n\n`config.json` of the run holds every setting.\n"


def _vocabulary(plan: TrainPlan) -> str:
    if plan.vocabulary is None:
        return "the base model's"
    beside = (
        f"; trained on {plan.parallel_sentences:,} everyday Korean sentences with their English too"
        if plan.parallel_sentences
        else ""
    )
    return (
        f"the base model's and {len(plan.vocabulary.tokens):,} new tokens, "
        f"{plan.vocabulary.translated:,} of which began as their translations: "
        f"{', '.join(plan.vocabulary.scripts)} texts are "
        f"{plan.vocabulary.shorter:.1f} times shorter (compose them: Unicode NFC){beside}"
    )


def _dev_table(facts: CardFacts) -> Iterator[str]:
    """The metrics of the dev rows, and whose weights the model has."""
    if not facts.dev:
        return
    names = list(dict.fromkeys(name for result in facts.dev for name in result.metrics.measured()))
    kept = facts.kept.epoch if facts.kept else facts.dev[-1].epoch
    lines = "\n".join(
        f"| {result.epoch:g}{' (kept)' if result.epoch == kept else ''} | "
        + " | ".join(f"{values[n]:.4f}" if n in values else "" for n in names)
        + " |"
        for result in facts.dev
        for values in [result.metrics.measured()]
    )
    head = f"| epoch | {' | '.join(map(label, names))} |\n|---|{'---|' * len(names)}"
    yield f"## Dev rows\n\nEpoch 0 is the base model. {_kept(facts)}\n\n{head}\n{lines}\n"


def _kept(facts: CardFacts) -> str:
    if facts.kept is None:
        return f"The model is that after the last step, {facts.steps}."
    metric = best_metric(facts.config.train) or "loss"
    text = (
        f"The model is that of epoch {facts.kept.epoch:g} (step {facts.kept.step}), the best by {label(metric)} "
        f"of the evaluations on these rows, so its numbers here flatter it a little."
    )
    base = next((result for result in facts.dev if result.epoch == 0), None)
    if base is not None and not is_better(facts.kept.value(metric), base.value(metric), metric):
        text += " None was better than the base model."
    if facts.stopped_early:
        patience = facts.config.train.early_stopping_patience
        text += f" Training stopped early, at step {facts.steps}: {patience} evaluations had been no better."
    return text
