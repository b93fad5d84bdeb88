"""What a static student costs in quality and gains in speed, against its teacher on the same texts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embedkit.data.records import split_path, texts_of
from embedkit.files import STDIO
from embedkit.trainer.config import RunConfig
from embedkit.trainer.rows.paths import find_sources
from embedkit.trainer.rows.sampling import sample_rows
from embedkit.trainer.rows.sources import read_training_rows
from embedkit.trainer.rows.store import read_rows
from embedkit.trainer.watch.dev_metrics import DevSet, make_known_set, retrieval_metrics

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

SPEED_ROWS = 200
# A pass of the student is short: so many are timed together.
PASSES = 5
BATCH_TEXTS = 64
WARM_UP = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodingResult:
    """One model: texts encoded a second, and recall@1 of the known questions; None where there are none."""

    texts_per_second: float
    known_recall_at_1: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentComparison:
    """Teacher and student, on `texts` texts and `questions` known questions, which no training saw."""

    teacher: EncodingResult
    student: EncodingResult
    texts: int
    questions: int

    @property
    def speed_ratio(self) -> float:
        """How many times faster the student encodes."""
        return self.student.texts_per_second / self.teacher.texts_per_second

    @property
    def recall_ratio(self) -> float | None:
        """The student's known recall@1 as a share of the teacher's."""
        before, after = self.teacher.known_recall_at_1, self.student.known_recall_at_1
        return after / before if before and after is not None else None


def compare_models(
    teacher: SentenceTransformer, student: SentenceTransformer, config: RunConfig
) -> StudentComparison:
    """Encode the known questions and their definitions with both, on one device; without known questions a sample of
    the training texts.
    """
    known = _known_questions(config)
    queries = [asked.text for asked in known.queries] if known else []
    documents = list(known.corpus) if known else _training_texts(config)
    teacher.to(student.device)
    before = _measured(teacher, known, queries, documents, passes=1)
    after = _measured(student, known, queries, documents, passes=PASSES)
    return StudentComparison(
        teacher=before, student=after, texts=len(queries) + len(documents), questions=len(queries)
    )


def _known_questions(config: RunConfig) -> DevSet | None:
    """Those of the test file beside the rows: the dev file chose the weights."""
    path = find_sources(config)[0][0]
    known = split_path(Path(path), "known")
    if path == STDIO or not known.is_file():
        return None
    whole = config.data.model_copy(update={"stream": False, "max_rows": None})
    return make_known_set(read_rows(str(known), whole, check=False), seed=config.seed)


def _training_texts(config: RunConfig) -> list[str]:
    rows = sample_rows(read_training_rows(config), limit=SPEED_ROWS, seed=config.seed)
    return list(dict.fromkeys(text for row in rows for text in texts_of(row)))


def _measured(
    model: SentenceTransformer,
    known: DevSet | None,
    queries: Sequence[str],
    documents: Sequence[str],
    *,
    passes: int,
) -> EncodingResult:
    _encode(model, queries[:WARM_UP], documents[:WARM_UP])
    started = time.perf_counter()
    for _ in range(passes):
        vectors = _encode(model, queries, documents)
    seconds = time.perf_counter() - started
    places = range(len(vectors))
    recall = retrieval_metrics(known, vectors, places)["recall_at_1"] if known else None
    return EncodingResult(
        texts_per_second=passes * len(vectors) / max(seconds, 1e-9), known_recall_at_1=recall
    )


def _encode(
    model: SentenceTransformer, queries: Sequence[str], documents: Sequence[str]
) -> NDArray[np.float32]:
    """Unit vectors of the queries, then of the documents."""
    options = {"batch_size": BATCH_TEXTS, "show_progress_bar": False, "normalize_embeddings": True}
    parts = [model.encode_query(list(queries), **options)] if queries else []
    vectors: NDArray[np.float32] = np.concatenate([*parts, model.encode_document(list(documents), **options)])
    return vectors
