"""The training loop: optimiser steps one after another, each a function of config, rows and step number alone.

What happens between two steps (dev evaluation, log, checkpoints) is up to whoever iterates over `steps`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import torch
from torch.utils.data import DataLoader
from transformers import set_seed

from embedkit.errors import UserError
from embedkit.trainer.config import RunConfig
from embedkit.trainer.model.precision import autocast
from embedkit.trainer.step import distributed, processes, sharding
from embedkit.trainer.step.batch import Features, StepInputs, features_of, on_device, texts_in
from embedkit.trainer.step.checkpoint import read_weights, trained_parameters, write_weights
from embedkit.trainer.step.lost_loss import lost_loss
from embedkit.trainer.step.memory import attempt
from embedkit.trainer.step.optimiser import DECAY_SHARE, Schedule, make_optimiser

_WEIGHTS = "weights.safetensors"
_STATE = "training.pt"
_AT_ONCE = "texts_at_once"  # how many texts fitted into memory
# A run that ends when it has learnt enough warms up as one of so many epochs would.
USUAL_EPOCHS = 10
Ending = Literal["flat", "unseen", "described", "everyday", "time"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """An optimiser step: its number from 1 on, the epochs behind it, the mean loss of its batches, the length of
    the gradient before it was cut, and the learning rate.
    """

    step: int
    epoch: float
    loss: float
    grad_norm: float
    learning_rate: float


class NumberedRows(torch.utils.data.Dataset[int]):  # type: ignore[misc]
    """A dataset whose rows are their own numbers: the collator looks them up."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> int:
        return index


class TrainingLoop:
    """Trains the loss of `inputs` for `total` optimiser steps. `step` of them are done, in `seconds`.

    `wind_down` lowers `total`; `ending` says why it did.
    """

    def __init__(self, inputs: StepInputs, config: RunConfig, *, total: int) -> None:
        """`config` has its automatic values filled in."""
        self.step = 0
        self.total = total
        self.ending: Ending | None = None
        self._inputs = inputs
        self._config = config
        self._loss = inputs.loss
        self._device = inputs.loss.model.device
        train = config.train
        self._batches = inputs.rows.batches(train, seed=config.seed, devices=processes.world_size())
        self._optimiser = make_optimiser(inputs.loss, config.optim)
        if sharding.is_split(inputs.loss):
            sharding.split_as_loaded(self._optimiser)
        warm = min(total, USUAL_EPOCHS * self._steps_per_epoch) if train.epochs == "auto" else total
        warm_up = math.ceil(warm * config.optim.warmup_ratio)
        self._schedule = Schedule(self._optimiser, config.optim, steps=total, warm_up=warm_up)
        self._seconds_before, self._started = 0.0, time.monotonic()
        self._scaler = torch.amp.GradScaler(config.device, enabled=config.dtype == "float16")

    @property
    def epoch(self) -> float:
        """The epochs that are done."""
        whole, steps = divmod(self.step, self._steps_per_epoch)
        return whole + steps * self._config.train.grad_accum_steps / len(self._batches)

    @property
    def ends_epoch(self) -> bool:
        """Whether the last step was the last one of an epoch; true before the first step."""
        return self.step % self._steps_per_epoch == 0

    @property
    def _steps_per_epoch(self) -> int:
        return -(-len(self._batches) // self._config.train.grad_accum_steps)

    @property
    def seconds(self) -> float:
        """The time that training has taken so far, in all parts of a run that was cut off."""
        return self._seconds_before + time.monotonic() - self._started

    def wind_down(self, ending: Ending) -> bool:
        """Let the learning rate fall to 0 from here on, over a fifth of all steps, to the end of an epoch where there
        is time; whether it did not fall already.
        """
        if self.step >= self._schedule.fall_from or self.ending is not None:
            return False
        end = math.ceil(self.step / (1 - DECAY_SHARE))
        if ending != "time":
            end = -(-end // self._steps_per_epoch) * self._steps_per_epoch
        self.total = min(self.total, max(end, self.step + 1))
        self._schedule.fall_from, self._schedule.end = self.step, self.total
        self.ending = ending
        return True

    def steps(self) -> Iterator[StepResult]:
        """Train step after step, from where the run is to its end.

        Raises:
            UserError: the loss is not a number any more, or not even one text fits into memory.
        """
        while self.step < self.total:
            epoch, done = divmod(self.step, self._steps_per_epoch)
            self._batches.set_epoch(epoch)
            accumulated = self._config.train.grad_accum_steps
            batches = iter(self._loader(islice(self._batches, done * accumulated, None)))
            while self.step < self.total and (window := list(islice(batches, accumulated))):
                yield self._optimise(window)

    def _loader(self, numbers: Iterable[list[int]]) -> DataLoader[Features]:
        """Batches in an order that depends on seed and epoch alone; every process gets all of them."""
        return DataLoader(
            NumberedRows(len(self._inputs.rows)),
            batch_sampler=numbers,
            collate_fn=self._inputs.collator,
            num_workers=self._config.train.num_workers,
            pin_memory=self._device.type == "cuda",
        )

    def _optimise(self, batches: list[Features]) -> StepResult:
        # What is random in a step (dropout) depends on seed, step and process, so that a resumed run draws the same.
        set_seed((self._config.seed + self.step * 1_000_003 + processes.rank() * 7919) % 2**32)
        self._loss.train()
        loss = self._accumulate([on_device(batch, self._device) for batch in batches])
        distributed.average_gradients(parameter for _, parameter in trained_parameters(self._loss))
        self._scaler.unscale_(self._optimiser)
        limit = self._config.optim.max_grad_norm or float("inf")
        norm = torch.nn.utils.clip_grad_norm_(self._loss.model.parameters(), limit)
        rate = self._schedule.rate
        scale = self._scaler.get_scale()
        self._scaler.step(self._optimiser)
        self._scaler.update()
        if (
            self._scaler.get_scale() >= scale
        ):  # else the gradients were too long for float16, and nothing was learnt
            self._schedule.step()
        self._optimiser.zero_grad()
        self.step += 1
        return StepResult(
            step=self.step,
            epoch=self.epoch,
            loss=loss,
            grad_norm=float(sharding.whole(norm)),
            learning_rate=rate,
        )

    def _accumulate(self, batches: list[Features]) -> float:
        """Add up the gradients of an optimiser step; where memory runs out, from its first batch on again: which part
        of them came of the batch that failed is not known.
        """
        losses: list[float] = []
        while len(losses) < len(batches):
            batch = batches[len(losses)]
            work = partial(self._forward_and_backward, batch, share=len(batches))
            found = attempt(self._loss, texts_in(features_of(batch)[0]), work)
            if found is None:
                self._optimiser.zero_grad()
                losses = []
            else:
                losses.append(found[0])
        return sum(losses) / len(losses)

    def _forward_and_backward(self, batch: Features, *, share: int) -> float:
        groups, plan = features_of(batch)
        # Entered here, not pass by pass: all passes of a step share one short copy of the weights.
        with autocast(self._device.type, self._config.dtype):
            loss = self._loss(groups, plan)
        value = float(loss.detach())
        if value != value or value in (float("inf"), float("-inf")):
            raise lost_loss(self._inputs, self._config, plan, value=value, step=self.step + 1)
        self._scaler.scale(loss / share).backward()
        return value

    def save(self, folder: Path) -> None:
        """Write a checkpoint, whole weights and state from the first process; all processes call this together."""
        write_weights(self._loss, folder / _WEIGHTS, metadata={_AT_ONCE: str(self._loss.texts_at_once or "")})
        state: dict[str, Any] = {
            "step": self.step,
            "optimiser": sharding.whole_state(self._optimiser),
            "schedule": self._schedule.state(),
            "total": self.total,
            "ending": self.ending,
            "seconds": self.seconds,
            "scaler": self._scaler.state_dict(),
        }
        if processes.is_first():
            torch.save(state, folder / _STATE)

    def load(self, folder: Path) -> None:
        """Go on from a checkpoint.

        Raises:
            UserError: another version of embedkit wrote it.
        """
        if not (folder / _STATE).is_file():
            raise UserError(
                "another version of embedkit wrote this checkpoint",
                place=str(folder),
                hint="go on with that version, or start anew with --force",
            )
        at_once = read_weights(self._loss, folder / _WEIGHTS).get(_AT_ONCE)
        if at_once and self._config.train.micro_batch_size is None:
            self._loss.texts_at_once = int(at_once)
        state = torch.load(folder / _STATE, map_location="cpu", weights_only=True)
        self.step = state["step"]
        self._optimiser.load_state_dict(state["optimiser"])
        self._schedule.load(state["schedule"])
        self.total, self.ending = state["total"], state["ending"]
        self._seconds_before = state["seconds"]
        self._scaler.load_state_dict(state["scaler"])
