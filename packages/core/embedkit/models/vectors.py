"""Texts to unit vectors, each distinct text encoded once and kept in a SQLite file keyed by the weights' hash.

Costs about 3 ms a definition on one CPU core with MiniLM the first time, 10 µs from the cache. Memory beyond the
answer is one chunk of texts. What is encoded is kept chunk by chunk, so a killed run loses at most one.
"""

from __future__ import annotations

import copy
import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embedkit.cache import BUSY_SECONDS, cache_dir, readable_cache
from embedkit.console import track
from embedkit.errors import UserError
from embedkit.messages import tr
from embedkit.models.backends import Backend, exchange
from embedkit.models.kinds import broken_weight
from embedkit.models.resolve import (
    LoadOptions,
    ModelSource,
    Role,
    document_prompt,
    lend_prompts,
    load_model,
    resolve_model,
    weights_hash,
)

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from embedkit.models.shards import Shards

Vectors = NDArray[np.float32]
CHUNK = 512
_ROLES: tuple[Role, ...] = ("query", "document")
_OWN_MODULES = "sentence_transformers."


class Encoder:
    """A model and its vector cache. The model is loaded at the first text that neither `shards` nor the cache has.

    `prompts` are put before texts of a role for which the model has no prompt of its own.
    """

    def __init__(
        self,
        source: ModelSource,
        *,
        options: LoadOptions | None = None,
        cached: bool = True,
        backend: Backend = "torch",
        shards: Shards | None = None,
        prompts: Mapping[Role, str] | None = None,
    ) -> None:
        self.options = options or LoadOptions()
        self._prompts = prompts or {}
        self._model: SentenceTransformer | None = None
        self.source = source if source.origin != "hub" else self._downloaded(source)
        self.hash = weights_hash(self.source.path)
        self.backend = backend
        self.encoded = 0
        self._exchanged = backend == "torch"
        self._cached = cached and self.source.origin != "hub"
        self._heads = {role: _head(self.source, role, self._prompts.get(role, "")) for role in _ROLES}
        self._shards = shards
        if shards is not None:
            shards.require_model(self.hash, backend)

    @property
    def model(self) -> SentenceTransformer:
        """The loaded model."""
        if self._model is None:
            self._model = self._load(self.source)
        return self._model

    def _load(self, source: ModelSource) -> SentenceTransformer:
        model = load_model(source, self.options)
        lend_prompts(model, self._prompts)
        return model

    def with_cache(self) -> Encoder:
        """The same loaded model, with the vector cache."""
        other = copy.copy(self)
        other._cached = self.source.origin != "hub"
        return other

    @property
    def prompts_differ(self) -> bool:
        """Whether a text has another vector as a query than as a document."""
        return self._heads["query"] != self._heads["document"]

    def encode(self, texts: Sequence[str], *, role: Role = "document", batch_size: int = 64) -> Vectors:
        """Unit vectors `(len(texts), D)` in the order given; a zero vector stays zero.

        Raises:
            UserError: the model gives numbers that are not finite, or the cache cannot be used.
        """
        distinct = list(dict.fromkeys(texts))
        vectors = self._distinct(distinct, role, batch_size)
        if len(distinct) == len(texts):
            return vectors
        position = {text: index for index, text in enumerate(distinct)}
        return vectors[[position[text] for text in texts]]

    def raw(self, texts: Sequence[str], *, role: Role = "document", batch_size: int = 64) -> Vectors:
        """Vectors as the model gives them, of any length and never kept; texts may repeat.

        Raises:
            UserError: the model gives numbers that are not finite.
        """
        encode = self.model.encode_query if role == "query" else self.model.encode_document
        vectors = np.asarray(
            encode(list(texts), batch_size=batch_size, show_progress_bar=False), dtype=np.float32
        )
        if not np.isfinite(vectors).all():
            broken = broken_weight(self.model)
            raise UserError(
                "the model gives vectors that are not finite",
                place=self.source.requested,
                hint=tr("its weights hold NaN or infinity: {name}", name=broken)
                if broken
                else "its weights are damaged, or training diverged",
            )
        return vectors

    def key(self, text: str, role: Role) -> bytes:
        """What a vector is kept under beside the weights' hash: the prompt and the text."""
        return hashlib.sha256(f"{self._heads[role]}\x1f{text}".encode()).digest()[:16]

    def _distinct(self, texts: list[str], role: Role, batch_size: int) -> Vectors:
        answer = _Answer(len(texts))
        if self._shards is not None:
            for place, vector in self._shards.lookup([self.key(text, role) for text in texts]):
                answer.put(place, vector)
        if self._cached and not answer.whole:
            with self._opened() as db:
                self._from_cache(db, texts, role, answer)
                self._encode(texts, role, batch_size, answer, db)
        elif not answer.whole:
            self._encode(texts, role, batch_size, answer, None)
        return answer.vectors

    def _from_cache(self, db: sqlite3.Connection, texts: list[str], role: Role, answer: _Answer) -> None:
        places = {self.key(texts[place], role): place for place in answer.missing}
        for key, blob in _lookup(db, list(places)):
            answer.put(places[key], np.frombuffer(blob, dtype=np.float32))

    def _encode(
        self, texts: list[str], role: Role, batch_size: int, answer: _Answer, db: sqlite3.Connection | None
    ) -> None:
        """Encode what is missing, texts of like length together, and keep each chunk at once."""
        missing = sorted(answer.missing, key=lambda place: (len(texts[place]), texts[place]))
        if missing and not self._exchanged:
            sample = [texts[place] for place in missing]
            exchange(self.model, self.backend, weights=self.hash, texts=sample)
            self._exchanged = True
        chunks = [missing[start : start + CHUNK] for start in range(0, len(missing), CHUNK)]
        for chunk in track(chunks, label="encode", total=len(chunks)):
            fresh = self._fresh([texts[place] for place in chunk], role, batch_size)
            for place, vector in zip(chunk, fresh, strict=True):
                answer.put(place, vector)
            if db is not None:
                rows = [(self.key(texts[i], role), v.tobytes()) for i, v in zip(chunk, fresh, strict=True)]
                with db:
                    db.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)

    def _fresh(self, texts: list[str], role: Role, batch_size: int) -> Vectors:
        self.encoded += len(texts)
        vectors = self.raw(texts, role=role, batch_size=batch_size)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit: Vectors = (vectors / np.where(norms > 0, norms, 1)).astype(np.float32)
        return unit

    def _downloaded(self, source: ModelSource) -> ModelSource:
        """The model where the hub's download has put it, so that its vectors can be kept."""
        self._model = self._load(source)
        try:
            return resolve_model(source.requested, revision=source.revision, network=False)
        except UserError:
            return source

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        name = self.hash if self.backend == "torch" else f"{self.hash}.{self.backend}"
        path = cache_dir("vectors") / f"{name}.sqlite"
        with readable_cache(path), closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as db:
            db.execute("CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB)")
            yield db


class _Answer:
    """Vectors on their way: which places are still empty."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._known = np.zeros(size, dtype=np.bool_)
        self.vectors: Vectors = np.zeros((size, 0), dtype=np.float32)

    @property
    def missing(self) -> list[int]:
        return np.flatnonzero(~self._known).tolist()

    @property
    def whole(self) -> bool:
        return bool(self._known.all())

    def put(self, place: int, vector: Vectors) -> None:
        if self.vectors.shape[1] == 0:
            self.vectors = np.empty((self._size, len(vector)), dtype=np.float32)
        self.vectors[place] = vector
        self._known[place] = True


def _head(source: ModelSource, role: Role, absent: str) -> str:
    """The prompt that a role puts before a text; with the role's name where modules may look at that, too."""
    folder = Path(source.path)
    prompts = _json(folder / "config_sentence_transformers.json", {}).get("prompts") or {}
    prompt = (document_prompt(prompts) if role == "document" else prompts.get(role)) or absent
    modules = [str(module.get("type", "")) for module in _json(folder / "modules.json", [])]
    blind = source.origin != "hub" and not any(
        "Router" in name or not name.startswith(_OWN_MODULES) for name in modules
    )
    return prompt if blind else f"{role}\x1f{prompt}"


def _json(path: Path, absent: Any) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return absent


def _lookup(db: sqlite3.Connection, keys: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
    for start in range(0, len(keys), CHUNK):
        block = keys[start : start + CHUNK]
        marks = ",".join("?" * len(block))
        yield from db.execute(f"SELECT key, vector FROM vectors WHERE key IN ({marks})", block)
