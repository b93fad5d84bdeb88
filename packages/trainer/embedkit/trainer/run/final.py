"""A run's recipe trained on everything: `embedkit finalize RUN` and `embedkit train --final`, into RUN/final.

The measured model has not seen the dev, test and known rows; the one that is used should. Each concept is visited as
often as for the measured weights. RUN/final is a run like any other, with its rows, config, card and checkpoints.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from embedkit.console import say, warn
from embedkit.data.jsonl import read_objects, write_objects
from embedkit.data.records import split_path
from embedkit.data.shapes import read_typed
from embedkit.errors import UserError
from embedkit.files import STDIO
from embedkit.models import run_folder
from embedkit.models.resolve import FINAL, resolve_model
from embedkit.trainer.config import DataSection, RunConfig
from embedkit.trainer.run.resume import require_free
from embedkit.trainer.run.train import TrainResult, named, report_result, run_training
from embedkit.trainer.settings import find_config, load_run_config
from embedkit.trainer.step.processes import is_first, one_voice

# What lies beside a training file, in the order in which it is added to its rows.
_PARTS = ("dev", "test", "known.dev", "known")


def finalize_config(
    *,
    config: Path | None,
    sets: Sequence[str] = (),
    resume: bool = False,
    force: bool = False,
    dry_run: bool = False,
    as_json: bool = False,
) -> TrainResult:
    """`finalize` the run that the config file trains."""
    if dry_run:
        raise UserError("--dry-run says nothing of --final", hint="give one of them")
    path = find_config(config)
    output = named(load_run_config(path, sets=sets).config, path).output
    return finalize(Path(output.save_dir) / output.save_name, resume=resume, force=force, as_json=as_json)


def finalize(run: Path, *, resume: bool = False, force: bool = False, as_json: bool = False) -> TrainResult:
    """Train the recipe of a measured run on all of its rows.

    Raises:
        UserError: `run` is no trained run, or its rows are not there any more.
    """
    with one_voice():
        _require_trained(run)
        if resume and is_first() and (run / FINAL / run_folder.MODEL).is_dir():
            _keep_ranker(run)  # which a kill may have kept from it
        require_free(run / FINAL, resume=resume, force=force)
        recipe = RunConfig.model_validate(run_folder.read_config(run))
        config = final_config(run, recipe)
        from embedkit.trainer.step.distributed import leave, wait

        if is_first():
            for source, target in zip(_trained_on(recipe.data), _trained_on(config.data), strict=True):
                _write_rows(source, Path(target), recipe.data)
        wait()
        result = run_training(config, resume=resume, force=force)
        if is_first():
            _keep_ranker(run)
        report_result(result, as_json=as_json)
        leave()
    return result


def _keep_ranker(run: Path) -> None:
    """The search of the final model weighs words and meaning as was learnt for the measured one: it has seen the dev
    questions, on which it would find the model alone best.
    """
    from embedkit.ranking.hybrid.shares import keep_shares, shares_of

    learnt = shares_of(resolve_model(str(run / run_folder.MODEL)))
    keep_shares(learnt, run / FINAL / run_folder.MODEL)


def _require_trained(run: Path) -> None:
    if not (run / run_folder.CONFIG).is_file() or not (run / run_folder.MODEL).is_dir():
        raise UserError(
            "is no trained run",
            place=str(run),
            hint="embedkit train makes one, embedkit evaluate measures it",
        )
    if measured := run_folder.measured_run(run):
        raise UserError(
            "is trained on everything already", place=str(run), hint="the run is {run}", run=measured
        )
    if not any((run / name).is_file() for name in run_folder.EVALUATED):
        warn(
            "{run} is not measured yet: embedkit evaluate --model {run} says whether it is worth using",
            run=run,
        )


def final_config(run: Path, recipe: RunConfig) -> RunConfig:
    """The recipe for all rows: as many epochs as the measured weights had, and nothing that dev rows decide.

    Raises:
        UserError: the rows came from stdin, or are not where they were.
    """
    paths = _trained_on(recipe.data)
    for path in paths:
        if path == STDIO or not Path(path).is_file():
            raise UserError("the rows that the run was trained on are not there", place=path)
    targets = [str(run / FINAL / _file_name(number, len(paths))) for number in range(len(paths))]
    data: dict[str, Any] = {"use_dev": False, "dev_path": None, "max_rows": None}
    if recipe.data.sources is None:
        data["pairs_path"] = targets[0]
    else:
        data["sources"] = [
            source.model_copy(update={"path": target})
            for source, target in zip(recipe.data.sources, targets, strict=True)
        ]
    train: dict[str, Any] = {
        "epochs": max(1, round(run_folder.kept_epoch(run) or _number_of(recipe, run))),
        **dict.fromkeys(("max_minutes", "eval_steps", "best_metric", "early_stopping_patience")),
    }
    return recipe.model_copy(
        update={
            "train": recipe.train.model_copy(update=train),
            "data": recipe.data.model_copy(update=data),
            "output": recipe.output.model_copy(update={"save_dir": str(run), "save_name": FINAL}),
        }
    )


def _number_of(recipe: RunConfig, run: Path) -> int:
    if recipe.train.epochs == "auto":
        raise UserError(
            "how many epochs its weights had is not known",
            place=str(run),
            hint="train the run anew with --force",
        )
    return recipe.train.epochs


def _trained_on(data: DataSection) -> list[str]:
    return [source.path for source in data.sources] if data.sources else [data.pairs_path or STDIO]


def _file_name(number: int, count: int) -> str:
    return "pairs.jsonl" if count == 1 else f"rows-{number + 1}.jsonl"


def _write_rows(path: str, target: Path, data: DataSection) -> None:
    """Write the rows of a training file, then those of its parts and of the dev file."""
    parts = [part for name in _PARTS if (part := split_path(Path(path), name)).is_file()]
    if data.dev_path is not None and not data.sources:
        parts.append(Path(data.dev_path))
    shape = read_typed(path)[0].shape
    alike = [part for part in dict.fromkeys(parts) if read_typed(str(part))[0].shape == shape]
    trained = islice(_objects(path), data.max_rows)
    count = write_objects(target, chain(trained, *map(_objects, alike)))
    say(
        "{target}: {count} rows of {files}",
        target=target,
        count=count,
        files=", ".join(map(str, (path, *alike))),
    )


def _objects(path: Path | str) -> Iterator[dict[str, Any]]:
    return (row for _, row in read_objects(path))
