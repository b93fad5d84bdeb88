"""When the loss is not a number any more: which rows, and what to change."""

from __future__ import annotations

from embedkit.data.records import texts_of
from embedkit.errors import UserError
from embedkit.messages import Phrase, tr
from embedkit.trainer.config import RunConfig
from embedkit.trainer.step.batch import LossModule, Plan, StepInputs

_SHOWN = 5


def lost_loss(inputs: StepInputs, config: RunConfig, plan: Plan, *, value: float, step: int) -> UserError:
    """The error of a batch whose loss is `value`: NaN or infinite."""
    rows = [(number, inputs.rows.store[number]) for number in plan.rows[:_SHOWN]]
    shown = ", ".join(
        f"{getattr(row, 'id', '') or tr('row {number}', number=number + 1)} {texts_of(row)[0][:40]!r}"
        for number, row in rows
    )
    return UserError(
        "the loss is {value} at step {step}, in the batch of {shown}, …",
        hint=_way_out(inputs.loss, config),
        value=value,
        step=step,
        shown=shown,
    )


def _way_out(loss: LossModule, config: RunConfig) -> str:
    """What to change: the learning rate where the weights are broken, else the format or the rows."""
    if not all(parameter.isfinite().all() for parameter in loss.parameters() if parameter.requires_grad):
        return Phrase(
            "an earlier step broke the weights: lower optim.lr (now {lr:g}) or raise optim.warmup_ratio, "
            "and start again",
            lr=config.optim.lr,
        )
    if config.dtype != "float32":
        return Phrase(
            "the weights are sound, {dtype} is too short for them: set dtype to float32", dtype=config.dtype
        )
    return "the weights are sound: look at these rows, and raise loss.temperature"
