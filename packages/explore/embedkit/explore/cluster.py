"""`embedkit cluster`: texts in groups, by k-means or by a least similarity, each with the text that stands for it.

k-means takes any number of texts; the least similarity compares every two and takes up to `MOST_COMPARED`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedkit.console import out, out_json, say
from embedkit.errors import UserError
from embedkit.explore.model import ModelOptions, open_encoder
from embedkit.explore.texts import check_output, read_texts, write_rows
from embedkit.extras import require
from embedkit.messages import tr
from embedkit.models.readable import warn_if_unreadable
from embedkit.text import shorten

MOST_COMPARED = 10_000
MOST_MEASURED = 5_000
_SHOWN = 5
_TEXT_COLUMNS = 60
Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """One group, its texts nearest to its centre first; `cohesion` is their mean cosine with the centre."""

    label: int
    representative: str
    cohesion: float
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterResult:
    """Groups, the largest first; `labels` says the group of each text as read.

    `silhouette` (Rousseeuw 1987, cosine) is near 1 where groups are apart; None where one group or only
    single texts came out.
    """

    model: str
    labels: tuple[int, ...]
    silhouette: float | None
    clusters: tuple[Cluster, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterOptions(ModelOptions):
    """What `embedkit cluster` is asked for: `k` groups, or groups whose mean cosine is at least `threshold`."""

    input: str
    column: str | None = None
    k: int | None = None
    threshold: float | None = None
    output: Path | None = None
    seed: int = 0
    force: bool = False


def cluster(options: ClusterOptions) -> ClusterResult:
    """Group the texts of the input.

    Raises:
        UserError: neither or both of `k` and `threshold`, more groups than texts, or a file or model that is missing.
    """
    _check(options)
    texts = _read(options)
    encoder = open_encoder(options.model)
    warn_if_unreadable(encoder.source, texts)
    vectors = encoder.encode(texts)
    labels = _by_size(_groups(vectors, options))
    result = ClusterResult(
        model=encoder.source.requested,
        labels=tuple(labels.tolist()),
        silhouette=_silhouette(vectors, labels, options.seed),
        clusters=tuple(_clusters(texts, vectors, labels)),
    )
    if options.output:
        write_rows(options.output, _rows(texts, result), columns=("text", "cluster", "representative"))
    if options.as_json:
        out_json(asdict(result))
    else:
        _print(result)
    return result


def _check(options: ClusterOptions) -> None:
    if (options.k is None) == (options.threshold is None):
        raise UserError("name either --k (how many groups) or --threshold (least similarity)")
    if options.output:
        check_output(options.output, force=options.force)
    require("sklearn", extra="train")


def _read(options: ClusterOptions) -> tuple[str, ...]:
    texts = read_texts(options.input, column=options.column)
    if options.k is not None and options.k > len(set(texts)):
        raise UserError(
            "--k {k} is more than there are different texts ({count})",
            place=options.input,
            k=options.k,
            count=len(set(texts)),
        )
    if options.threshold is not None and len(texts) > MOST_COMPARED:
        raise UserError(
            "--threshold compares every pair of texts and takes at most {most}, not {count}",
            place=options.input,
            hint="--k has no limit",
            most=MOST_COMPARED,
            count=len(texts),
        )
    return texts


def _groups(vectors: NDArray[np.float32], options: ClusterOptions) -> Labels:
    if options.k is not None:
        return _k_means(vectors, options.k, options.seed)
    return _agglomerate(vectors, options.threshold or 0.0)


def _k_means(vectors: NDArray[np.float32], k: int, seed: int) -> Labels:
    from sklearn.cluster import KMeans

    labels: Labels = KMeans(n_clusters=k, n_init=4, random_state=seed).fit_predict(vectors).astype(np.int64)
    return labels


def _agglomerate(vectors: NDArray[np.float32], threshold: float) -> Labels:
    """Average linkage: two groups join while the mean cosine of their texts is at least `threshold`."""
    from sklearn.cluster import AgglomerativeClustering

    if len(vectors) == 1:
        return np.zeros(1, dtype=np.int64)
    distances = np.clip(1 - vectors @ vectors.T, 0, 2).astype(np.float64)
    grouping = AgglomerativeClustering(
        n_clusters=None,
        distance_threshold=np.nextafter(1 - threshold, 3),
        metric="precomputed",
        linkage="average",
    )
    labels: Labels = grouping.fit_predict(distances).astype(np.int64)
    return labels


def _by_size(labels: Labels) -> Labels:
    """The same groups numbered from 0, the largest first, equal ones in the order they were read."""
    _, first, found, counts = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    place = np.empty(len(counts), dtype=np.int64)
    place[np.lexsort((first, -counts))] = np.arange(len(counts))
    return place[found]


def _silhouette(vectors: NDArray[np.float32], labels: Labels, seed: int) -> float | None:
    from sklearn.metrics import silhouette_score

    if not 1 < len(np.unique(labels)) < len(labels):
        return None
    sample = MOST_MEASURED if len(labels) > MOST_MEASURED else None
    try:
        value = silhouette_score(vectors, labels, metric="cosine", sample_size=sample, random_state=seed)
    except ValueError:  # the sample fell into one group
        return None
    return round(float(value), 6)


def _clusters(texts: Sequence[str], vectors: NDArray[np.float32], labels: Labels) -> Iterator[Cluster]:
    for label in range(int(labels.max()) + 1):
        places = np.flatnonzero(labels == label)
        centre = vectors[places].mean(axis=0)
        cosines = vectors[places] @ (centre / (np.linalg.norm(centre) or 1))
        order = np.argsort(-cosines, kind="stable")
        members = tuple(texts[place] for place in places[order])
        yield Cluster(
            label=label, representative=members[0], cohesion=round(float(cosines.mean()), 6), texts=members
        )


def _rows(texts: Sequence[str], result: ClusterResult) -> Iterator[dict[str, object]]:
    for text, label in zip(texts, result.labels, strict=True):
        yield {"text": text, "cluster": label, "representative": result.clusters[label].representative}


def _print(result: ClusterResult) -> None:
    for group in result.clusters:
        head = tr("{label}: {count} texts, cohesion {cohesion}", label=group.label, count=len(group.texts),
                  cohesion=f"{group.cohesion:.3f}")  # fmt: skip
        out(f"{head}: {_short(group.representative)}")
        for text in group.texts[1:_SHOWN]:
            out(f"    {_short(text)}")
        if len(group.texts) > _SHOWN:
            out("    " + tr("… and {count} more", count=len(group.texts) - _SHOWN))
    if result.silhouette is not None:
        say("silhouette {value} (1: groups far apart, 0: they touch)", value=f"{result.silhouette:.3f}")


def _short(text: str) -> str:
    return shorten(" ".join(text.split()), _TEXT_COLUMNS)
