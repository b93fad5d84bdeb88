"""Evaluation against sentence-transformers' InformationRetrievalEvaluator: time and memory, on the same vectors.

    python benchmarks/evaluate.py [--queries 1000] [--texts 100000] [--dimensions 384] [--ours-only]

Both get a stub model that hands out vectors read from the same file, so that nothing but ranking and metrics is
measured. Each runs in a process of its own that has imported sentence-transformers; memory is what the process takes
at its peak above that, and the peak itself. The bar: no more time, half the memory at most, equal metrics.
`--texts 1000000 --ours-only` shows a corpus of a million within 2 GB.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

TOLERANCE = 1e-6
BLOCK = 10_000
QUERY, TEXT = "query {}", "text {}"


class Stub:
    """A model whose vector of `text 7` is row 7 of a file; rows that follow each other are read in one go."""

    similarity_fn_name = "cosine"
    prompts: dict[str, str] = {}  # noqa: RUF012

    def __init__(self, folder: Path, dimensions: int) -> None:
        self.folder = folder
        self.dimensions = dimensions

    def encode(self, texts: Sequence[str], **_: Any) -> np.ndarray:
        """Unit vectors of consecutive texts of one sort."""
        if not len(texts):
            return np.zeros((0, self.dimensions), dtype=np.float32)
        name, first = texts[0].split()
        assert int(texts[-1].split()[1]) - int(first) == len(texts) - 1
        row = 4 * self.dimensions
        size = len(texts) * self.dimensions
        found = np.fromfile(self.folder / f"{name}.f32", np.float32, size, offset=int(first) * row)
        return found.reshape(-1, self.dimensions)


class StubForTorch(Stub):
    """The same as sentence-transformers' evaluator calls it."""

    def _encode(self, texts: Sequence[str], convert_to_tensor: bool = True, **_: Any) -> Any:
        import torch

        found = self.encode(list(texts))
        return torch.from_numpy(found) if convert_to_tensor else found

    encode_query = encode_document = _encode

    @property
    def similarity(self) -> Any:
        """Cosine."""
        from sentence_transformers.util import cos_sim

        return cos_sim

    model_card_data = type("Card", (), {"set_evaluation_metrics": lambda *_, **__: None})()


def make_vectors(folder: Path, *, queries: int, texts: int, dimensions: int) -> None:
    """Random unit vectors in two files; a query lies near its two right texts. Written block by block."""
    rng = np.random.default_rng(0)
    chosen = np.sort(rng.choice(texts, (queries, 2)), axis=1)
    np.save(folder / "right.npy", chosen)
    near = rng.normal(scale=2.5 / dimensions**0.5, size=(queries, dimensions))
    with (folder / "text.f32").open("wb") as handle:
        for start in range(0, texts, BLOCK):
            block = _unit(rng.normal(size=(min(BLOCK, texts - start), dimensions)))
            block.tofile(handle)
            rows, columns = np.nonzero((chosen >= start) & (chosen < start + BLOCK))
            np.add.at(near, rows, block[chosen[rows, columns] - start] / 2)
    _unit(near).tofile(folder / "query.f32")


def _unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def run_ours(folder: Path, queries: int, texts: int, dimensions: int) -> dict[str, float]:
    """What `embedkit evaluate` does with one model: encode, rank, metrics, cosines."""
    from embedkit.evaluation.measure.systems import run_encoder
    from embedkit.ranking.metrics import METRICS
    from embedkit.ranking.queries import JudgedQuery, TestSet

    right = np.load(folder / "right.npy")
    nothing = np.array([], dtype=np.int64)
    tests = TestSet(
        queries=tuple(
            JudgedQuery(
                text=QUERY.format(i),
                kind="",
                lang="en",
                concept=str(i),
                relevant=np.unique(right[i]),
                excluded=nothing,
                window=(0, texts),
                hard_negatives=(),
            )
            for i in range(queries)
        ),
        corpus=tuple(TEXT.format(i) for i in range(texts)),
        rows=(),
        dropped={},
        corpus_name="",
        files=(),
    )
    outcome, _ = run_encoder(Stub(folder, dimensions), tests, system="after", seed=0)  # type: ignore[arg-type]
    return dict(zip(METRICS, outcome.metrics.mean(axis=0).tolist(), strict=True))


def run_theirs(folder: Path, queries: int, texts: int, dimensions: int) -> dict[str, float]:
    """The same metrics from sentence-transformers."""
    from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator

    from embedkit.ranking.metrics import METRICS

    right = np.load(folder / "right.npy")
    evaluator = InformationRetrievalEvaluator(
        {str(i): QUERY.format(i) for i in range(queries)},
        {str(i): TEXT.format(i) for i in range(texts)},
        {str(i): {str(place) for place in right[i]} for i in range(queries)},
        precision_recall_at_k=[1, 5, 10],
        write_csv=False,
    )
    found = evaluator(StubForTorch(folder, dimensions))  # type: ignore[arg-type]
    return {name: found[f"cosine_{name}"] for name in METRICS}


def measure(side: str, folder: Path, queries: int, texts: int, dimensions: int) -> None:
    """One side in this process; prints one JSON line."""
    import sentence_transformers.sentence_transformer.evaluation  # noqa: F401 (both sides start with both loaded)

    import embedkit.evaluation.measure.systems  # noqa: F401

    before = _peak_mib()
    start = time.perf_counter()
    metrics = (run_ours if side == "ours" else run_theirs)(folder, queries, texts, dimensions)
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "before": before, "peak": _peak_mib(), "metrics": metrics}))


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def compare(queries: int, texts: int, dimensions: int, *, ours_only: bool) -> int:
    """Both sides, one table, and whether the bar is reached."""
    found = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_vectors(folder, queries=queries, texts=texts, dimensions=dimensions)
        for side in ("ours",) if ours_only else ("ours", "theirs"):
            command = [sys.executable, __file__, "--measure", side, "--folder", name]
            command += ["--queries", str(queries), "--texts", str(texts), "--dimensions", str(dimensions)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found[side] = json.loads(done.stdout.splitlines()[-1])
    print(f"{queries} queries, {texts} texts, {dimensions} dimensions")
    print(f"{'':<24}{'seconds':>9}{'MiB above import':>18}{'MiB at peak':>13}{'nDCG@10':>9}")
    for side, title in (("ours", "embedkit"), ("theirs", "sentence-transformers")):
        if side in found:
            r = found[side]
            above = r["peak"] - r["before"]
            ndcg = r["metrics"]["ndcg@10"]
            print(f"{title:<24}{r['seconds']:>9.2f}{above:>18.0f}{r['peak']:>13.0f}{ndcg:>9.4f}")
    if ours_only:
        return 0
    ours, theirs = found["ours"], found["theirs"]
    equal = all(abs(ours["metrics"][k] - theirs["metrics"][k]) < TOLERANCE for k in ours["metrics"])
    time_share = ours["seconds"] / theirs["seconds"]
    memory_share = (ours["peak"] - ours["before"]) / (theirs["peak"] - theirs["before"])
    print(
        f"time {time_share:.2f}, memory {memory_share:.2f} of theirs; metrics {'equal' if equal else 'DIFFER'}"
    )
    return 0 if equal and time_share <= 1 and memory_share <= 0.5 else 1


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--texts", type=int, default=100_000)
    parser.add_argument("--dimensions", type=int, default=384)
    parser.add_argument("--ours-only", action="store_true")
    parser.add_argument("--measure", choices=("ours", "theirs"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        measure(given.measure, given.folder, given.queries, given.texts, given.dimensions)
        return 0
    return compare(given.queries, given.texts, given.dimensions, ours_only=given.ours_only)


if __name__ == "__main__":
    sys.exit(main())
