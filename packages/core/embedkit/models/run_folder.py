"""What a run knows about itself: config, base model, the pairs it was trained on, training log, model card."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedkit.data.jsonl import read_objects
from embedkit.data.records import DEFAULT_PATHS, split_path
from embedkit.errors import UserError
from embedkit.files import files_hash, read_bytes
from embedkit.models.resolve import FINAL, RANKER, ModelSource, Role

CONFIG = "config.json"
MODEL = "model"
CHECKPOINTS = "checkpoints"
METRICS = "metrics.jsonl"
ENVIRONMENT = "environment.json"
NEW_TOKENS = "new_tokens.txt"
TRAINED_ON = "trained_on.npz"
RERANKING = "reranking.json"
CARD = "README.md"
COMPARED = "compared.json"
TRACKING = "tracking.json"
# What an evaluation adds to a run: it belongs to the model that was there.
EVALUATED = ("metrics.json", "queries.jsonl", "report.html")
OURS = (
    MODEL,
    CHECKPOINTS,
    CONFIG,
    METRICS,
    ENVIRONMENT,
    NEW_TOKENS,
    TRAINED_ON,
    RANKER,
    RERANKING,
    CARD,
    COMPARED,
    TRACKING,
    FINAL,
    *EVALUATED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One curve of the training log."""

    name: str
    steps: tuple[float, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run folder, its resolved config and its training files: none where one of them cannot be found."""

    folder: Path
    config: Mapping[str, Any]
    trained_on: tuple[Path, ...]

    @property
    def pairs(self) -> Path | None:
        """The training file, the first of several."""
        return next(iter(self.trained_on), None)

    @property
    def base_model(self) -> str:
        """The model that training started from."""
        return str(self.config.get("model_id") or "")

    @property
    def revision(self) -> str:
        """The revision of that model; empty where none was pinned."""
        section = self.config.get("hf")
        return str(section.get("revision") or "") if isinstance(section, dict) else ""

    @property
    def prompts(self) -> dict[Role, str]:
        """The prompts that training put before its texts, as far as the config names any."""
        section = self.config.get("train")
        train = section if isinstance(section, dict) else {}
        named: dict[Role, Any] = {
            "query": train.get("query_prompt"),
            "document": train.get("document_prompt"),
        }
        return {role: str(prompt) for role, prompt in named.items() if prompt}

    def prompts_for(self, model: ModelSource) -> dict[Role, str]:
        """The run's prompts, where `model` is the one that it started from."""
        return self.prompts if self.base_model == model.requested else {}


def run_of(source: ModelSource) -> Run | None:
    """The run that a model belongs to: `--model RUN` and `--model RUN/model` both mean it."""
    folder = Path(source.path).parent
    if source.origin not in ("run", "folder") or Path(source.path).name != "model":
        return None
    if not (folder / CONFIG).is_file():
        return None
    measured = measured_run(folder) or folder  # a final model's rows are a copy of those of the run
    trained_on = tuple(_trained_on(measured, read_config(measured)))
    return Run(folder=folder, config=read_config(folder), trained_on=trained_on)


def read_config(run: Path) -> dict[str, Any]:
    """The resolved config of a run.

    Raises:
        UserError: it is damaged.
    """
    try:
        config = json.loads(read_bytes(run / CONFIG))
    except ValueError as error:
        raise UserError("not JSON: {error}", place=str(run / CONFIG), error=error) from None
    if not isinstance(config, dict):
        raise UserError("expected an object {...}", place=str(run / CONFIG))
    return config


def kept_epoch(run: Path) -> float | None:
    """How many epochs the weights of a run's model had; None where the run does not say."""
    path = run / ENVIRONMENT
    value = json.loads(read_bytes(path)).get("kept_epoch") if path.is_file() else None
    return float(value) if isinstance(value, int | float) else None


def rows_changed(run: Run) -> bool:
    """Whether the training files are not what the run was trained on; false where that is not known."""
    path = run.folder / ENVIRONMENT
    data = json.loads(read_bytes(path)).get("data") if path.is_file() else None
    began = str((data or {}).get("sha256") or "")
    return bool(began and run.trained_on) and files_hash(run.trained_on) != began


def measured_run(folder: Path) -> Path | None:
    """The run whose recipe a folder `RUN/final` was trained by, on everything; None of any other folder."""
    is_final = (
        folder.name == FINAL and (folder.parent / CONFIG).is_file() and (folder.parent / MODEL).is_dir()
    )
    return folder.parent if is_final else None


def _trained_on(folder: Path, config: Mapping[str, Any]) -> list[Path]:
    data = config.get("data")
    data = data if isinstance(data, dict) else {}
    sources = data.get("sources") or [{"path": data.get("pairs_path")}]
    named: list[str | None] = [source["path"] for source in sources]
    candidates = [(Path(name), folder / name) if name else DEFAULT_PATHS for name in named]
    found = [path for group in candidates if (path := next(filter(Path.is_file, group), None))]
    return found if len(found) == len(named) else []


def default_test_file(run: Run | None) -> Path:
    """The test split beside the run's training file, else beside the default pairs files.

    Raises:
        UserError: none of them is there.
    """
    trained_on = run.trained_on if run else ()
    looked = [split_path(path, "test") for path in (*trained_on, *DEFAULT_PATHS)]
    for path in looked:
        if path.is_file():
            return path
    raise UserError(
        "no test file: looked for {looked}",
        hint="name one with --test, or make one with embedkit compose --split 0.8/0.1/0.1",
        looked=", ".join(map(str, dict.fromkeys(looked))),
    )


def curves(folder: Path) -> tuple[Series, ...]:
    """Every number that the training log carries with a step: losses, learning rate, dev metrics."""
    points: dict[str, list[tuple[float, float]]] = {}
    for step, name, value in _logged(folder / METRICS):
        points.setdefault(name, []).append((step, value))
    return tuple(
        Series(name=name, steps=tuple(s for s, _ in p), values=tuple(v for _, v in p))
        for name, p in points.items()
    )


def _logged(path: Path) -> Iterator[tuple[float, str, float]]:
    if not path.is_file():
        return
    for _, row in read_objects(path):
        step = row.get("step")
        if isinstance(step, int | float):
            for name, value in row.items():
                if name != "step" and isinstance(value, int | float) and not isinstance(value, bool):
                    yield float(step), name, float(value)


# The part of a run's model card that training leaves open and evaluation fills in.
_START, _END = "<!-- embedkit evaluate -->", "<!-- /embedkit evaluate -->"
_SECTION = re.compile(f"{re.escape(_START)}.*?{re.escape(_END)}\n", re.DOTALL)


def evaluation_section(text: str) -> str:
    """The section of a model card that tells what an evaluation found."""
    return f"{_START}\n## Before and after\n\n{text}\n{_END}\n"


UNMEASURED = evaluation_section(
    "Not measured yet on rows that training has not seen: `embedkit evaluate` fills this in."
)


def section_of(card: str) -> str:
    """The text of that section; empty where an evaluation has not filled it in."""
    found = _SECTION.search(card)
    return (
        ""
        if found is None or found[0] == UNMEASURED
        else found[0].split("\n", 3)[3].removesuffix(f"\n{_END}\n")
    )


def with_section(card: str, section: str) -> str:
    """The card with the section in place of an earlier one, else at its end."""
    after, found = _SECTION.subn(lambda _: section, card)
    return after if found else f"{card}\n{section}"
