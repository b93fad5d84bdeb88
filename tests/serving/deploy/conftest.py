"""A run as training leaves it, with its rows and its export beside it."""

import json
import shutil
from pathlib import Path

import pytest

from embedkit.ranking.hybrid.shares import LanguageShare, LearntShares, keep_shares
from embedkit.serving import ExportOptions, export


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    pytest.importorskip("onnxruntime", reason="an export needs [onnx]")
    home = tmp_path_factory.mktemp("home")
    folder = home / "runs" / "my run"
    shutil.copytree(tiny_model, folder / "model")
    rows = home / "data" / "pairs.jsonl"
    rows.parent.mkdir()
    for name in ("pairs.jsonl", "pairs.dev.jsonl", "pairs.test.jsonl"):
        (rows.parent / name).write_text('{"anchor": "a diode", "positive": "one way only"}\n')
    config = {
        "model_id": str(tiny_model),
        "data": {"pairs_path": str(rows), "dev_path": str(rows.with_name("pairs.dev.jsonl"))},
        "output": {"save_dir": "runs", "save_name": "my run"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    learnt = LanguageShare(lang="en", share=0.5, hybrid=0.5, definitions=1, questions=60, recall=(0.5, 1, 0))
    keep_shares(LearntShares((learnt,)), folder / "model")
    export(ExportOptions(model=str(folder), output=home / "export"))
    return folder
