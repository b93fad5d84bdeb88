"""Rows small enough to train on in a second, and a place to do it."""

from __future__ import annotations

import json
import os
import shutil
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

TOPICS = (
    ("resistor", "저항", "limits the current that flows in a circuit"),
    ("capacitor", "콘덴서", "stores charge between two plates"),
    ("diode", "다이오드", "lets current pass one way only"),
    ("transistor", "트랜지스터", "switches or amplifies a signal"),
    ("filter", "필터", "passes some frequencies and stops others"),
    ("amplifier", "증폭기", "makes a weak signal strong"),
    ("memory", "메모리", "keeps bits until they are read"),
    ("noise", "잡음", "is what disturbs a wanted signal"),
)


def topic_rows(*, start: int = 0, stop: int = len(TOPICS), group: bool = True) -> list[dict[str, Any]]:
    """Rows of English and Korean names with a definition; 0 to 2 hard negatives a row."""
    rows = []
    for index, (english, korean, definition) in list(enumerate(TOPICS))[start:stop]:
        others = [TOPICS[(index + step) % len(TOPICS)][2] for step in (1, 2)]
        for place, (anchor, positive) in enumerate(
            ((english, definition), (korean, definition), (english, korean))
        ):
            row: dict[str, Any] = {"anchor": anchor, "positive": positive, "hard_negatives": others[:place]}
            rows.append(row | ({"group": english} if group else {}))
    return rows


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Write a pairs.jsonl."""
    lines = (unicodedata.normalize("NFC", json.dumps(row, ensure_ascii=False)) for row in rows)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in, with pairs.jsonl and pairs.dev.jsonl in it and no outside settings."""
    for name in [name for name in os.environ if name.startswith("EMBEDKIT_") and name != "EMBEDKIT_CACHE"]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    write_rows(tmp_path / "pairs.jsonl", topic_rows(stop=6))
    write_rows(tmp_path / "pairs.dev.jsonl", topic_rows(start=6))
    return tmp_path


@pytest.fixture(scope="session")
def still_model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model without dropout, for comparing runs that draw it in another order."""
    folder = tmp_path_factory.mktemp("still") / "model"
    shutil.copytree(tiny_model, folder)
    settings = json.loads((folder / "config.json").read_text())
    settings |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (folder / "config.json").write_text(json.dumps(settings))
    return folder


@pytest.fixture
def config_values(tiny_model: Path) -> Callable[..., dict[str, Any]]:
    """Make the object of a quick cfg.json; keyword `train={...}` and so on is laid over it."""

    def make(**sections: Any) -> dict[str, Any]:
        values: dict[str, Any] = {
            "model_id": str(tiny_model),
            "device": "cpu",
            "dtype": "float32",
            "train": {"batch_size": 4, "epochs": 2, "max_length": None},
            "optim": {"lr": 0.003},
            "data": {"max_hard_negatives": None},
            "output": {"save_name": "run", "log_steps": 1},
        }
        for name, value in sections.items():
            values[name] = {**values.get(name, {}), **value} if isinstance(value, dict) else value
        return values

    return make
