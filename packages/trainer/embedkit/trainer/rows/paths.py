"""Which files a run reads: found before anything heavy is imported, as a wrong path is the commonest mistake."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from embedkit.console import say
from embedkit.data.records import DEFAULT_PATHS, split_path
from embedkit.errors import UserError
from embedkit.files import STDIO, missing_file
from embedkit.trainer.config import DataSection, RunConfig

# Where embedkit's forerunner kept its rows: such a path is read as one below data/.
_OLD_FOLDER = "tools"


def find_pairs(section: DataSection) -> str:
    """The file to train on; `UserError` when there is none."""
    if section.pairs_path is not None:
        if section.pairs_path == STDIO or Path(section.pairs_path).is_file():
            return section.pairs_path
        if moved := _where_it_lies_now(section.pairs_path):
            return moved
        raise missing_file(section.pairs_path, hint="check data.pairs_path in the config")
    for path in DEFAULT_PATHS:
        if path.is_file():
            return str(path)
    looked = ", ".join(map(str, DEFAULT_PATHS))
    raise UserError(
        "no pairs to train on: looked for {looked}",
        hint="embedkit compose makes them, or set data.pairs_path",
        looked=looked,
    )


def find_dev(section: DataSection, pairs_path: str | None) -> str | None:
    """The dev file: the one named, or the one beside the pairs where there is one."""
    if not section.use_dev:
        return None
    if section.dev_path is not None:
        if not Path(section.dev_path).is_file():
            raise missing_file(section.dev_path, hint="check data.dev_path, or set data.use_dev to false")
        return section.dev_path
    if pairs_path is None or pairs_path == STDIO:
        return None
    beside = split_path(Path(pairs_path), "dev")
    return str(beside) if beside.is_file() else None


def find_known_dev(section: DataSection, pairs_path: str | None) -> str | None:
    """The file of questions for trained concepts that lies beside the pairs, where there is one."""
    if not section.use_dev or pairs_path is None or pairs_path == STDIO:
        return None
    beside = split_path(Path(pairs_path), "known.dev")
    return str(beside) if beside.is_file() else None


@cache
def _where_it_lies_now(path: str) -> str:
    """A file below `tools/` in the place that it has here, which is said; empty where it is not there either."""
    first, *rest = Path(path).parts
    found = Path(*rest) if first == _OLD_FOLDER and rest else None
    if found is None or not found.is_file():
        return ""
    say("{old} is not there: {new} is read", old=path, new=found)
    return str(found)


def find_sources(config: RunConfig) -> list[tuple[str, str, float]]:
    """Path, loss and weight of each file to train on; `UserError` when one is not there."""
    if not config.data.sources:
        return [(find_pairs(config.data), config.loss.name, 1.0)]
    for number, source in enumerate(config.data.sources):
        if not Path(source.path).is_file():
            raise missing_file(source.path, hint="check data.sources[{number}].path", number=number)
    return [(source.path, (source.loss or config.loss).name, source.weight) for source in config.data.sources]
