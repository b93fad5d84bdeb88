"""Mining in rounds: a model is tuned on what was mined and then mines again (Xiong et al., ANCE, 2021).

Round r mines with the model tuned on the pairs of round r - 1, always from the base model of the round config, so
that the errors of one round do not add up. Each training is the command that a user would type, in a process of its
own, and everything of a round lies under `NAME.rounds/R/`: a second run continues where the first stopped.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from embedkit.commands.child import run_embedkit
from embedkit.compose.mine.choose import Choice, choose_miner
from embedkit.compose.mine.options import MiningOptions
from embedkit.compose.mine.parts import Mined
from embedkit.compose.rows.split import Part
from embedkit.console import say
from embedkit.data.records import Pair, pair_to_object, split_path
from embedkit.errors import EmbedkitError, UserError
from embedkit.extras import require
from embedkit.files import atomic, read_bytes, sha256_file, write_text
from embedkit.models.resolve import DEFAULT_MODEL, resolve_model, weights_hash
from embedkit.text import dumps

RUN = "run"
MARKER = "round.json"
_NO_CONFIG = ("EMBEDKIT_API_KEY", "EMBEDKIT_CACHE", "EMBEDKIT_DEBUG", "EMBEDKIT_LANG")


class RoundError(EmbedkitError):
    """A training failed and has said why; its exit code becomes compose's."""

    def __init__(self, number: int, code: int) -> None:
        super().__init__(
            "the training of round {number} stopped (exit {code})",
            hint="see its message above; the same command continues from here",
            number=number,
            code=code,
        )
        self.exit_code = code if code > 0 else 130


@dataclass(frozen=True, slots=True)
class Round:
    """One round of mining: who mined, with which weights, and the pairs that the next model was tuned on."""

    number: int
    miner: str
    weights: str
    pairs: str = ""

    def to_object(self) -> dict[str, Any]:
        """For the manifest and `--json`."""
        optional = {name: value for name in ("weights", "pairs") if (value := getattr(self, name))}
        return {"round": self.number, "miner": self.miner, **optional}


def rounds_folder(output: Path) -> Path:
    """`data/pairs.jsonl` keeps the work of its rounds in `data/pairs.rounds/`."""
    return output.with_name(f"{output.stem}.rounds")


def check_rounds(options: MiningOptions, output: Path | str) -> None:
    """Raise `UserError` for rounds that cannot be made, before any work."""
    config = options.round_config
    if options.rounds < 2:
        if config:
            raise UserError(
                "--round-config without --rounds", hint="--rounds 2 fine-tunes once and mines again"
            )
        return
    if isinstance(output, str):
        raise UserError(
            "--rounds saves its models beside the output, so the output cannot be standard output",
            hint="name a file with --output",
        )
    if not options.hard_k:
        raise UserError("--rounds needs --hard-k of at least 1", hint="without negatives nothing is mined")
    if find_spec("sentence_transformers") is None:
        require("sentence_transformers", extra="train")
    if config and run_embedkit(["config", "validate", config]):
        raise UserError("cannot be trained with", place=config, hint="the message above says why")
    _base(read_bytes(config) if config else b"{}", options.model)


def _base(config: bytes, model: str) -> str:
    """The weights that tuning starts from."""
    named = json.loads(config.decode("utf-8-sig")).get("model_id")
    return weights_hash(
        resolve_model(os.environ.get("EMBEDKIT_MODEL_ID") or named or model or DEFAULT_MODEL).path
    )


def mine_in_rounds(
    choice: Choice,
    mine: Callable[[Choice], Mined],
    *,
    rounds: int,
    tuner: Tuner,
    rows: Callable[[Mined], Iterable[tuple[Part, Pair]]],
) -> tuple[Mined, Choice, tuple[Round, ...]]:
    """Mine, and `rounds` - 1 times tune on what was mined and mine again; the last mining and who did it."""
    mined, done = mine(choice), []
    for number in range(1, rounds):
        run, sha256 = tuner.tune(number, rows(mined))
        done.append(Round(number, choice.miner, _weights(choice), sha256))
        choice = choose_miner("hybrid" if choice.miner == "hybrid" else "dense", (), model=run)
        say("round {number}: mining with {model}", number=number + 1, model=run)
        mined = mine(choice)
    return mined, choice, (*done, Round(rounds, choice.miner, _weights(choice))) if done else ()


def _weights(choice: Choice) -> str:
    return weights_hash(choice.source.path) if choice.source else ""


@dataclass(frozen=True, slots=True)
class Tuner:
    """Tunes a model on the pairs of a round. Without a config the trainer's defaults hold, from `model` on."""

    output: Path
    config: str = ""
    model: str = ""

    def tune(self, number: int, rows: Iterable[tuple[Part, Pair]]) -> tuple[str, str]:
        """Write a round's pairs, train on them unless that is done, and return the run and the pairs' hash."""
        folder = rounds_folder(self.output) / str(number)
        sha256 = _write_rows(folder, rows)
        config = self._config()
        wanted = {
            "pairs": sha256,
            "config": sha256_file(config),
            "base": _base(config.read_bytes(), self.model),
        }
        wanted["environment"] = _environment()
        state = _state(folder)
        same = state.get("wanted") == wanted
        if same and state.get("done") and (folder / RUN / "model").is_dir():
            say("round {number}: already fine-tuned, {path}", number=number, path=folder / RUN)
            return str(folder / RUN), sha256
        _note(folder, wanted, done=False)
        code = run_embedkit(_train_arguments(config, folder, "--resume" if same else "--force"))
        if code:
            raise RoundError(number, code)
        _note(folder, wanted, done=True)
        return str(folder / RUN), sha256

    def _config(self) -> Path:
        if self.config:
            return Path(self.config)
        path = rounds_folder(self.output) / "cfg.json"
        write_text(path, json.dumps({"model_id": self.model} if self.model else {}) + "\n")
        return path


def _write_rows(folder: Path, rows: Iterable[tuple[Part, Pair]]) -> str:
    """Write the train and dev rows of a round; the hash of both."""
    paths = {part: split_path(folder / "pairs.jsonl", part) for part in ("train", "dev")}
    digest = hashlib.sha256()
    written = set()
    with ExitStack() as stack:
        handles = {part: stack.enter_context(atomic(path)) for part, path in paths.items()}
        for part, pair in rows:
            if part in handles:
                line = dumps(pair_to_object(pair)) + "\n"
                digest.update(f"{part}\x1f{line}".encode())
                handles[part].write(line)
                written.add(part)
    if "dev" not in written:
        paths["dev"].unlink()
    return digest.hexdigest()


def _train_arguments(config: Path, folder: Path, how: str) -> list[str]:
    sets = (
        f"data.pairs_path={folder / 'pairs.jsonl'}",
        f"output.save_dir={folder}",
        f"output.save_name={RUN}",
    )
    return ["train", "--config", str(config), how, *(word for item in sets for word in ("--set", item))]


def _environment() -> str:
    """The hash of what the environment sets of the config."""
    names = sorted(name for name in os.environ if name.startswith("EMBEDKIT_") and name not in _NO_CONFIG)
    return hashlib.sha256("\n".join(f"{name}={os.environ[name]}" for name in names).encode()).hexdigest()


def _state(folder: Path) -> dict[str, Any]:
    try:
        value = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _note(folder: Path, wanted: dict[str, str], *, done: bool) -> None:
    write_text(folder / MARKER, json.dumps({"wanted": wanted, "done": done}, indent=2) + "\n")
