"""`embedkit distill`: a static model from a tuned one, trained on with its rows, and what that costs and gains.

The result is a run like any other: `distilled/` in it is the static model before training, `model/` the one after. Its
learning rate is high, since a step moves only the vectors of the tokens that are in the batch.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from embedkit.console import out_json, say
from embedkit.errors import UserError
from embedkit.extras import require
from embedkit.files import write_text
from embedkit.models import run_folder
from embedkit.models.resolve import ModelSource, load_model, resolve_model
from embedkit.trainer.config import DataSection, OptimSection, RunConfig, TrainSection
from embedkit.trainer.rows.paths import find_sources
from embedkit.trainer.run.resume import require_free

if TYPE_CHECKING:
    from embedkit.trainer.distill.measure import StudentComparison

DISTILLED = "distilled"
STATIC_LR = 0.01
# Of the vectors as distilled, which know words outside the glossary.
BASE_SHARE = 0.4
SUFFIX = "-static"


@dataclass(frozen=True, slots=True, kw_only=True)
class DistillOptions:
    """What `embedkit distill` is asked for. No `output`: the run's own name with -static, beside it."""

    model: str
    output: Path | None = None
    dimensions: int | None = None
    minutes: float | None = None
    resume: bool = False
    force: bool = False
    as_json: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DistillResult:
    """The student's run, and how it compares with its teacher."""

    run: Path
    model: Path
    teacher: str
    tokens: int
    dimensions: int
    comparison: StudentComparison


def distill(options: DistillOptions) -> DistillResult:
    """Distil, train and compare; tell the person how it went.

    Raises:
        UserError: the teacher or its rows are not there, or `output` is there and is kept.
    """
    require("sentence_transformers", extra="train")
    source = resolve_model(options.model, final=False)  # the final model has seen the known questions
    output = options.output or _beside(source)
    if not output.name:
        raise UserError("name a folder for the student", place=str(output))
    config = student_config(source, output, minutes=options.minutes)
    require_free(output, resume=options.resume, force=options.force)
    find_sources(config)
    result = _distill(source, config, options)
    _report(result)
    if options.as_json:
        out_json(_to_object(result))
    return result


def _beside(source: ModelSource) -> Path:
    """`runs/cfg-static` for the run `runs/cfg`; for any other model `runs/NAME-static`."""
    if source.origin == "run":
        folder = Path(source.requested)
        return folder.with_name(folder.name + SUFFIX)
    return Path("runs") / (Path(source.requested).name + SUFFIX)


def student_config(source: ModelSource, output: Path, *, minutes: float | None = None) -> RunConfig:
    """The teacher's rows, loss, batches and seed; what only a transformer has is left out.

    Raises:
        UserError: the rows that the teacher was trained on are not there.
    """
    run = run_folder.run_of(source)
    recipe = RunConfig.model_validate(run.config) if run else RunConfig()
    if run is not None and not run.trained_on:
        raise UserError(
            "the rows that the run was trained on are not there",
            place=str(run.folder),
            hint="run this in the folder in which embedkit train ran",
        )
    train = recipe.train
    return recipe.model_copy(
        update={
            "model_id": str(output / DISTILLED),
            "tokenizer_id": None,
            "dtype": "float32",
            "lora": None,
            "train": TrainSection(
                batch_size=train.batch_size,
                batching=train.batching,
                rows_per_visit=train.rows_per_visit,
                max_minutes=minutes,
                max_length=None,
                base_share=BASE_SHARE,
                extend_vocabulary="off",
            ),
            "optim": OptimSection(lr=STATIC_LR),
            "data": _data(recipe.data, run.trained_on if run else ()),
            "output": recipe.output.model_copy(
                update={"save_dir": str(output.parent), "save_name": output.name, "report_to": []}
            ),
            "hf": recipe.hf.model_copy(update={"revision": None}),
        }
    )


def _data(data: DataSection, files: tuple[Path, ...]) -> DataSection:
    """The same rows by the paths at which they were found, and the dev file beside them where the named one is gone."""
    dev = data.dev_path if data.dev_path and Path(data.dev_path).is_file() else None
    found: dict[str, object] = {"dev_path": dev, "use_dev": True}
    if data.sources:
        found["sources"] = [
            one.model_copy(update={"path": str(path)}) for one, path in zip(data.sources, files, strict=True)
        ]
    elif files:
        found["pairs_path"] = str(files[0])
    return data.model_copy(update=found)


def _distill(source: ModelSource, config: RunConfig, options: DistillOptions) -> DistillResult:
    from embedkit.models.quiet import quiet_libraries
    from embedkit.trainer.distill.measure import compare_models
    from embedkit.trainer.distill.static import static_model
    from embedkit.trainer.model.load import load_options, save_model
    from embedkit.trainer.model.vocabulary import texts_to_learn_from
    from embedkit.trainer.rows.sources import read_training_rows
    from embedkit.trainer.run.train import run_training

    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    base = Path(config.model_id)
    with quiet_libraries():
        teacher = load_model(source, load_options(config, device=config.device))
        if not (options.resume and base.is_dir()):
            texts = list(texts_to_learn_from(read_training_rows(config)))
            student = static_model(teacher, texts, dimensions=options.dimensions)
            save_model(student, base, card=f"# {DISTILLED}\n\nStatic vectors of {source}, before training.\n")
    trained = run_training(config, resume=options.resume, force=options.force)
    with quiet_libraries():
        found = resolve_model(str(base.parent), final=False)
        student = load_model(found, load_options(config, device="cpu"))
        say("comparing with {teacher}", teacher=source.requested)
        comparison = compare_models(teacher, student, config)
    result = DistillResult(
        run=base.parent,
        model=trained.model,
        teacher=source.requested,
        tokens=student[0].embedding.num_embeddings,
        dimensions=student.get_embedding_dimension() or 0,
        comparison=comparison,
    )
    for card in (result.run / run_folder.CARD, result.model / run_folder.CARD):
        write_text(card, card.read_text(encoding="utf-8") + "\n" + _card_section(result))
    return result


def _report(result: DistillResult) -> None:
    """What the student costs and gains, and what comes next."""
    found = result.comparison
    say(
        "static model: {tokens} tokens, {dimensions} dimensions: {model}",
        tokens=f"{result.tokens:,}",
        dimensions=result.dimensions,
        model=result.model,
    )
    say(
        "speed: {after} texts/s on the CPU, the teacher {before}: {ratio} times faster",
        after=f"{found.student.texts_per_second:,.0f}",
        before=f"{found.teacher.texts_per_second:,.0f}",
        ratio=f"{found.speed_ratio:.0f}",
    )
    if found.recall_ratio is not None:
        say(
            "known recall@1: {after}, the teacher {before} ({questions} questions, the model alone over definitions)",
            after=f"{found.student.known_recall_at_1:.3f}",
            before=f"{found.teacher.known_recall_at_1:.3f}",
            questions=found.questions,
        )
    say("next: embedkit evaluate --model {run} --baseline {teacher}", run=result.run, teacher=result.teacher)


def _card_section(result: DistillResult) -> str:
    found = result.comparison
    recall = (
        f" Known recall@1 over definitions ({found.questions} questions): "
        f"{found.student.known_recall_at_1:.3f}, the teacher's {found.teacher.known_recall_at_1:.3f}."
        if found.recall_ratio is not None
        else ""
    )
    return (
        "## Static\n\n"
        f"A vector for each of {result.tokens:,} tokens; a text is the mean of its tokens' vectors, and their order "
        f"counts for nothing. It was distilled from {Path(result.teacher).name} and trained on. On one CPU it encodes "
        f"{found.student.texts_per_second:,.0f} texts a second, its teacher "
        f"{found.teacher.texts_per_second:,.0f}.{recall}\n"
    )


def _to_object(result: DistillResult) -> dict[str, object]:
    found = result.comparison
    return {
        "run": str(result.run),
        "model": str(result.model),
        "teacher": result.teacher,
        "tokens": result.tokens,
        "dimensions": result.dimensions,
        **asdict(found),
        "speed_ratio": found.speed_ratio,
        "recall_ratio": found.recall_ratio,
    }
