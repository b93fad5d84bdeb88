"""Run by torchrun (or alone): the loss and the gradients of a first batch, for each config named, into OUT."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from safetensors.torch import save_file

from embedkit.models.quiet import quiet_libraries
from embedkit.trainer.config import RunConfig
from embedkit.trainer.run.prepare import prepare
from embedkit.trainer.step import distributed, processes, sharding
from embedkit.trainer.step.batch import features_of


def write_gradients(config: Path, out: Path) -> None:
    """Write OUT/NAME.safetensors: `loss`, and the gradient of every parameter that has one."""
    settings = RunConfig.model_validate(json.loads(config.read_text()))
    with quiet_libraries():
        ready = prepare(settings, resume=False, force=False).inputs
    batches = ready.rows.batches(settings.train, seed=settings.seed, devices=processes.world_size())
    groups, plan = features_of(ready.collator(next(iter(batches))))
    ready.loss.train().zero_grad()
    loss = ready.loss(groups, plan)
    loss.backward()
    trained = [(name, p) for name, p in ready.loss.named_parameters() if p.grad is not None]
    distributed.average_gradients(parameter for _, parameter in trained)
    found = {name: sharding.whole(p.grad).contiguous() for name, p in trained if p.grad is not None}
    if processes.is_first():
        save_file({"loss": loss.detach().reshape(1), **found}, out / f"{config.stem}.safetensors")
    distributed.wait()


if __name__ == "__main__":
    for name in sys.argv[2:]:
        write_gradients(Path(name), Path(sys.argv[1]))
    distributed.leave()
