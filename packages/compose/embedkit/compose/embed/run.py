"""The command `embed`: texts to vectors in shards, each whole or absent; what is complete is not made again.

A shard is encoded through the cache, chunk by chunk: a killed process loses at most one chunk. Memory is one
shard's vectors and texts.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from embedkit.compose.embed.merge import merge_shards
from embedkit.compose.embed.place import Place, place_of
from embedkit.compose.embed.result import EmbedResult
from embedkit.compose.embed.texts import Item, items_of, shard_of
from embedkit.compose.run.read import locate, parse_mapping
from embedkit.console import out_json, say
from embedkit.data.manifest import manifest_path
from embedkit.data.tally import Tally
from embedkit.errors import UserError
from embedkit.extras import require
from embedkit.files import STDIO, require_writable, sha256_file
from embedkit.messages import Phrase
from embedkit.models.backends import check_backend
from embedkit.models.resolve import DEFAULT_MODEL, LoadOptions, Role, resolve_model
from embedkit.models.shards import ShardRow, complete_shard, shard_path, write_shard
from embedkit.models.vectors import Encoder, Vectors


@dataclass(frozen=True, slots=True)
class _Job:
    """One input, one model, one set of shards."""

    path: Path
    mapping: Mapping[str, str]
    output: Path
    encoder: Encoder
    roles: tuple[Role, ...]
    place: Place
    inputs: dict[str, str]
    batch_size: int
    ray_workers: int

    def settings(self, index: int) -> dict[str, Any]:
        """What the manifest of a shard says."""
        return {
            "model": self.encoder.source.requested,
            "weights": self.encoder.hash,
            "backend": self.encoder.backend,
            "roles": list(self.roles),
            "shards": self.place.count,
            "index": index,
            **({"map": dict(self.mapping)} if self.mapping else {}),
        }


def embed(
    input_: str,
    *,
    output: Path,
    mapping: Sequence[str] = (),
    model: str = "",
    role: str = "document",
    backend: str = "torch",
    device: str = "auto",
    batch_size: int = 64,
    shards: int = 0,
    shard_index: int | None = None,
    merge: bool = False,
    ray_workers: int = 0,
    force: bool = False,
    as_json: bool = False,
) -> EmbedResult:
    """Make the shards that fall to this process, or with `merge` join what all have made.

    Raises:
        UserError: an input, a model, an option or an extra that is not there, or shards of something else.
        AnswerNoError: `merge`, and shards are missing.
    """
    if merge:
        result = merge_shards(output, force=force)
    else:
        place = place_of(os.environ, shards=shards, shard_index=shard_index)
        job = _job(input_, output, mapping, model, role, backend, device, batch_size, ray_workers, place)
        result = _make(job, force=force)
    if as_json:
        out_json(asdict(result))
    return result


def _job(
    input_: str,
    output: Path,
    mapping: Sequence[str],
    model: str,
    role: str,
    backend: str,
    device: str,
    batch_size: int,
    ray_workers: int,
    place: Place,
) -> _Job:
    if not input_ or input_ == STDIO:
        raise UserError(
            "--input names no file", hint="every shard reads the file for itself, so stdin is none"
        )
    path = Path(locate(input_))
    engine = check_backend(backend)
    if ray_workers:
        require_ray()
    require_writable(output, keep=True)
    source = resolve_model(model or DEFAULT_MODEL)
    encoder = Encoder(source, options=LoadOptions(device=device), backend=engine)
    if role == "both" and encoder.prompts_differ:
        roles: tuple[Role, ...] = ("document", "query")
    else:
        roles = ("query",) if role == "query" else ("document",)
    inputs = {path.name: sha256_file(path)}
    return _Job(path, parse_mapping(mapping), output, encoder, roles, place, inputs, batch_size, ray_workers)


def _make(job: _Job, *, force: bool) -> EmbedResult:
    place = job.place
    if place.said_by:
        say(
            "shard {index} of {count}, as {who} says",
            index=place.indices[0],
            count=place.count,
            who=place.said_by,
        )
    kept = tuple(index for index in place.indices if not force and _is_kept(job, index))
    made = tuple(index for index in place.indices if index not in kept)
    vectors = sum(_make_shard(job, index) for index in made)
    present = [shard_path(job.output, index, place.count) for index in range(place.count)]
    complete = all(manifest_path(array).is_file() for array in present)
    say(
        "{output}: {made} shards made, {kept} kept, of {count}; {encoded} texts encoded",
        output=job.output,
        made=len(made),
        kept=len(kept),
        count=place.count,
        encoded=job.encoder.encoded,
    )
    return EmbedResult(
        output=str(job.output),
        shards=place.count,
        made=made,
        kept=kept,
        vectors=vectors,
        encoded=job.encoder.encoded,
        complete=complete,
    )


def _is_kept(job: _Job, index: int) -> bool:
    """Whether a shard is complete already; a complete one of something else is refused, not replaced."""
    array = shard_path(job.output, index, job.place.count)
    manifest = complete_shard(array)
    if manifest is None:
        return False
    if manifest.settings != job.settings(index) or manifest.inputs != job.inputs:
        raise UserError(
            "is a complete shard of another input, model or setting",
            place=str(array),
            hint="--force makes it again, --output names another folder",
        )
    return True


def _make_shard(job: _Job, index: int) -> int:
    tally = Tally(Phrase("embed"))
    first = index == job.place.indices[0]
    found = items_of(job.path, tally, mapping=job.mapping, quiet=not first)
    items = [item for item in found if shard_of(item.text, job.place.count) == index]
    if first:
        tally.print()
    vectors = np.concatenate([_encoded(job, [item.text for item in items], role) for role in job.roles])
    write_shard(
        shard_path(job.output, index, job.place.count),
        vectors,
        _rows(job, items),
        inputs=job.inputs,
        settings=job.settings(index),
    )
    return len(vectors)


def _rows(job: _Job, items: Sequence[Item]) -> Iterator[ShardRow]:
    for role in job.roles:
        for item in items:
            yield ShardRow(item.id, role, item.text, job.encoder.key(item.text, role).hex())


def _encoded(job: _Job, texts: Sequence[str], role: Role) -> Vectors:
    if not job.ray_workers:
        return job.encoder.encode(texts, role=role, batch_size=job.batch_size)
    from embedkit.compose.embed.cluster import encode_on_ray

    vectors, encoded = encode_on_ray(
        job.encoder, texts, role, batch_size=job.batch_size, workers=job.ray_workers
    )
    job.encoder.encoded += encoded
    return vectors


def require_ray() -> None:
    """Raise `UserError` unless Ray Data is installed."""
    require("ray.data", extra="ray")
