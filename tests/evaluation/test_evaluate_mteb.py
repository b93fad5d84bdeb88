"""`--mteb`: a small task of one's own, run offline by the mteb package, results in its format."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from embedkit.errors import UserError
from embedkit.evaluation import mteb_tasks
from embedkit.evaluation.mteb_tasks import MtebOptions, evaluate_mteb

pytest.importorskip("mteb", reason="the extra mteb is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")  # what mteb and what it loads warn of is theirs

TASK = """
from datasets import Dataset, DatasetDict
from mteb.abstasks.sts import AbsTaskSTS
from mteb.abstasks.task_metadata import TaskMetadata


class Parts(AbsTaskSTS):
    metadata = TaskMetadata(
        name="Parts",
        description="Names of parts.",
        dataset={"path": "none", "revision": "1"},
        type="STS",
        eval_langs=["eng-Latn"],
        eval_splits=["test"],
        main_score="cosine_spearman",
    )
    min_score, max_score = 0, 1

    def load_data(self, **kwargs):
        rows = {
            "sentence1": ["resistor", "capacitor", "diode", "filter"],
            "sentence2": ["resistance", "charge", "noise", "filters"],
            "score": [0.8, 0.4, 0.1, 1.0],
        }
        self.dataset = DatasetDict({"test": Dataset.from_dict(rows)})
        self.data_loaded = True
"""


@pytest.fixture
def task_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Python file with one local task."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "parts.py"
    path.write_text(TASK, encoding="utf-8")
    return path


def test_a_local_task_gives_both_scores_and_mtebs_own_files(
    task_file: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = str(tiny_model)
    (score,) = evaluate_mteb(
        MtebOptions(tasks=[str(task_file)], model=model, baseline=model, output=Path("out"))
    )
    assert score.before == score.after
    (written,) = Path("out/mteb/results").glob("embedkit__*/*/Parts.json")
    result = json.loads(written.read_text())
    assert result["scores"]["test"][0]["main_score"] == pytest.approx(score.after)
    assert "Parts  cosine_spearman" in capsys.readouterr().out


def test_a_runs_base_model_reads_the_prompts_of_the_run(
    task_file: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tiny_model, "runs/one/model")
    train = {"query_prompt": "query: ", "document_prompt": "passage: "}
    Path("runs/one/config.json").write_text(json.dumps({"model_id": str(tiny_model), "train": train}))
    prompts: list[dict[str, str]] = []

    def scores(mteb: Any, tasks: Any, model: Any, *_: Any) -> dict[str, float]:
        prompts.append(dict(model.prompts))
        return {task.metadata.name: 0.0 for task in tasks}

    monkeypatch.setattr(mteb_tasks, "_scores", scores)
    evaluate_mteb(MtebOptions(tasks=["parts.py"], model="runs/one"))
    evaluate_mteb(MtebOptions(tasks=["parts.py"], model="runs/one", baseline="runs/one/model"))
    assert prompts[0]["query"] == "query: "
    assert prompts[0]["document"] == "passage: "
    assert not prompts[2]["query"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("STS99", "mteb knows no task 'STS99'"),
        ("nowhere.py", "there is no such file"),
        ("parts.py:Other", "holds no task class 'Other'"),
        ("empty.py", "holds no task class"),
        ("broken.py", "NameError"),
    ],
)
def test_what_is_no_task_is_named(task_file: Path, tiny_model: Path, name: str, message: str) -> None:
    Path("empty.py").write_text("")
    Path("broken.py").write_text("x = 1\nnot_there\n")
    with pytest.raises(UserError, match=message):
        evaluate_mteb(MtebOptions(tasks=[name], model=str(tiny_model)))


def test_options_that_mean_nothing_here_are_refused(task_file: Path, tiny_model: Path) -> None:
    with pytest.raises(UserError, match="--test cannot be used with --mteb"):
        evaluate_mteb(MtebOptions(tasks=["parts.py"], model=str(tiny_model), unused=["--test"]))
