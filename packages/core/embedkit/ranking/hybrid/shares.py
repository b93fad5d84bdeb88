"""How much meaning counts beside words when entries are ranked, per language of the question: `ranker.json` in the
folder of a model.

A share of 0 is words alone, of 1 the model alone; between them both scores are added. `auto` takes what `learning`
found on the dev questions of a run; where nothing was learnt it is `hybrid` with the share that serves any model.

The file names the weights that it counts for. It goes along where the same model takes another form (final, ONNX, int8,
a folder to deploy); over other weights in its folder it is passed over, which is said.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from embedkit.console import warn
from embedkit.errors import UserError
from embedkit.files import read_bytes, write_text
from embedkit.models.resolve import RANKER, ModelSource, weights_hash
from embedkit.ranking.retrieval import Floats
from embedkit.text import language_of

Ranker = Literal["auto", "hybrid", "dense", "lexical"]
# The weights of `entries` fused for a model that nothing is known about: 1.5 for meaning, 5.175 for words.
DEFAULT_SHARE = 1.5 / 6.675
LEXICAL, DENSE = 0.0, 1.0
_VERSION = 1
_WEIGHTS = (".safetensors", ".bin", ".onnx")


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageShare:
    """What was learnt for one language: the `share` that `auto` takes and the one that `hybrid` takes.

    `definitions` is what `auto` takes where entries have no names: texts that never say what they are about.
    `recall` is the recall@1 of the dev questions with words alone, with the share of `auto` and with the model alone.
    """

    lang: str
    share: float
    hybrid: float
    definitions: float
    questions: int
    recall: tuple[float, float, float]

    @property
    def ranker(self) -> Ranker:
        """What `auto` is in this language."""
        return ranker_of(self.share)


@dataclass(frozen=True, slots=True)
class LearntShares:
    """The learnt shares of a model, a record for each language; none where none were learnt.

    `weights` is the hash of the weights that they count for; empty: whatever lies in the folder.
    """

    languages: tuple[LanguageShare, ...] = ()
    weights: str = ""

    def share(self, lang: str, ranker: Ranker = "auto", *, names: bool = True) -> float:
        """The share of meaning for a question in a language, over entries with or without names."""
        if ranker in ("dense", "lexical"):
            return DENSE if ranker == "dense" else LEXICAL
        found = next((one for one in self.languages if one.lang == lang), None)
        if found is None:
            return DEFAULT_SHARE
        if ranker == "auto":
            return found.share if names else found.definitions
        return found.hybrid

    def shares(self, queries: Sequence[str], ranker: Ranker = "auto", *, names: bool = True) -> Floats:
        """The share for each query, by the language that its script says `(Q,)`."""
        found = [self.share(language_of(query), ranker, names=names) for query in queries]
        return np.array(found, dtype=np.float32)


def ranker_of(share: float) -> Ranker:
    """The name of a share."""
    return "lexical" if share == LEXICAL else "dense" if share == DENSE else "hybrid"


def shares_of(source: ModelSource) -> LearntShares:
    """What was learnt for a model: `ranker.json` in its folder, or beside it in its run; nothing where the weights are
    others by now, which is said. Reads the weights once.

    Raises:
        UserError: the file is damaged.
    """
    folder = Path(source.path)
    beside = (folder / RANKER, folder.parent / RANKER) if folder.name == "model" else (folder / RANKER,)
    path = next(filter(Path.is_file, beside), None)
    learnt = read_shares(path) if path else LearntShares()
    if learnt.weights in ("", _weights(folder)):
        return learnt
    warn("{path} was learnt for other weights: the search keeps its default weights", path=path)
    return LearntShares()


def keep_shares(learnt: LearntShares, folder: Path) -> None:
    """Write them into the folder of the model that they count for, where there are any."""
    if learnt.languages:
        write_shares(folder / RANKER, replace(learnt, weights=_weights(folder)))


def _weights(folder: Path) -> str:
    return weights_hash(str(folder), _WEIGHTS)


def write_shares(path: Path, learnt: LearntShares) -> None:
    """Write `ranker.json`, whole."""
    languages = [asdict(one) for one in learnt.languages]
    value = {"version": _VERSION, "weights": learnt.weights, "languages": languages}
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def read_shares(path: Path) -> LearntShares:
    """Read `ranker.json`.

    Raises:
        UserError: it is damaged.
    """
    try:
        value = json.loads(read_bytes(path))
        return LearntShares(tuple(_languages(value["languages"])), str(value.get("weights", "")))
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            "not the shares of a ranker ({error})",
            place=str(path),
            hint="delete it: the search then uses its default weights",
            error=error,
        ) from None


def _languages(found: Iterable[dict[str, Any]]) -> Iterator[LanguageShare]:
    for value in found:
        words, chosen, dense = map(float, value["recall"])
        shares = [float(value[name]) for name in ("share", "hybrid", "definitions")]
        if not all(LEXICAL <= share <= DENSE for share in shares):
            raise ValueError(shares)
        yield LanguageShare(
            lang=str(value["lang"]),
            share=shares[0],
            hybrid=shares[1],
            definitions=shares[2],
            questions=int(value["questions"]),
            recall=(words, chosen, dense),
        )
