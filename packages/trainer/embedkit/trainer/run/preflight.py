"""The known mistakes in training embeddings, each checked before anything is spent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from embedkit.files import STDIO
from embedkit.messages import tr
from embedkit.ranking.leak import file_rows, find_leaks, seen_in
from embedkit.trainer.config import RunConfig, TrainSection
from embedkit.trainer.losses.registry import LOSSES
from embedkit.trainer.rows.sources import TrainingRows
from embedkit.trainer.step import processes
from embedkit.trainer.watch.dev_evaluation import best_metric
from embedkit.trainer.watch.dev_metrics import DevMetrics

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from embedkit.trainer.run.plan import TrainPlan
    from embedkit.trainer.run.prepare import PreparedRun

Level = Literal["ok", "note", "warning", "error"]
VOCABULARY_SHARE = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What was found about one known mistake. An error is one that the run would end with."""

    name: str
    level: Level
    template: str
    fields: Mapping[str, object] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """What there is to say, in the person's language."""
        return tr(self.template, **self.fields)


def check_run(run: PreparedRun, metrics: DevMetrics | None) -> list[Check]:
    """All checks, in the order in which a run would meet them; `metrics` is what the dev rows gave."""
    config, plan = run.config, run.plan
    return [
        *_negatives(plan),
        *_accumulation(config.train),
        *_recomputing(config.train, plan),
        *_vocabulary(run.inputs.loss.model, plan),
        *_evaluations(config.train, plan),
        *_processes(),
        *_metric(config.train, metrics),
        *_leak(config, run.inputs.rows),
    ]


def _negatives(plan: TrainPlan) -> Iterator[Check]:
    if plan.negatives_per_anchor is not None and plan.negatives_per_anchor < 1:
        text = (
            "a batch has no negatives, so nothing can be learnt: raise train.batch_size or add hard negatives"
        )
        yield Check(name="negatives", level="warning", template=text)
    elif plan.negatives_per_anchor is not None:
        text = "an anchor has about {count} negatives"
        count = {"count": f"{plan.negatives_per_anchor:.0f}"}
        yield Check(name="negatives", level="ok", template=text, fields=count)


def _accumulation(train: TrainSection) -> Iterator[Check]:
    if train.grad_accum_steps > 1:
        text = (
            "train.grad_accum_steps gives no anchor more negatives: train.batch_size does, and "
            "train.micro_batch_size makes it fit"
        )
        yield Check(name="accumulation", level="note", template=text)


def _recomputing(train: TrainSection, plan: TrainPlan) -> Iterator[Check]:
    in_turns = train.micro_batch_size is not None or any(LOSSES[loss].in_turns for loss in plan.losses)
    both = in_turns and train.grad_checkpointing
    text = (
        "texts that take turns are computed again anyway, and train.grad_checkpointing does it once more: set it "
        "to false"
        if both
        else "no activations are computed more often than needed"
    )
    yield Check(name="recomputing", level="warning" if both else "ok", template=text)


def _vocabulary(model: SentenceTransformer, plan: TrainPlan) -> Iterator[Check]:
    """Of a multilingual model with 250,000 tokens most of what is trained is its token embeddings."""
    encoder = model.transformers_model
    table = None if encoder is None else encoder.get_input_embeddings()
    trained = 0 if table is None else sum(p.numel() for p in table.parameters() if p.requires_grad)
    share = trained / max(1, plan.trained_parameters)
    if share > VOCABULARY_SHARE:
        text = (
            "{percent} % of what is trained are token embeddings: train.freeze_embeddings leaves them, for less "
            "memory and faster steps"
        )
        yield Check(name="vocabulary", level="note", template=text, fields={"percent": round(100 * share)})


def _evaluations(train: TrainSection, plan: TrainPlan) -> Iterator[Check]:
    every, steps = train.eval_steps, plan.steps
    if every and every > steps:
        text = "train.eval_steps is {every}, the run has {steps} steps: the dev rows are measured at its end only"
        fields = {"every": every, "steps": steps}
        yield Check(name="rhythm", level="warning", template=text, fields=fields)
    else:
        text = "dev evaluations keep the best weights themselves: checkpoints need not fall on the same step"
        yield Check(name="rhythm", level="ok", template=text)


def _processes() -> Iterator[Check]:
    text = (
        "processes: {count}. Tested: two CPU processes (gloo) train what one trains, but for dropout, which each draws "
        "by itself; with the weights split among them (FSDP 2, ZeRO by FSDP 2) too. Not tested on hardware: several "
        "GPUs (NCCL). Refused: offloading"
    )
    count = processes.world_size()
    yield Check(name="processes", level="note" if count > 1 else "ok", template=text, fields={"count": count})


def _metric(train: TrainSection, metrics: DevMetrics | None) -> Iterator[Check]:
    wanted = best_metric(train)
    if wanted is None or metrics is None:
        return
    there = [name for name, value in asdict(metrics).items() if value is not None]
    fields = {"metric": wanted, "names": ", ".join(there)}
    if wanted in there:
        yield Check(name="metric", level="ok", template="the dev rows give {metric}", fields=fields)
    else:
        text = "train.best_metric is {metric}, which these dev rows do not give; they give {names}"
        yield Check(name="metric", level="error", template=text, fields=fields)


def _leak(config: RunConfig, rows: TrainingRows) -> Iterator[Check]:
    trained = rows.summary.paths
    if config.data.dev_path is None or STDIO in trained:
        return
    tested = list(file_rows(Path(config.data.dev_path)))
    leak = find_leaks(tested, seen=seen_in([Path(path) for path in trained]), side="model")
    fields = {"count": leak.total, "rows": leak.rows, "example": (*leak.examples, "")[0]}
    if leak.total:
        text = (
            "{count} of {rows} dev rows are trained on, so the dev numbers say too much: {example}; embedkit "
            "compose --split keeps concepts apart"
        )
        yield Check(name="leak", level="warning", template=text, fields=fields)
    else:
        text = "none of {rows} dev rows is trained on"
        yield Check(name="leak", level="ok", template=text, fields=fields)
