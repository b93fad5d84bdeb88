"""Check that all shards of a folder are complete, and join them into one array, a shard at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from embedkit.compose.encode.records import EmbedResult
from embedkit.console import say
from embedkit.data.manifest import Manifest, read_manifest
from embedkit.data.manifest import manifest_path as manifest_of
from embedkit.errors import AnswerNoError, UserError
from embedkit.files import atomic, atomic_bytes, refuse_existing
from embedkit.models.shards import complete_shard, find_shards, ids_path, same_settings, seal

MERGED = "vectors.npy"


def merge_shards(folder: Path, *, force: bool) -> EmbedResult:
    """Write `vectors.npy`, its ids and its manifest; the shards stay.

    Raises:
        AnswerNoError: shards are missing or damaged; they are named.
        UserError: the shards do not belong together, or the merged file is there.
    """
    target = folder / MERGED
    refuse_existing(target, force=force)
    arrays, count = find_shards(folder)
    whole = [array for array in arrays if complete_shard(array)]
    if len(whole) < count:
        names = {array.name for array in whole}
        missing = [i for i in range(count) if f"shard-{i:05d}-of-{count:05d}.npy" not in names]
        shown = ", ".join(map(str, missing[:20])) + (" …" if len(missing) > 20 else "")
        raise AnswerNoError(
            "{missing} of {count} shards are missing or damaged: {shown}",
            place=str(folder),
            hint="run embedkit embed with the same options again: complete shards are kept",
            missing=len(missing),
            count=count,
            shown=shown,
        )
    settings = same_settings(whole)
    manifests = [read_manifest(manifest_of(array)) for array in whole]
    vectors = _join(target, whole, manifests)
    shared = {name: value for name, value in settings.items() if name != "index"}
    columns = max(int(manifest.counts["columns"]) for manifest in manifests)
    seal(target, inputs=manifests[0].inputs, settings=shared, count=vectors, columns=columns)
    say("{path}: {vectors} vectors of {count} shards", path=target, vectors=vectors, count=count)
    return EmbedResult(
        output=str(target),
        shards=count,
        made=(),
        kept=tuple(range(count)),
        vectors=vectors,
        encoded=0,
        complete=True,
    )


def _join(target: Path, arrays: list[Path], manifests: list[Manifest]) -> int:
    """Copy arrays and ids in the order of the shards; an empty shard has no columns and adds nothing."""
    filled = [(a, m) for a, m in zip(arrays, manifests, strict=True) if m.counts["vectors"]]
    if not filled:
        raise UserError("all shards are empty", place=str(target.parent))
    rows = sum(int(m.counts["vectors"]) for _, m in filled)
    manifest_of(target).unlink(missing_ok=True)
    shape = (rows, int(filled[0][1].counts["columns"]))
    head = {
        "descr": np.lib.format.dtype_to_descr(np.dtype(np.float32)),
        "fortran_order": False,
        "shape": shape,
    }
    with atomic_bytes(target) as handle:
        np.lib.format.write_array_header_1_0(handle, head)
        for array, _ in filled:
            np.load(array, mmap_mode="r").tofile(handle)
    with atomic(ids_path(target)) as handle:
        for array, _ in filled:
            handle.write(ids_path(array).read_text(encoding="utf-8"))
    return rows
