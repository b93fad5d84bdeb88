"""What an evaluation found, as frozen records: `metrics.json` is these records and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from embedkit.errors import UserError
from embedkit.files import read_bytes, write_text
from embedkit.messages import tr
from embedkit.models.run_folder import Series
from embedkit.ranking.hybrid.shares import LanguageShare
from embedkit.ranking.leak import Leak

Word = Literal["SHIP", "NOT YET", "NO DIFFERENCE", "DO NOT SHIP"]
Task = Literal["retrieval", "graded", "binary", "triplet", "labelled"]
# What became of everyday language: its interval lies above, below or around minus the tolerance.
Kept = Literal["kept", "forgotten", "cannot tell"]
# What decided a verdict besides the first metric's interval.
Reason = Literal["", "forgotten", "slice", "unseen", "floor", "few"]
SCHEMA_VERSION = 3
# A verdict on fewer concepts is not certain enough to ship.
FEW_CONCEPTS = 20
# The slice of the known questions that a person wrote.
OWN = "own"
FILE_NAME = "metrics.json"


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % interval."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class McNemar:
    """Queries whose first answer only one of two models gets right, and the exact two-sided p."""

    fixed: int
    broken: int
    p_value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricResult:
    """One metric before (baseline) and after (model), each with its interval, and the paired difference.

    Intervals are None where nothing is paired (V-measure), `permutation_p` where the metric is no mean, `bm25`
    where words alone give no value.
    """

    name: str
    before: float
    after: float
    difference: float
    before_interval: Interval | None
    after_interval: Interval | None
    difference_interval: Interval | None
    permutation_p: float | None
    bm25: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """The metrics of the queries that share a kind, a language or both. `value` names the share."""

    dimension: str
    value: str
    queries: int
    concepts: int
    word: Word
    metrics: tuple[MetricResult, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgetting:
    """Spearman on graded pairs of everyday language, and the word that its interval allows."""

    file: str
    pairs: int
    tolerance: float
    word: Kept = "cannot tell"
    metric: MetricResult
    languages: tuple[Slice, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSimilarity:
    """Mean cosine of the texts of each label with those of each other (not of a text with itself), `(L, L)`."""

    labels: tuple[str, ...]
    before: tuple[tuple[float, ...], ...]
    after: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MapPoint:
    """A name or a definition, and where it lies on the map of each model."""

    text: str
    lang: str
    concept: int
    is_name: bool
    before: tuple[float, float]
    after: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class TermView:
    """Cosines `(N, N)` of names of held-out concepts, and texts on each model's first two principal components.

    `concepts` numbers the concept of each name; names of one concept have one number, on the map too.
    """

    names: tuple[str, ...]
    concepts: tuple[int, ...]
    before: tuple[tuple[float, ...], ...]
    after: tuple[tuple[float, ...], ...]
    points: tuple[MapPoint, ...]
    variance_before: float
    variance_after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedAnswer:
    """One answer of a ranking."""

    text: str
    score: float
    relevant: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A query whose first answer became right or wrong. A rank of 0 means beyond the hundredth."""

    query: str
    kind: str
    lang: str
    expected: tuple[str, ...]
    rank_before: int
    rank_after: int
    before: tuple[RankedAnswer, ...]
    after: tuple[RankedAnswer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryResult:
    """One query under both models: the rank of its first right text (0: none in a hundred), and `METRICS` in order."""

    query: str
    kind: str
    lang: str
    concept: str
    rank_before: int
    rank_after: int
    before: tuple[float, ...]
    after: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSlice:
    """Known questions that share a language, a kind or both. In every metric `bm25` is what words alone give.

    `fused` is the search that ships (`--ranker auto`), with the baseline and with the model; `meaning` ranks by
    vectors alone; `hybrid` is what fusing both gives where that search is not always hybrid, from what ships to it.
    `from_words` are what each gains in recall@1 over words alone.
    """

    dimension: str
    value: str
    queries: int
    concepts: int
    fused: tuple[MetricResult, ...]
    meaning: tuple[MetricResult, ...]
    fused_from_words: MetricResult
    meaning_from_words: MetricResult
    hybrid: tuple[MetricResult, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownFindings:
    """Questions for the glossary's own concepts over its entries, and (second view) over its definitions alone.

    `slices[0]` are all questions; `own` counts those that a person wrote. `examples` are some of them with both first
    answers, drawn without a look at the answers. `rankers` are what was learnt for the model, by language.
    """

    queries: int
    concepts: int
    largest_concept: int = 0
    own: int
    entries: int
    corpus: str
    files: tuple[str, ...]
    dropped: Mapping[str, int]
    slices: tuple[KnownSlice, ...]
    definitions: tuple[KnownSlice, ...]
    examples: tuple[Change, ...]
    rankers: tuple[LanguageShare, ...] = ()

    @property
    def deciding(self) -> KnownSlice:
        """A person's own questions, where they ask for `FEW_CONCEPTS` or more; else all.

        Names and typos of the glossary, which compose makes into questions, plain words find as well as any model.
        """
        own = next((part for part in self.slices if part.dimension == OWN), self.slices[0])
        return own if own.concepts >= FEW_CONCEPTS else self.slices[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Similarities:
    """Cosines of the queries with one sort of text: counts in forty bins from -1 to 1, mean, AUC.

    `auc` is the share of (positive, other) pairs in which the positive is nearer, ties as half.
    """

    system: Literal["before", "after"]
    against: Literal["positive", "hard negative", "random text"]
    counts: tuple[int, ...]
    mean: float
    auc: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """The part of an `Evaluation` that depends on what was tested; `metrics[0]` decides.

    `queries` counts queries or rows, `concepts` what the bootstrap resampled; `largest_concept` of them are one.
    """

    task: Task
    queries: int
    concepts: int
    largest_concept: int = 0
    metrics: tuple[MetricResult, ...]
    dimensions_before: int
    dimensions_after: int
    corpus_texts: int = 0
    corpus: str = ""
    dropped: Mapping[str, int] = field(default_factory=dict)
    slices: tuple[Slice, ...] = ()
    mcnemar: McNemar | None = None
    similarities: tuple[Similarities, ...] = ()
    fixed: tuple[Change, ...] = ()
    broken: tuple[Change, ...] = ()
    hard_negatives: tuple[MetricResult, ...] = ()
    negatives_from: tuple[str, ...] = ()
    labels: LabelSimilarity | None = None
    terms: TermView | None = None
    asked: tuple[QueryResult, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A bound set by `--fail-under` or `--fail-under-delta`, and whether the model keeps it."""

    name: str
    least: float
    found: float
    passed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """A model as it was evaluated. `weights` is the hash its vectors are cached under."""

    name: str
    origin: str
    weights: str
    dimensions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRows:
    """Rows of one file by source and licence."""

    file: str
    source: str
    license: str
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The whole result. `files` maps each file read to its SHA-256; `run_config` is its config.json.

    Where the test file holds other rows than pairs (`task`), `queries` counts its rows, `concepts` what the
    bootstrap resampled, and what belongs to a search is empty. `test_hash` names what was asked of which texts:
    runs with one hash compare. Without `compared` there was no baseline: `before` is the model itself, and there is
    no word. `known` decides where it is there; `floor` is what a model must reach to be shipped. `negatives_from` are
    those of the two models that mined hard negatives of the rows.
    """

    schema_version: int
    word: Word | Literal[""]
    sentence: str
    model: ModelInfo
    baseline: ModelInfo
    queries: int
    concepts: int
    corpus_texts: int
    corpus: str
    dropped: Mapping[str, int]
    metrics: tuple[MetricResult, ...]
    slices: tuple[Slice, ...]
    mcnemar: McNemar | None
    similarities: tuple[Similarities, ...]
    fixed: tuple[Change, ...]
    broken: tuple[Change, ...]
    curves: tuple[Series, ...]
    leaks: tuple[Leak, ...]
    gates: tuple[Gate, ...]
    sources: tuple[SourceRows, ...]
    files: Mapping[str, str]
    run_config: Mapping[str, Any]
    resamples: int
    seed: int
    versions: Mapping[str, str]
    task: Task = "retrieval"
    hard_negatives: tuple[MetricResult, ...] = ()
    negatives_from: tuple[str, ...] = ()
    labels: LabelSimilarity | None = None
    forgetting: Forgetting | None = None
    terms: TermView | None = None
    test_hash: str = ""
    known: KnownFindings | None = None
    floor: Mapping[str, float] = field(default_factory=dict)
    compared: bool = True
    reason: Reason = ""
    largest_concept: int = 0

    @property
    def primary(self) -> MetricResult:
        """The first metric of the test rows, which decides where there are no known questions."""
        return self.metrics[0]

    @property
    def unseen_recall(self) -> MetricResult | None:
        """recall@1 on the test rows; None where they are not searched for."""
        return next((metric for metric in self.metrics if metric.name == "recall@1"), None)


def shared_fields(record: Any, kind: type) -> dict[str, Any]:
    """The fields of `record` that a `kind` has too, to make one of it."""
    names = {field.name for field in fields(kind)}
    return {field.name: getattr(record, field.name) for field in fields(record) if field.name in names}


def to_object(evaluation: Evaluation) -> dict[str, Any]:
    """The JSON form."""
    from pydantic import TypeAdapter

    value: dict[str, Any] = TypeAdapter(Evaluation).dump_python(evaluation, mode="json")
    return value


def write_evaluation(path: Path, evaluation: Evaluation) -> None:
    """Write `metrics.json`, whole."""
    write_text(path, json.dumps(to_object(evaluation), ensure_ascii=False, allow_nan=False, indent=1) + "\n")


def read_evaluation(path: Path) -> Evaluation:
    """Read a `metrics.json`; `UserError` when it is missing or is not one."""
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(Evaluation).validate_json(read_bytes(path))
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(
            "not an evaluation ({where}: {reason})",
            place=str(path),
            hint="run embedkit evaluate again",
            where=".".join(map(str, first["loc"])) or tr("file"),
            reason=tr(first["msg"]),
        ) from None
