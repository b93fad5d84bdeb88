"""`embedkit train`: from cfg.json and pairs.jsonl to runs/NAME/, a model that plain sentence-transformers
loads.

Everything that can be wrong is found before the first byte is written; a run that is cut off goes on with
`--resume`.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedkit.console import out_json, say
from embedkit.data import run_folder
from embedkit.errors import ReportedInterrupt, TerminatedError
from embedkit.extras import require
from embedkit.files import STDIO, require_writable, write_text
from embedkit.trainer.config import RunConfig
from embedkit.trainer.run import resume as runs
from embedkit.trainer.run.disk import full_error, is_full
from embedkit.trainer.settings import find_config, load_run_config
from embedkit.trainer.step.processes import is_first, one_voice

if TYPE_CHECKING:
    from embedkit.trainer.run.dry_run import DryRun
    from embedkit.trainer.run.plan import Ready, TrainPlan
    from embedkit.trainer.step.loop import PairTrainer
    from embedkit.trainer.watch.callbacks import MetricsLog, StopFlag
    from embedkit.trainer.watch.dev_evaluation import DevLooks, Look
    from embedkit.trainer.watch.dev_metrics import DevMetrics


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainResult:
    """What a run did. `loss` is the mean of the steps done now; `dev` is (epoch, metrics), epoch 0 the
    base model. `kept` is the look at them whose weights the model has; None: it has those of the last step.
    """

    run: Path
    model: Path
    steps: int
    kept: Look | None
    stopped_early: bool
    loss: float
    dev: tuple[tuple[float, DevMetrics], ...]
    seconds: float
    samples_per_second: float
    device: str
    dtype: str
    resumed_from_step: int
    shape: str


def train(
    *,
    config: Path | None,
    sets: Sequence[str] = (),
    resume: bool = False,
    force: bool = False,
    dry_run: bool = False,
    as_json: bool = False,
) -> DryRun | TrainResult:
    """Train as the config file says, and tell the person how it went.

    Raises:
        UserError: config, model, rows or folder are not right; nothing has been written then.
        TerminatedError: SIGTERM came, and a checkpoint was written.
        AnswerNoError: a dry run found that the run cannot fit.
    """
    with one_voice():
        path = find_config(config)
        loaded = named(load_run_config(path, sets=sets).config, path)
        act: Callable[..., DryRun | TrainResult] = _dry_run if dry_run else _run
        done = act(loaded, resume=resume, force=force, as_json=as_json)
        from embedkit.trainer.step.distributed import leave

        leave()
    return done


def _run(config: RunConfig, *, resume: bool, force: bool, as_json: bool) -> TrainResult:
    done = run_training(config, resume=resume, force=force)
    from embedkit.trainer.run.messages import tell_result

    tell_result(done)
    if as_json:
        out_json(json.loads(json.dumps(asdict(done), default=str)))
    return done


def _dry_run(config: RunConfig, *, resume: bool, force: bool, as_json: bool) -> DryRun:
    ready = _prepare(config, resume=resume, force=force)
    from embedkit.trainer.run.dry_run import forecast, require_fit, tell_cost
    from embedkit.trainer.run.messages import tell_plan

    tell_plan(ready.plan)
    done = forecast(ready)
    tell_cost(done)
    if as_json:
        out_json(done.to_object())
    require_fit(done)
    return done


def named(config: RunConfig, path: Path | None) -> RunConfig:
    """The config with its run's name: the file's own name where output.save_name is empty."""
    stem = "run" if path is None or str(path) == STDIO else path.stem
    output = config.output.model_copy(update={"save_name": config.output.save_name or stem})
    return config.model_copy(update={"output": output})


def plan_training(config: RunConfig, *, resume: bool = False, force: bool = False) -> TrainPlan:
    """Load and check all that `run_training` would, and write nothing."""
    return _prepare(config, resume=resume, force=force).plan


def run_training(config: RunConfig, *, resume: bool = False, force: bool = False) -> TrainResult:
    """Train one run whole: the folder `output.save_dir/output.save_name` holds the result.

    With `resume` a run that was cut off goes on from its last whole checkpoint and ends with the weights it
    would have had; a run that is not there, or has no checkpoint yet, starts. With `force` an earlier run
    is replaced.
    """
    ready = _prepare(config, resume=resume, force=force)
    from embedkit.trainer.run.messages import tell_plan

    tell_plan(ready.plan)
    checkpoint = runs.last_checkpoint(ready.folder) if resume else None
    if resume and checkpoint is None:
        say("there is no checkpoint to go on from: the run starts at the beginning")
    try:
        _open_run(ready, checkpoint)
        with runs.held(ready.folder):
            return _execute(ready, checkpoint)
    except KeyboardInterrupt:
        if is_first() and _interrupted(ready.folder):
            raise ReportedInterrupt from None
        raise
    except BaseException as error:
        full = full_error(ready.folder) if is_full(error) else None
        if is_first():
            runs.clear_hopeless(ready.folder)
        if full is not None:
            raise full from error
        raise


def _prepare(config: RunConfig, *, resume: bool, force: bool) -> Ready:
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    require("sentence_transformers", extra="train")
    from embedkit.models.quiet import quiet_libraries
    from embedkit.trainer.run.plan import prepare

    with quiet_libraries():
        return prepare(config, resume=resume, force=force)


def _open_run(ready: Ready, checkpoint: Path | None) -> None:
    """Make the folder what a run of this config looks like at its first, or at the checkpoint's, step."""
    from embedkit.trainer.step.distributed import wait

    wait()
    if is_first():
        require_writable(ready.folder)
        if checkpoint is not None:
            runs.cut_metrics(ready.folder, step=runs.checkpoint_step(checkpoint))
        else:
            runs.clear(ready.folder)
            _describe_run(ready)
    wait()


def _describe_run(ready: Ready) -> None:
    from embedkit.trainer.run.card import write_environment

    values = ready.config.model_dump(mode="json")
    write_text(ready.folder / run_folder.CONFIG, json.dumps(values, ensure_ascii=False, indent=2) + "\n")
    write_environment(
        ready.folder,
        device=ready.config.device,
        precision=ready.precision,
        rows=ready.rows.summary,
        config=ready.config,
        base_weights=ready.base_weights,
    )


def _execute(ready: Ready, checkpoint: Path | None) -> TrainResult:
    from embedkit.models.quiet import quiet_libraries
    from embedkit.trainer.model.load import in_one_piece, save_model
    from embedkit.trainer.step.distributed import wait
    from embedkit.trainer.watch.callbacks import MetricsLog, Progress, StopFlag

    stop, rows_per_step = StopFlag(), ready.plan.rows_per_step
    progress = Progress(rows_per_step=rows_per_step)
    log = MetricsLog(ready.folder, rows_per_step=rows_per_step) if ready.config.output.save_metrics else None
    first = runs.checkpoint_step(checkpoint) if checkpoint else 0
    started = time.monotonic()
    with quiet_libraries(), stop.on_sigterm():
        trainer, dev = _trainer(ready, stop, log, progress)
        try:
            outcome = trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        finally:
            progress.close()
        if stop.raised:
            raise _terminated(ready.folder)
        kept, steps = dev.take_best(), trainer.state.global_step
        ready.blend.apply()
        trained_seconds = max(float(outcome.metrics["train_runtime"]), 1e-9)
        result = TrainResult(
            run=ready.folder,
            model=ready.folder / run_folder.MODEL,
            steps=steps,
            kept=kept,
            stopped_early=dev.stopped_early,
            loss=outcome.training_loss,
            dev=tuple((look.epoch, look.metrics) for look in dev.looks),
            seconds=time.monotonic() - started,
            samples_per_second=(steps - first) * rows_per_step / trained_seconds,
            device=ready.config.device,
            dtype=ready.precision.dtype,
            resumed_from_step=first,
            shape=ready.rows.sources[0].rows.shape,
        )
        whole = in_one_piece(ready.model, ready.config)
        if is_first():
            save_model(whole, result.model, card=_write_card(ready, result))
            dev.forget_best()
    wait()
    return result


def _trainer(
    ready: Ready, stop: StopFlag, log: MetricsLog | None, progress: Any
) -> tuple[PairTrainer, DevLooks]:
    from embedkit.trainer.step.loop import PairTrainer, training_arguments
    from embedkit.trainer.watch.callbacks import Checkpoints, StepSeed
    from embedkit.trainer.watch.dev_evaluation import DevLooks

    config = ready.config
    dev = DevLooks(ready, stop)
    callbacks = [stop, StepSeed(config.seed), dev, Checkpoints(ready.folder, config.output, stop), progress]
    trainer = PairTrainer(
        model=ready.model,
        loss=ready.loss,
        rows=ready.rows,
        collator=ready.collator,
        config=config,
        args=training_arguments(
            config,
            run=ready.folder,
            device=config.device,
            dtype=ready.precision.dtype,
            steps=ready.plan.steps,
        ),
        callbacks=[*callbacks, log] if log else callbacks,
        on_loss=progress.saw_loss,
    )
    dev.trainer = trainer
    return trainer, dev


def _write_card(ready: Ready, result: TrainResult) -> str:
    """Write the run's card; return that of its model folder."""
    from embedkit.data.records import texts_of
    from embedkit.trainer.run.card import CardFacts, write_card

    example = texts_of(ready.rows.store[0])
    facts = CardFacts(
        config=ready.config,
        plan=ready.plan,
        rows=ready.rows.summary,
        dev=result.dev,
        kept=result.kept,
        stopped_early=result.stopped_early,
        steps=result.steps,
        seconds=result.seconds,
        precision=ready.precision,
        example=(example[0], example[1 % len(example)]),
        dimensions=ready.model.get_embedding_dimension() or 0,
        max_length=ready.model.max_seq_length or math.inf,
    )
    return write_card(ready.folder, facts)


def _terminated(run: Path) -> TerminatedError:
    checkpoint = runs.last_checkpoint(run)
    step = runs.checkpoint_step(checkpoint) if checkpoint else 0
    return TerminatedError(
        "stopped by SIGTERM at step {step}", place=str(run), hint="--resume goes on from there", step=step
    )


def _interrupted(run: Path) -> bool:
    """Tell what is left of a run, and whether there was anything to tell."""
    if runs.clear_hopeless(run):
        say("{run}: stopped before the first checkpoint; nothing is kept", run=run)
        return True
    if (checkpoint := runs.last_checkpoint(run)) and not (run / run_folder.MODEL).is_dir():
        step = runs.checkpoint_step(checkpoint)
        say("{run}: stopped; --resume goes on from the checkpoint at step {step}", run=run, step=step)
        return True
    return False
