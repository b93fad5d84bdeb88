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
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from embedkit.console import out_json, say
from embedkit.errors import ReportedInterrupt, TerminatedError, is_full
from embedkit.extras import require
from embedkit.files import STDIO, require_writable, write_text
from embedkit.models import run_folder
from embedkit.models.resolve import RANKER
from embedkit.trainer.config import RunConfig
from embedkit.trainer.losses.registry import ModelKind
from embedkit.trainer.run import resume as runs
from embedkit.trainer.settings import find_config, load_run_config
from embedkit.trainer.step.processes import is_first, one_voice

if TYPE_CHECKING:
    from embedkit.trainer.run.dry_run import DryRun
    from embedkit.trainer.run.plan import TrainPlan
    from embedkit.trainer.run.prepare import PreparedRun
    from embedkit.trainer.step.loop import Ending, TrainingLoop
    from embedkit.trainer.watch.dev_evaluation import DevEvaluation, DevResult
    from embedkit.trainer.watch.dev_metrics import DevMetrics
    from embedkit.trainer.watch.metrics_log import MetricsLog
    from embedkit.trainer.watch.stop import StopFlag


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainResult:
    """What a run did. `loss` is the mean of the steps done now; `dev` is (epoch, metrics), epoch 0 the
    base model. `kept` is the result on the dev rows whose weights the model has; None: it has those of the last step.
    `ending` says why it ended before the most epochs or steps that it may have had.
    """

    run: Path
    model: Path
    steps: int
    kept: DevResult | None
    stopped_early: bool
    ending: Ending | None
    loss: float
    dev: tuple[tuple[float, DevMetrics], ...]
    seconds: float
    samples_per_second: float
    device: str
    dtype: str
    resumed_from_step: int
    shape: str
    model_kind: ModelKind


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
    report_result(done, as_json=as_json)
    return done


def report_result(done: TrainResult, *, as_json: bool) -> None:
    """Say how a run went, and print it as one JSON object where that is asked for."""
    from embedkit.trainer.run.messages import print_result

    print_result(done)
    if as_json:
        out_json(json.loads(json.dumps(asdict(done), default=str)))


def _dry_run(config: RunConfig, *, resume: bool, force: bool, as_json: bool) -> DryRun:
    run = _prepare(config, resume=resume, force=force)
    from embedkit.trainer.run.dry_run import forecast, print_cost, require_fit
    from embedkit.trainer.run.messages import print_plan

    print_plan(run.plan)
    done = forecast(run)
    print_cost(done)
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
    if resume and config.train.model != "cross_encoder":
        _finish(Path(config.output.save_dir) / config.output.save_name)
    run = _prepare(config, resume=resume, force=force)
    from embedkit.trainer.run.messages import print_plan
    from embedkit.trainer.step.checkpoint import last_checkpoint
    from embedkit.trainer.step.disk import full_error

    print_plan(run.plan)
    checkpoint = last_checkpoint(run.folder) if resume else None
    if resume and checkpoint is None:
        say("there is no checkpoint to go on from: the run starts at the beginning")
    try:
        _open_folder(run, checkpoint)
        with runs.held(run.folder):
            done = _train_and_save(run, checkpoint)
            _learn_ranker(run)
            return done
    except KeyboardInterrupt:
        if is_first() and _interrupted(run.folder):
            raise ReportedInterrupt from None
        raise
    except BaseException as error:
        full = full_error(run.folder) if is_full(error) else None
        if is_first():
            runs.clear_hopeless(run.folder)
        if full is not None:
            raise full from error
        raise


def _prepare(config: RunConfig, *, resume: bool, force: bool) -> PreparedRun:
    from embedkit.trainer.rows.paths import find_sources

    with suppress(ModuleNotFoundError):
        if find_spec("sentence_transformers"):  # without it, that is what is said
            find_sources(config)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    require("sentence_transformers", extra="train")
    from embedkit.models.quiet import quiet_libraries
    from embedkit.trainer.run.prepare import prepare

    with quiet_libraries():
        return prepare(config, resume=resume, force=force)


def _open_folder(run: PreparedRun, checkpoint: Path | None) -> None:
    """Make the folder what a run of this config looks like at its first, or at the checkpoint's, step."""
    from embedkit.trainer.rows.trained_on import write_trained_on
    from embedkit.trainer.run.environment import write_environment
    from embedkit.trainer.step.checkpoint import checkpoint_step
    from embedkit.trainer.step.distributed import wait

    wait()
    if is_first():
        require_writable(run.folder)
        if checkpoint is not None:
            runs.cut_metrics(run.folder, step=checkpoint_step(checkpoint))
        else:
            runs.clear(run.folder)
            values = json.dumps(run.config.model_dump(mode="json"), ensure_ascii=False, indent=2)
            write_text(run.folder / run_folder.CONFIG, values + "\n")
            rows = run.inputs.rows
            write_environment(
                run.folder, run.config, run.plan, rows=rows.summary, base_weights=run.base_weights
            )
            write_trained_on(run.folder, rows, dev_files=_choosing_files(run.config))
    wait()


def _choosing_files(config: RunConfig) -> list[Path]:
    """The dev files, where their metrics choose the weights or end the run."""
    from embedkit.trainer.rows.paths import find_known_dev
    from embedkit.trainer.watch.dev_evaluation import best_metric

    if best_metric(config.train) is None:
        return []
    found = (config.data.dev_path, find_known_dev(config.data, config.data.pairs_path))
    return [Path(path) for path in found if path]


def _train_and_save(run: PreparedRun, checkpoint: Path | None) -> TrainResult:
    from embedkit.models.cross_encoder import write_orders
    from embedkit.models.quiet import quiet_libraries
    from embedkit.models.tracking import log_model
    from embedkit.trainer.model.load import save_model
    from embedkit.trainer.run.environment import write_kept_epoch
    from embedkit.trainer.step.distributed import wait
    from embedkit.trainer.step.loop import TrainingLoop
    from embedkit.trainer.step.sharding import in_one_piece
    from embedkit.trainer.watch.cross_metrics import CrossEvaluator
    from embedkit.trainer.watch.dev_evaluation import DevEvaluation
    from embedkit.trainer.watch.metrics_log import MetricsLog
    from embedkit.trainer.watch.stop import StopFlag

    started, stop, config = time.monotonic(), StopFlag(), run.config
    with quiet_libraries(), stop.on_sigterm():
        loop = TrainingLoop(run.inputs, config, total=run.plan.steps)
        if checkpoint is not None:
            loop.load(checkpoint)
        first, rows = loop.step, run.plan.rows_per_step
        log = MetricsLog(run.folder, config.output, start=first, total=loop.total, rows_per_step=rows)
        with closing(log):
            dev = DevEvaluation(run.dev, config.train, run=run.folder, log=log) if run.dev else None
            if dev is not None and checkpoint is not None:
                dev.load(checkpoint)
            losses, seconds = _train(run, loop, dev, log, stop)
        kept = dev.take_best() if dev else None
        orders = run.dev.orders() if isinstance(run.dev, CrossEvaluator) else None
        run.average.apply()
        result = TrainResult(
            run=run.folder,
            model=run.folder / run_folder.MODEL,
            steps=loop.step,
            kept=kept,
            stopped_early=dev is not None and dev.stopped_early,
            ending=loop.ending,
            loss=sum(losses) / max(len(losses), 1),
            dev=tuple((done.epoch, done.metrics) for done in (dev.results if dev else ())),
            seconds=time.monotonic() - started,
            samples_per_second=len(losses) * rows / max(seconds, 1e-9),
            device=config.device,
            dtype=config.dtype,
            resumed_from_step=first,
            shape=run.inputs.rows.sources[0].rows.shape,
            model_kind=config.train.model,
        )
        whole = in_one_piece(run.inputs.loss.model, config)
        if is_first():
            write_kept_epoch(run.folder, kept.epoch if kept else loop.epoch)
            save_model(whole, result.model, card=_write_card(run, result, dev))
            if dev is not None:
                dev.forget_best()
            if orders is not None:
                write_orders(run.folder, orders)
            log_model(run.folder)
    wait()
    return result


def _learn_ranker(run: PreparedRun) -> None:
    """How much meaning counts beside words in a search, from the known dev questions."""
    if run.plan.known_dev_rows:
        _learn_for(run.folder)


def _finish(run: Path) -> None:
    """What a run lacks that was killed after its model was saved: how its search weighs words and meaning."""
    model = run / run_folder.MODEL
    if model.is_dir() and not any((folder / RANKER).is_file() for folder in (model, run)):
        _learn_for(run)


def _learn_for(run: Path) -> None:
    if is_first():
        from embedkit.models.quiet import quiet_libraries
        from embedkit.ranking.hybrid.learning import learn_for_run

        with quiet_libraries():
            learn_for_run(run)


def _train(
    run: PreparedRun, loop: TrainingLoop, dev: DevEvaluation | None, log: MetricsLog, stop: StopFlag
) -> tuple[list[float], float]:
    """Do the steps that are left, and what is due between them: log, dev evaluation, checkpoint. The losses of the
    steps, and the seconds that all took.

    Raises:
        TerminatedError: SIGTERM came; the checkpoint is written.
    """
    from embedkit.trainer.step.distributed import any_of
    from embedkit.trainer.step.optimiser import DECAY_SHARE
    from embedkit.trainer.watch.ending import wind_down
    from embedkit.trainer.watch.progress import Progress

    started, losses, output = time.monotonic(), list[float](), run.config.output
    minutes = run.config.train.max_minutes
    if dev is not None:
        dev.before_steps(loop)
    progress = Progress(start=loop.step, total=loop.total, rows_per_step=run.plan.rows_per_step)
    with closing(progress):
        for done in loop.steps():
            losses.append(done.loss)
            stop.after_step()
            if minutes is not None and any_of(loop.seconds > 60 * minutes * (1 - DECAY_SHARE)):
                wind_down(loop, "time")
            progress.total = log.total = loop.total
            progress.after_step(done)
            log.after_step(done)
            if dev is not None and not stop.raised:
                dev.after_step(loop)
            if dev is not None and dev.stopped_early:
                break
            every = output.checkpoint_steps
            due = loop.ends_epoch or (every is not None and done.step % every == 0)
            if stop.raised or (due and done.step < loop.total):
                _save_checkpoint(run, loop, dev)
            if stop.raised:
                raise _terminated(run.folder)
    return losses, time.monotonic() - started


def _save_checkpoint(run: PreparedRun, loop: TrainingLoop, dev: DevEvaluation | None) -> None:
    """Write a checkpoint, let it count when the files of all processes are there, and keep the newest."""
    from embedkit.trainer.step.checkpoint import checkpoint_path, keep_newest, mark_complete
    from embedkit.trainer.step.distributed import wait

    folder = checkpoint_path(run.folder, loop.step)
    loop.save(folder)
    if dev is not None:
        dev.save(folder)
    wait()
    if is_first():
        mark_complete(folder)
        keep_newest(run.folder, keep=run.config.output.checkpoint_keep)


def _write_card(run: PreparedRun, result: TrainResult, dev: DevEvaluation | None) -> str:
    """Write the run's card; return that of its model folder."""
    from embedkit.data.records import texts_of
    from embedkit.trainer.run.card import CardFacts, write_card

    rows, model = run.inputs.rows, run.inputs.loss.model
    example = texts_of(rows.store[0])
    facts = CardFacts(
        config=run.config,
        plan=run.plan,
        rows=rows.summary,
        dev=dev.results if dev else (),
        kept=result.kept,
        stopped_early=result.stopped_early,
        ending=result.ending,
        steps=result.steps,
        seconds=result.seconds,
        example=(example[0], example[1 % len(example)]),
        dimensions=0 if rows.model == "cross_encoder" else model.get_embedding_dimension() or 0,
        max_length=model.max_seq_length or math.inf,
    )
    return write_card(run.folder, facts)


def _terminated(run: Path) -> TerminatedError:
    from embedkit.trainer.step.checkpoint import checkpoint_step, last_checkpoint

    checkpoint = last_checkpoint(run)
    step = checkpoint_step(checkpoint) if checkpoint else 0
    return TerminatedError(
        "stopped by SIGTERM at step {step}", place=str(run), hint="--resume goes on from there", step=step
    )


def _interrupted(run: Path) -> bool:
    """Say what is left of a run; false where there is nothing to say."""
    from embedkit.trainer.step.checkpoint import checkpoint_step, last_checkpoint

    if runs.clear_hopeless(run):
        say("{run}: stopped before the first checkpoint; nothing is kept", run=run)
        return True
    if (checkpoint := last_checkpoint(run)) and not (run / run_folder.MODEL).is_dir():
        step = checkpoint_step(checkpoint)
        say("{run}: stopped; --resume goes on from the checkpoint at step {step}", run=run, step=step)
        return True
    return False
