"""`embedkit classify`: labels of new texts from a few labelled ones, by neighbours or by a line between the vectors.

How often it is right is measured on the labelled texts themselves, each judged without its own fold (cross-validation).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from embedkit.console import say, warn
from embedkit.errors import UserError
from embedkit.explore.model import ModelOptions, open_encoder, print_result
from embedkit.explore.texts import TEXT_COLUMNS, check_output, given_texts, read_table, write_rows
from embedkit.extras import require
from embedkit.messages import tr
from embedkit.models.readable import warn_if_unreadable
from embedkit.text import fold, pad, shorten, width

LABEL_COLUMNS = ("label", "class", "category", "intent", "tag", "라벨", "레이블", "분류", "범주")
NEIGHBOURS = 5
FOLDS = 5
_TEXT_COLUMNS = 60
Method = Literal["knn", "probe"]
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifiedText:
    """A text, its label, and the share of the votes (knn) or the probability (probe) that the label has."""

    text: str
    label: str
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelAccuracy:
    """How many texts of a label there are, and the share of them that is found."""

    label: str
    texts: int
    accuracy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifyResult:
    """The new texts with their labels. `accuracy` is cross-validated, `by_chance` that of always the commonest label;
    both are None where a label has one text only.
    """

    model: str
    method: Method
    labelled: int
    accuracy: float | None
    by_chance: float | None
    labels: tuple[LabelAccuracy, ...]
    texts: tuple[ClassifiedText, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifyOptions(ModelOptions):
    """What `embedkit classify` is asked for. Without texts it says how often the labels would be right."""

    labelled: str
    texts: Sequence[str] = ()
    file: str | None = None
    column: str | None = None
    label_column: str | None = None
    method: Method | None = None
    output: Path | None = None
    force: bool = False


def classify(options: ClassifyOptions) -> ClassifyResult:
    """Learn the labels from the labelled texts, measure how often they would be right, and label the new texts.

    Raises:
        UserError: fewer than two labels, a text under two labels, or a file or model that is missing.
    """
    if options.output:
        check_output(options.output, force=options.force)
    known = _labelled(options)
    new = _new_texts(options)
    require("sklearn", extra="train")
    encoder = open_encoder(options.model)
    warn_if_unreadable(encoder.source, [*known, *new])
    vectors, names = encoder.encode(list(known), role="query"), np.array(list(known.values()))
    method, right = _chosen(vectors, names, options.method)
    result = ClassifyResult(
        model=encoder.source.requested,
        method=method,
        labelled=len(names),
        accuracy=None if right is None else round(float(right.mean()), 4),
        by_chance=None if right is None else round(max(Counter(names.tolist()).values()) / len(names), 4),
        labels=tuple(_by_label(names, right)) if right is not None else (),
        texts=tuple(_classified(new, vectors, names, encoder.encode(new, role="query"), method))
        if new
        else (),
    )
    _say_accuracy(result)
    if options.output:
        rows = (asdict(one) for one in result.texts)
        write_rows(options.output, rows, columns=("text", "label", "confidence"))
    if options.as_json or not options.output:
        print_result(result, _result_lines(result), options)
    return result


def _labelled(options: ClassifyOptions) -> dict[str, str]:
    """Each labelled text once, with its label."""
    table = read_table(options.labelled)
    texts = table.column(TEXT_COLUMNS, wanted=options.column, option="--column")
    labels = table.column(LABEL_COLUMNS, wanted=options.label_column, option="--label-column")
    seen: dict[str, str] = {}
    found: dict[str, str] = {}
    for text, label in zip(texts, labels, strict=True):
        if not text or not label:
            continue
        key = fold(text)
        if key not in seen:
            found[text] = label
        if seen.setdefault(key, label) != label:
            raise UserError(
                "{text!r} has two labels: {one} and {other}",
                place=options.labelled,
                text=shorten(text, _TEXT_COLUMNS),
                one=seen[key],
                other=label,
            )
    if len(set(found.values())) < 2:
        raise UserError(
            "at least two labels are needed", place=options.labelled, hint="rows are text and label"
        )
    return found


def _new_texts(options: ClassifyOptions) -> list[str]:
    if not options.texts and options.file is None:
        return []
    return list(given_texts(options.texts, options.file, column=options.column if options.file else None))


def _chosen(
    vectors: Vectors, names: NDArray[Any], wanted: Method | None
) -> tuple[Method, NDArray[np.bool_] | None]:
    """The method asked for, else the one that is right more often; and where it was right, in the folds."""
    least = min(Counter(names.tolist()).values())
    if least < 2:
        return wanted or "knn", None
    methods = [wanted] if wanted else get_args(Method)
    found = {method: _right(vectors, names, method, folds=min(FOLDS, least)) for method in methods}
    best = max(found, key=lambda method: float(found[method].mean()))
    return best, found[best]


def _right(vectors: Vectors, names: NDArray[Any], method: Method, *, folds: int) -> NDArray[np.bool_]:
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    split = StratifiedKFold(folds, shuffle=True, random_state=0)
    right: NDArray[np.bool_] = cross_val_predict(_learner(method, names), vectors, names, cv=split) == names
    return right


def _learner(method: Method, names: NDArray[Any]) -> Any:
    """kNN by cosine, near ones counting more; or logistic regression, labels weighted alike."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier

    if method == "probe":
        return LogisticRegression(C=10, class_weight="balanced", max_iter=1000)
    least = min(Counter(names.tolist()).values())
    count = max(1, min(NEIGHBOURS, 2 * least - 1))
    return KNeighborsClassifier(count, metric="cosine", algorithm="brute", weights=_votes)


def _votes(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """A neighbour's vote from its cosine distance."""
    votes: NDArray[np.float64] = np.maximum(1 - distances, 1e-3)
    return votes


def _classified(
    texts: Sequence[str], known: Vectors, names: NDArray[Any], vectors: Vectors, method: Method
) -> Iterator[ClassifiedText]:
    learner = _learner(method, names).fit(known, names)
    shares = learner.predict_proba(vectors)
    for text, row in zip(texts, shares, strict=True):
        best = int(row.argmax())
        yield ClassifiedText(
            text=text, label=str(learner.classes_[best]), confidence=round(float(row[best]), 4)
        )


def _by_label(names: NDArray[Any], right: NDArray[np.bool_]) -> Iterator[LabelAccuracy]:
    for name in np.unique(names):
        own = right[names == name]
        yield LabelAccuracy(label=str(name), texts=len(own), accuracy=round(float(own.mean()), 4))


def _say_accuracy(result: ClassifyResult) -> None:
    if result.accuracy is None or result.by_chance is None:
        warn("a label has one text only, so how often the labels are right cannot be measured")
        return
    say(
        "{percent} % of {count} labelled texts are labelled right without their own fold ({method}); always the "
        "commonest label: {chance} %",
        percent=round(100 * result.accuracy),
        count=result.labelled,
        method=result.method,
        chance=round(100 * result.by_chance),
    )


def _result_lines(result: ClassifyResult) -> Iterator[str]:
    if not result.texts:
        widest = max((width(one.label) for one in result.labels), default=0)
        for one in result.labels:
            found = tr("{count} texts, {percent} % right", count=one.texts, percent=round(100 * one.accuracy))
            yield f"{pad(one.label, widest)}  {found}"
        return
    widest = max(width(one.label) for one in result.texts)
    for text in result.texts:
        told = shorten(" ".join(text.text.split()), _TEXT_COLUMNS)
        yield f"{pad(text.label, widest)}  {text.confidence:.2f}  {told}"
