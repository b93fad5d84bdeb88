"""`embedkit compare`: the same data, base model and seed under several losses, measured alike, in one table.

Each loss is a run of its own under runs/NAME-compare/; one that is done is not trained again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rapidfuzz import process

from embedkit.console import out, out_json, say
from embedkit.errors import UserError
from embedkit.extras import require
from embedkit.files import read_bytes, sha256_file, write_text
from embedkit.messages import tr
from embedkit.models import run_folder
from embedkit.models.resolve import lend_prompts
from embedkit.trainer.config import DataSection, RunConfig
from embedkit.trainer.losses.registry import LOSSES
from embedkit.trainer.rows.paths import find_dev, find_sources
from embedkit.trainer.rows.store import read_rows
from embedkit.trainer.run import resume as runs
from embedkit.trainer.run.train import named, run_training
from embedkit.trainer.settings import find_config, load_run_config

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

BASE = "base"
_ORDER = (
    "known_recall_at_1",
    "known_described_recall_at_1",
    "everyday_spearman",
    "pearson",
    "spearman",
    "accuracy",
    "ndcg_at_10",
    "mrr_at_10",
    "recall_at_1",
    "recall_at_10",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What one loss made of the base model; `metrics` as `cosine_pearson`, or as the dev rows give them."""

    loss: str
    run: str
    steps: int
    seconds: float
    metrics: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Graded:
    """Graded sentence pairs, and the file that they are from."""

    path: str
    left: list[str]
    right: list[str]
    scores: list[float]


def compare(
    *,
    config: Path | None,
    losses: str,
    sts: Path | None = None,
    sets: Sequence[str] = (),
    force: bool = False,
    as_json: bool = False,
) -> list[Compared]:
    """Train with each of `losses` (names with commas between) and print a line for each, the base model first.

    Raises:
        UserError: config, rows or names are not right, or there is nothing to measure with; raised before
            the first run begins.
    """
    path = find_config(config)
    settings = named(load_run_config(path, sets=sets).config, path)
    names = loss_names(losses)
    graded = None if sts is None else read_graded(sts)
    _require_comparable(settings, names, graded)
    results = list(_compared(settings, names, graded, force=force))
    if as_json:
        out_json({"measured_on": graded.path if graded else "dev", "losses": [asdict(r) for r in results]})
    else:
        for line in table(results):
            out(line)
    return results


def loss_names(text: str) -> list[str]:
    """The losses of `a,b,c`; `UserError` for one that there is not."""
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    known = list(LOSSES)
    if not names:
        raise UserError("--losses names no loss", hint="known are {known}", known=", ".join(known))
    for name in names:
        if name not in known:
            near = process.extractOne(name, known, score_cutoff=60)
            raise UserError(
                "there is no loss {name!r}",
                place="--losses",
                hint="did you mean {guess!r}?" if near else "known are {known}",
                name=name,
                guess=near[0] if near else "",
                known=", ".join(known),
            )
    return names


def read_graded(path: Path) -> _Graded:
    """The sentence pairs of `--sts`."""
    rows = read_rows(str(path), DataSection(), check=False)
    if rows.shape != "scored_pairs":
        raise UserError(
            "these are no graded sentence pairs",
            place=str(path),
            hint='--sts wants rows of {"sentence1","sentence2","score"}, the score from 0 to 1',
        )
    pairs = [rows.store[number] for number in range(len(rows))]
    return _Graded(
        path=str(path),
        left=[pair.sentence1 for pair in pairs],
        right=[pair.sentence2 for pair in pairs],
        scores=[pair.score for pair in pairs],
    )


def table(results: Sequence[Compared]) -> Iterator[str]:
    """A head and a line per loss: correlations as `Pearson / Spearman` under each similarity, or dev metrics."""
    from embedkit.ranking.sts import SIMILARITIES
    from embedkit.text import align
    from embedkit.trainer.watch.dev_metrics import label

    names = {name for result in results for name in result.metrics}
    if any(name.startswith("cosine_") for name in names):
        yield tr("Pearson / Spearman, similarity against score")
        head = [*map(str, SIMILARITIES)]
        cells = [[_pair(result.metrics, similarity) for similarity in SIMILARITIES] for result in results]
    else:
        shown = [name for name in _ORDER if name in names]
        head = [label(name) for name in shown]
        cells = [[_number(result.metrics.get(name)) for name in shown] for result in results]
    rows = [(tr("loss"), *head, tr("steps"), tr("seconds"))]
    rows += [
        (r.loss, *line, str(r.steps), f"{r.seconds:.0f}") for r, line in zip(results, cells, strict=True)
    ]
    yield from align(rows)


def _pair(metrics: dict[str, float], similarity: str) -> str:
    return f"{metrics[f'{similarity}_pearson']:.3f} / {metrics[f'{similarity}_spearman']:.3f}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _require_comparable(config: RunConfig, names: Sequence[str], graded: _Graded | None) -> None:
    """Every loss fits the rows and has what it needs, and there is something to measure with."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    require("sentence_transformers", extra="train")
    from embedkit.trainer.losses.build import require_settings
    from embedkit.trainer.rows.sources import read_training_rows

    if config.data.sources:
        raise UserError("compare trains on one file", hint="set data.pairs_path in place of data.sources")
    pairs_path = find_sources(config)[0][0]
    if graded is None and find_dev(config.data, pairs_path) is None:
        raise UserError(
            "there is nothing to measure with",
            hint="name graded pairs with --sts, or dev rows with data.dev_path",
        )
    for name in names:
        one = _with_loss(config, name)
        require_settings(one, read_training_rows(one))


def _with_loss(config: RunConfig, loss: str) -> RunConfig:
    folder = Path(config.output.save_dir) / f"{config.output.save_name}-compare"
    output = config.output.model_copy(update={"save_dir": str(folder), "save_name": loss})
    return config.with_loss(loss).model_copy(update={"output": output})


def _compared(
    config: RunConfig, names: Sequence[str], graded: _Graded | None, *, force: bool
) -> Iterator[Compared]:
    """The base model (where there are graded pairs), then each loss; done ones are read, not trained."""
    if graded is not None:
        base = _load(config.model_id, config, revision=config.hf.revision or "")
        lend_prompts(base, {"query": config.train.query_prompt or ""})
        metrics = _correlations(base, graded)
        yield Compared(loss=BASE, run=config.model_id, steps=0, seconds=0.0, metrics=metrics)
    for number, name in enumerate(names, start=1):
        one = _with_loss(config, name)
        folder = Path(one.output.save_dir) / name
        asked = _asked(one, graded)
        known = None if force else _recorded(folder, asked)
        if known is not None:
            say("{loss}: done already ({run})", loss=name, run=folder)
            yield known
            continue
        say("{number} of {count}: {loss}", number=number, count=len(names), loss=name)
        anew = force or (folder / run_folder.MODEL).is_dir()  # trained, but not measured to the end
        result = run_training(one, resume=not anew and runs.exists(folder), force=anew)
        metrics = (
            (result.kept.metrics if result.kept else result.dev[-1][1]).measured()
            if graded is None
            else _correlations(_load(str(folder), one), graded)
        )
        metrics.pop("loss", None)
        done = Compared(
            loss=name, run=str(folder), steps=result.steps, seconds=round(result.seconds, 1), metrics=metrics
        )
        _record(folder, asked, done)
        yield done


def _load(name: str, config: RunConfig, *, revision: str = "") -> SentenceTransformer:
    from embedkit.models.quiet import quiet_libraries
    from embedkit.models.resolve import load_model, resolve_model
    from embedkit.trainer.model.load import load_options

    source = resolve_model(name, revision=revision, network=not config.hf.local_files_only)
    with quiet_libraries():
        return load_model(source, load_options(config, device=config.device, revision=revision))


def _correlations(model: SentenceTransformer, graded: _Graded) -> dict[str, float]:
    """Both sentences under the query prompt, as training puts it before either."""
    from embedkit.ranking.sts import correlations

    left, right = (
        np.asarray(model.encode_query(texts, show_progress_bar=False))
        for texts in (graded.left, graded.right)
    )
    found = correlations(left, right, np.array(graded.scores))
    return {
        f"{one.similarity}_{name}": getattr(one, name) for one in found for name in ("pearson", "spearman")
    }


def _asked(config: RunConfig, graded: _Graded | None) -> dict[str, Any]:
    """All that a result depends on."""
    path = find_sources(config)[0][0]
    return {
        "config": config.model_dump(mode="json"),
        "rows": sha256_file(Path(path)) if Path(path).is_file() else "",
        "sts": sha256_file(Path(graded.path)) if graded else "",
    }


def _recorded(folder: Path, asked: dict[str, Any]) -> Compared | None:
    """The result of an earlier call; `UserError` when it answers another question."""
    path = folder / run_folder.COMPARED
    if not path.is_file():
        return None
    value = json.loads(read_bytes(path))
    if value["asked"] != asked:
        raise UserError(
            "an earlier comparison with other settings or rows lies here",
            place=str(folder),
            hint="--force trains it anew, or choose another output.save_name",
        )
    return Compared(**value["result"])


def _record(folder: Path, asked: dict[str, Any], done: Compared) -> None:
    value = {"asked": asked, "result": asdict(done)}
    write_text(folder / run_folder.COMPARED, json.dumps(value, ensure_ascii=False, indent=2) + "\n")
