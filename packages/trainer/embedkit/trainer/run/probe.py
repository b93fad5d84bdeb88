"""What a run would cost: ten real steps on the real model, and what is free on this machine.

The model of the process is trained by them, so it is of no use for a run afterwards.
"""

from __future__ import annotations

import math
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import torch

from embedkit.trainer.step import distributed, processes
from embedkit.trainer.step.memory import fitting, texts_in
from embedkit.trainer.watch.dev_evaluation import best_metric, measure
from embedkit.trainer.watch.dev_metrics import DevMetrics, features_of, on_device

if TYPE_CHECKING:
    from embedkit.trainer.run.plan import Ready

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


def probe(ready: Ready) -> tuple[Cost, DevMetrics | None]:
    """Try the first steps of the run, and one look at the dev rows.

    Raises:
        UserError: memory runs out with one text at a time.
    """
    train, plan = ready.config.train, ready.plan
    batches = ready.rows.batches(train, seed=ready.config.seed, devices=processes.world_size())
    numbers = list(islice(iter(batches), STEPS))
    memory = expected_memory(ready, numbers[0])
    free = free_memory(ready.config.device)
    seconds, metrics, look_seconds = [math.nan], None, 0.0
    if memory <= free:
        step = _stepper(ready)
        seconds = [_timed(lambda batch=batch: step(batch)) for batch in numbers]  # type: ignore[misc]
        started = time.monotonic()
        metrics = measure(ready)
        look_seconds = time.monotonic() - started
        memory = peak_memory(ready.config.device)
    each = sum(seconds[_WARM_UP:] or seconds) / len(seconds[_WARM_UP:] or seconds)
    looks = 1 + (plan.steps // train.eval_steps if train.eval_steps else train.epochs)
    cost = Cost(
        steps=len(numbers) if memory <= free else 0,
        seconds_per_step=each * train.grad_accum_steps,
        seconds=each * train.grad_accum_steps * plan.steps + look_seconds * looks,
        samples_per_second=plan.rows_per_step / train.grad_accum_steps / each,
        memory_bytes=memory,
        memory_free_bytes=free,
        disk_bytes=disk_needed(ready),
        disk_free_bytes=free_disk(ready.folder),
        texts_at_once=None
        if ready.loss.texts_at_once == train.micro_batch_size
        else ready.loss.texts_at_once,
    )
    return cost, metrics


def _stepper(ready: Ready) -> Callable[[list[int]], None]:
    """A function that does one step of training as the run would."""
    loss, device = ready.loss, ready.model.device
    trained = [parameter for parameter in loss.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=1e-9)
    dtype = getattr(torch, ready.precision.dtype)

    def forget() -> None:
        optimiser.zero_grad(set_to_none=True)

    def step(numbers: list[int]) -> None:
        groups, plan = features_of(on_device(ready.collator(numbers), device))

        def forward_and_backward() -> None:
            with torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32):
                value = loss([dict(group) for group in groups], plan)
            value.backward()

        fitting(loss, texts_in(groups), forward_and_backward, undo=forget)
        distributed.average_gradients(trained)
        optimiser.step()
        forget()
        if device.type == "cuda":
            torch.cuda.synchronize()

    loss.train()
    return step


def _timed(work: Callable[[], None]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


def expected_memory(ready: Ready, numbers: list[int]) -> int:
    """Bytes at the peak, from a part of a batch; on a GPU what the weights alone need: there running out is
    an error and not the end of the machine.
    """
    sizes = [int(p.numel()) for p in ready.loss.parameters() if p.requires_grad]
    now, training = peak_memory(ready.config.device), 12 * sum(sizes)  # gradients, two moments of Adam
    if ready.config.device != "cpu" or len(numbers) < 2 * _FIRST_PART or ready.loss.texts_at_once:
        return now + training
    part = numbers[: len(numbers) // _FIRST_PART]
    groups, plan = features_of(ready.collator(part))
    ready.loss.train()
    ready.loss([dict(group) for group in groups], plan).backward()
    for parameter in ready.loss.parameters():
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


def disk_needed(ready: Ready) -> int:
    """Bytes of the saved model and of the most checkpoints that lie side by side: those kept and a new one."""
    weights = list(ready.loss.parameters())
    model = sum(int(p.numel() * p.element_size()) for p in weights)
    trained = sum(int(p.numel() * p.element_size()) for p in weights if p.requires_grad)
    best = trained if best_metric(ready.config.train) else 0
    # A checkpoint holds the trained weights and two moments of the optimiser for each.
    return model + 3 * trained * (ready.config.output.checkpoint_keep + 1) + best


def free_disk(folder: Path) -> int:
    """Bytes free where the run will lie."""
    above = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(above).free
