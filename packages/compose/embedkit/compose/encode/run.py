"""Embed: texts to vectors in shards, each whole or absent; what is complete is not made again.

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

from embedkit.compose.encode.merge import merge_shards
from embedkit.compose.encode.place import Place, place_of
from embedkit.compose.encode.records import EmbedOptions, EmbedResult
from embedkit.compose.encode.texts import TextItem, items_of, shard_of
from embedkit.console import out_json, say
from embedkit.data.manifest import manifest_path
from embedkit.data.reading import locate, parse_mapping
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
    """One input, one model, one set of shards. `inputs` holds the hash of the file by its name."""

    options: EmbedOptions
    place: Place
    path: Path
    mapping: Mapping[str, str]
    encoder: Encoder
    roles: tuple[Role, ...]
    inputs: dict[str, str]

    def array(self, index: int) -> Path:
        """The file of a shard."""
        return shard_path(self.options.output, index, self.place.count)

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


def embed(options: EmbedOptions) -> EmbedResult:
    """Encode texts into the shards that fall to this process, or with `merge` join what all have made.

    Raises:
        UserError: an input, a model, an option or an extra that is not there, or shards of something else.
        AnswerNoError: `merge`, and shards are missing.
    """
    if options.merge:
        result = merge_shards(options.output, force=options.force)
    else:
        place = place_of(os.environ, shards=options.shards, shard_index=options.shard_index)
        result = _make(_job(options, place))
    if options.as_json:
        out_json(asdict(result))
    return result


def _job(options: EmbedOptions, place: Place) -> _Job:
    if not options.input or options.input == STDIO:
        raise UserError(
            "--input needs a file", hint="each shard reads the file itself, so standard input cannot be used"
        )
    path = Path(locate(options.input))
    backend = check_backend(options.backend)
    if options.ray_workers:
        require_ray()
    require_writable(options.output, keep=True)
    source = resolve_model(options.model or DEFAULT_MODEL)
    encoder = Encoder(source, options=LoadOptions(device=options.device), backend=backend)
    return _Job(
        options=options,
        place=place,
        path=path,
        mapping=parse_mapping(options.mapping),
        encoder=encoder,
        roles=_roles(options.role, encoder),
        inputs={path.name: sha256_file(path)},
    )


def _roles(role: str, encoder: Encoder) -> tuple[Role, ...]:
    """The roles to encode; `both` is one role where the model has the same prompt for both."""
    if role == "both" and encoder.prompts_differ:
        return "document", "query"
    return ("query",) if role == "query" else ("document",)


def _make(job: _Job) -> EmbedResult:
    place, output = job.place, job.options.output
    if place.said_by:
        say(
            "shard {index} of {count}, set by {who}",
            index=place.indices[0],
            count=place.count,
            who=place.said_by,
        )
    kept = tuple(index for index in place.indices if not job.options.force and _is_kept(job, index))
    made = tuple(index for index in place.indices if index not in kept)
    vectors = sum(_make_shard(job, index) for index in made)
    complete = all(manifest_path(job.array(index)).is_file() for index in range(place.count))
    say(
        "{output}: {made} shards made, {kept} kept, of {count}; {encoded} texts encoded",
        output=output,
        made=len(made),
        kept=len(kept),
        count=place.count,
        encoded=job.encoder.encoded,
    )
    return EmbedResult(
        output=str(output),
        shards=place.count,
        made=made,
        kept=kept,
        vectors=vectors,
        encoded=job.encoder.encoded,
        complete=complete,
    )


def _is_kept(job: _Job, index: int) -> bool:
    """Whether a shard is complete already; a complete one of something else is refused, not replaced."""
    array = job.array(index)
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
        job.array(index),
        vectors,
        _shard_rows(job, items),
        inputs=job.inputs,
        settings=job.settings(index),
    )
    return len(vectors)


def _shard_rows(job: _Job, items: Sequence[TextItem]) -> Iterator[ShardRow]:
    for role in job.roles:
        for item in items:
            yield ShardRow(item.id, role, item.text, job.encoder.key(item.text, role).hex())


def _encoded(job: _Job, texts: Sequence[str], role: Role) -> Vectors:
    workers, batch_size = job.options.ray_workers, job.options.batch_size
    if not workers:
        return job.encoder.encode(texts, role=role, batch_size=batch_size)
    from embedkit.compose.encode.cluster import encode_on_ray

    vectors, encoded = encode_on_ray(job.encoder, texts, role, batch_size=batch_size, workers=workers)
    job.encoder.encoded += encoded
    return vectors


def require_ray() -> None:
    """Raise `UserError` unless Ray Data is installed."""
    require("ray.data", extra="ray")
