"""What a run would cost: ten real steps on the real model, and what is free on this machine.

The model of the process is trained by them, so it is of no use for a run afterwards.
"""

from __future__ import annotations

import math
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

from embedkit.trainer.config import RunConfig
from embedkit.trainer.run.prepare import PreparedRun
from embedkit.trainer.step import processes
from embedkit.trainer.step.batch import LossModule, StepInputs, features_of
from embedkit.trainer.step.loop import TrainingLoop
from embedkit.trainer.watch.dev_evaluation import best_metric
from embedkit.trainer.watch.dev_metrics import DevMetrics

STEPS = 10
# Steps whose time does not count: kernels are chosen, memory is asked for.
_WARM_UP = 2
# A part of a batch is tried first, so that a batch that cannot fit does not bring the machine down.
_FIRST_PART = 4
_CGROUP = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a run would take: seconds as measured now, bytes at the peak and on the disk.

    `steps` is how many were tried; 0 where even trying could not fit. `texts_at_once` of a batch are in memory
    together, as configured or as fit (None: all).
    """

    steps: int
    seconds_per_step: float
    seconds: float
    samples_per_second: float
    memory_bytes: int
    memory_free_bytes: int
    disk_bytes: int
    disk_free_bytes: int
    texts_at_once: int | None

    @property
    def fits(self) -> bool:
        """Whether memory and disk hold the run."""
        return self.memory_bytes <= self.memory_free_bytes and self.disk_bytes <= self.disk_free_bytes


def probe(run: PreparedRun) -> tuple[Cost, DevMetrics | None]:
    """Try the first steps of the run, and measure the dev rows once.

    Raises:
        UserError: memory runs out with one text at a time.
    """
    config, plan, loss = run.config, run.plan, run.inputs.loss
    accumulated = config.train.grad_accum_steps
    numbers = run.inputs.rows.batches(config.train, seed=config.seed, devices=processes.world_size())
    memory = expected_memory(run.inputs, next(iter(numbers)), device=config.device)
    free = free_memory(config.device)
    seconds, metrics, dev_seconds, tried = [math.nan], None, 0.0, 0
    if memory <= free:
        seconds = list(_step_seconds(run, steps=min(STEPS, len(numbers))))
        tried = len(seconds)
        started = time.monotonic()
        metrics = run.dev.measure() if run.dev else None
        dev_seconds = time.monotonic() - started
        memory = peak_memory(config.device)
    each = accumulated * sum(seconds[_WARM_UP:] or seconds) / len(seconds[_WARM_UP:] or seconds)
    evaluations = 1 + (plan.steps // config.train.eval_steps if config.train.eval_steps else plan.epochs)
    at_once = loss.texts_at_once
    cost = Cost(
        steps=tried,
        seconds_per_step=each,
        seconds=each * plan.steps + dev_seconds * evaluations,
        samples_per_second=plan.rows_per_step / each,
        memory_bytes=memory,
        memory_free_bytes=free,
        disk_bytes=disk_needed(config, loss),
        disk_free_bytes=free_disk(run.folder),
        texts_at_once=None if at_once == config.train.micro_batch_size else at_once,
    )
    return cost, metrics


def _step_seconds(run: PreparedRun, *, steps: int) -> Iterator[float]:
    """The time of each of the first steps: of one batch each, at a learning rate that changes nothing."""
    train = run.config.train.model_copy(update={"grad_accum_steps": 1, "num_workers": 0})
    optim = run.config.optim.model_copy(update={"lr": 1e-9})
    config = run.config.model_copy(update={"train": train, "optim": optim})
    loop = TrainingLoop(run.inputs, config, total=steps)
    started = time.monotonic()
    for _ in loop.steps():
        if run.config.device == "cuda":
            torch.cuda.synchronize()
        yield time.monotonic() - started
        started = time.monotonic()


def expected_memory(inputs: StepInputs, numbers: list[int], *, device: str) -> int:
    """Bytes at the peak, from a part of a batch; on a GPU what the weights alone need: there running out is
    an error and not the end of the machine.
    """
    loss = inputs.loss
    sizes = [int(p.numel()) for p in loss.parameters() if p.requires_grad]
    now, training = peak_memory(device), 12 * sum(sizes)  # gradients, two moments of Adam
    if device != "cpu" or len(numbers) < 2 * _FIRST_PART or loss.texts_at_once:
        return now + training
    groups, plan = features_of(inputs.collator(numbers[: len(numbers) // _FIRST_PART]))
    loss.train()
    loss([dict(group) for group in groups], plan).backward()
    for parameter in loss.parameters():
        parameter.grad = None
    return now + training + _FIRST_PART * max(0, peak_memory("cpu") - now - 4 * sum(sizes))


def peak_memory(device: str) -> int:
    """The most bytes this process has held so far, on the device that trains."""
    if device == "cuda":
        return int(torch.cuda.max_memory_reserved())
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)


def free_memory(device: str) -> int:
    """The bytes that this process may come to hold: what is free, and what it holds already."""
    if device == "cuda":
        return int(torch.cuda.mem_get_info()[0] + torch.cuda.memory_reserved())
    limits = [
        int(path.read_text()) for path in _CGROUP if path.is_file() and path.read_text().strip().isdigit()
    ]
    there = psutil.virtual_memory().available + psutil.Process().memory_info().rss
    return int(min([there, *limits]))


def disk_needed(config: RunConfig, loss: LossModule) -> int:
    """Bytes of the saved model and of the most checkpoints that lie side by side: those kept and a new one."""
    weights = list(loss.parameters())
    model = sum(int(p.numel() * p.element_size()) for p in weights)
    trained = sum(int(p.numel() * p.element_size()) for p in weights if p.requires_grad)
    best = trained if best_metric(config.train) else 0
    # A checkpoint holds the trained weights and two moments of the optimiser for each.
    return model + 3 * trained * (config.output.checkpoint_keep + 1) + best


def free_disk(folder: Path) -> int:
    """Bytes free where the run will lie."""
    above = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(above).free
