"""What the calls of `embedkit.api` answer: frozen records with `to_dict`; a notebook shows tables and curves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from embedkit.api import notebook
from embedkit.messages import tr
from embedkit.models.run_folder import Series

Aspect = Literal["known", "unseen", "everyday"]
SHOWN_ROWS = 10


class ApiRecord:
    """A frozen record; `messages` is what the command would have printed on stderr."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """The record as texts, numbers, lists and dicts: `json.dumps` takes it."""
        value: dict[str, Any] = _plain(asdict(self))  # type: ignore[call-overload]
        return value


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedRun(ApiRecord):
    """A trained model. `folder` is the run, `model` the SentenceTransformer folder in it.

    `loss` is the mean of all steps. `curves` are the numbers of the training log over the steps: loss, learning rate,
    the metrics of the dev rows.
    """

    folder: Path
    model: Path
    steps: int
    loss: float
    seconds: float
    device: str
    stopped_early: bool
    curves: tuple[Series, ...]
    messages: tuple[str, ...] = ()

    def curve(self, name: str) -> Series | None:
        """One curve by its name, as `loss`; None where the log has none."""
        return next((series for series in self.curves if series.name == name), None)

    def _repr_html_(self) -> str:
        head = notebook.heading(tr("model: {model}", model=self.model))
        facts = tr(
            "{steps} steps, mean loss {loss}, {seconds} s on {device}",
            steps=self.steps,
            loss=f"{self.loss:.3f}",
            seconds=round(self.seconds),
            device=self.device,
        )
        shown = (s for s in self.curves if s.name == "loss" or s.name.startswith("dev_"))
        return head + notebook.paragraph(facts) + "".join(map(notebook.curve, shown))


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricChange:
    """One metric of the baseline (`before`) and the model (`after`); `low` to `high` is the 95 % interval of the
    difference, None where there is none. `bm25` is what plain words give.
    """

    aspect: Aspect
    name: str
    before: float
    after: float
    difference: float
    low: float | None
    high: float | None
    bm25: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVerdict(ApiRecord):
    """Whether to ship a model. `word` is SHIP, NOT YET, NO DIFFERENCE or DO NOT SHIP, empty without a baseline.

    `metrics` answer three questions: known (the glossary's own concepts), unseen (terms outside it) and everyday
    (ordinary language). The files are in `folder`; `report` is the page, None without the extra `report`.
    """

    word: str
    sentence: str
    model: str
    baseline: str
    metrics: tuple[MetricChange, ...]
    folder: Path
    report: Path | None
    messages: tuple[str, ...] = ()

    @property
    def ship(self) -> bool:
        """Whether the word is SHIP."""
        return self.word == "SHIP"

    def metric(self, name: str, *, aspect: Aspect = "known") -> MetricChange | None:
        """One metric by its name, as `recall@1`; None where it was not measured."""
        return next((one for one in self.metrics if (one.name, one.aspect) == (name, aspect)), None)

    def _repr_html_(self) -> str:
        columns = ("", "metric", "before", "after", "difference", "95 % interval", "BM25")
        rows = [
            (tr(one.aspect), one.name, one.before, one.after, one.difference, _interval(one), one.bm25)
            for one in self.metrics
        ]
        head = notebook.heading(tr(self.word) if self.word else tr("no verdict without a baseline"))
        return (
            head
            + notebook.paragraph(self.sentence)
            + notebook.table([tr(name) if name else "" for name in columns], rows)
        )


def _interval(metric: MetricChange) -> str:
    return "" if metric.low is None or metric.high is None else f"{metric.low:+.3f} … {metric.high:+.3f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundEntry:
    """One entry that a search found. `score` is at most 1: the cross-encoder's, else the ranker's."""

    rank: int
    score: float
    term: str
    definition: str
    lang: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchHits(ApiRecord):
    """What a query found, best first; a sequence of `FoundEntry`. `corpus` names what was searched."""

    query: str
    model: str
    corpus: str
    entries: int
    hits: tuple[FoundEntry, ...]
    messages: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.hits)

    def __iter__(self) -> Iterator[FoundEntry]:
        return iter(self.hits)

    def __getitem__(self, place: int) -> FoundEntry:
        return self.hits[place]

    def _repr_html_(self) -> str:
        rows = [(hit.rank, hit.score, hit.term, hit.definition) for hit in self.hits]
        columns = [tr(name) if name else "" for name in ("", "score", "term", "definition")]
        return notebook.heading(self.query) + notebook.table(columns, rows)
