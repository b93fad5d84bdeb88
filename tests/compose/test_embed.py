"""`embedkit embed`: shards that machines make alone, that are whole or absent, and that compose reads."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from embedkit.compose import ComposeOptions, EmbedOptions, EmbedResult, compose, embed
from embedkit.compose.encode.place import Place, place_of
from embedkit.errors import AnswerNoError, UserError
from embedkit.models.shards import Shards
from embedkit.models.vectors import Encoder

from .conftest import made_glossary, rows_of

LAUNCHERS = ("RANK", "WORLD_SIZE", "SLURM_PROCID", "SLURM_NTASKS", "JOB_COMPLETION_INDEX")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMBEDKIT_CACHE", str(tmp_path / "cache"))
    for name in LAUNCHERS:
        monkeypatch.delenv(name, raising=False)
    made_glossary(tmp_path / "glossary.csv", terms=20)
    return tmp_path


def run(model: Path, *, input_: str = "glossary.csv", **options: object) -> EmbedResult:
    return embed(EmbedOptions(input=input_, output=Path("out"), model=str(model), **options))  # type: ignore[arg-type]


def test_shards_of_several_processes_merge_to_all_texts(folder: Path, tiny_model: Path) -> None:
    results = [run(tiny_model, shards=3, shard_index=index) for index in (2, 0, 1)]
    assert [result.complete for result in results] == [False, False, True]
    assert sum(result.vectors for result in results) == 60
    merged = run(tiny_model, merge=True)
    rows = rows_of(Path("out/vectors.ids.jsonl"))
    assert merged.vectors == len(rows) == len({row["text"] for row in rows}) == 60
    vectors = np.load("out/vectors.npy")
    from embedkit.models.resolve import resolve_model

    expected = Encoder(resolve_model(str(tiny_model))).encode([row["text"] for row in rows])
    np.testing.assert_array_equal(vectors, expected)


def test_complete_shards_are_kept_and_a_damaged_one_is_made_again(folder: Path, tiny_model: Path) -> None:
    run(tiny_model, shards=2)
    (folder / "out" / "shard-00001-of-00002.npy").write_bytes(b"cut")
    again = run(tiny_model, shards=2)
    assert (again.made, again.kept, again.encoded) == ((1,), (0,), 0)
    assert len(Shards.open(folder / "out")) == 60


def test_a_shard_of_another_input_is_not_replaced(folder: Path, tiny_model: Path) -> None:
    run(tiny_model)
    made_glossary(folder / "glossary.csv", terms=21)
    with pytest.raises(UserError, match="another input, model or setting"):
        run(tiny_model)
    assert run(tiny_model, force=True).made == (0,)


def test_missing_shards_are_named(folder: Path, tiny_model: Path) -> None:
    run(tiny_model, shards=3, shard_index=1)
    with pytest.raises(AnswerNoError, match="2 of 3 shards are missing or damaged: 0, 2"):
        run(tiny_model, merge=True)
    with pytest.raises(UserError, match="2 of 3 shards are missing"):
        Shards.open(folder / "out")


def test_compose_encodes_nothing_that_lies_in_the_shards(
    folder: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tiny_model, shards=2, role="both")
    assert (folder / "cache" / "vectors").is_dir()
    monkeypatch.setenv("EMBEDKIT_CACHE", str(folder / "other"))
    monkeypatch.setattr(Encoder, "_fresh", lambda *_: pytest.fail("a text was encoded"))
    compose(
        ComposeOptions(
            inputs=["glossary.csv"],
            output="pairs.jsonl",
            miner="dense",
            model=str(tiny_model),
            vectors="out",
        )
    )
    assert any(row["hard_negatives"] for row in rows_of(folder / "pairs.jsonl"))


def test_ids_of_the_input_are_kept(folder: Path, tiny_model: Path) -> None:
    lines = [{"id": "a7", "text": "diode"}, {"id": "b2", "text": "coil"}, {"id": "c9", "text": "diode"}]
    (folder / "texts.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    result = run(tiny_model, input_="texts.jsonl")
    assert [row["id"] for row in rows_of(folder / "out/shard-00000-of-00001.ids.jsonl")] == ["a7", "b2", "c9"]
    vectors = np.load("out/shard-00000-of-00001.npy")
    np.testing.assert_array_equal(vectors[0], vectors[2])
    assert (result.vectors, result.encoded) == (3, 2)


def test_columns_of_a_table_are_mapped(folder: Path, tiny_model: Path) -> None:
    (folder / "t.csv").write_text("no,name,what\n1,pump,moves water\n2,valve,stops water\n", encoding="utf-8")
    result = run(tiny_model, input_="t.csv", mapping=["term=name", "definition=what"])
    assert result.vectors == 4
    with pytest.raises(UserError, match="a complete shard of another input, model or setting"):
        run(tiny_model, input_="t.csv", mapping=["term=name", "definition=no"])


def test_a_text_a_line(folder: Path, tiny_model: Path) -> None:
    (folder / "texts.txt").write_text("다이오드\n\n저항\n", encoding="utf-8")
    assert run(tiny_model, input_="texts.txt").vectors == 2


def test_more_shards_than_texts_leave_empty_ones_that_merge(folder: Path, tiny_model: Path) -> None:
    (folder / "texts.txt").write_text("diode\n")
    run(tiny_model, input_="texts.txt", shards=4)
    assert run(tiny_model, merge=True).vectors == 1
    assert len(Shards.open(folder / "out")) == 1


def test_half_a_character_is_named(folder: Path, tiny_model: Path) -> None:
    (folder / "t.jsonl").write_text('{"text": "a"}\n{"text": "\\ud800"}\n', encoding="utf-8")
    with pytest.raises(UserError, match="half a character") as caught:
        run(tiny_model, input_="t.jsonl")
    assert caught.value.place == "t.jsonl:2"


def test_a_line_without_text_is_named(folder: Path, tiny_model: Path) -> None:
    (folder / "texts.jsonl").write_text('{"text": "a"}\n{"text": 3}\n')
    with pytest.raises(UserError, match=r"texts.jsonl:2: 'text' is missing"):
        run(tiny_model, input_="texts.jsonl")


@pytest.mark.parametrize("name", ["", "-", "nowhere.csv"])
def test_an_input_that_is_no_file_is_one_message(name: str, folder: Path, tiny_model: Path) -> None:
    with pytest.raises(UserError):
        run(tiny_model, input_=name)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, Place((0,), 1)),
        ({"RANK": "3", "WORLD_SIZE": "8"}, Place((3,), 8, "torchrun")),
        ({"SLURM_PROCID": "1", "SLURM_NTASKS": "4"}, Place((1,), 4, "Slurm")),
        (
            {
                "SLURM_ARRAY_TASK_ID": "14",
                "SLURM_ARRAY_TASK_COUNT": "5",
                "SLURM_ARRAY_TASK_MIN": "10",
                "SLURM_ARRAY_TASK_STEP": "2",
            },
            Place((2,), 5, "a Slurm array"),
        ),
        (
            {"SLURM_ARRAY_TASK_ID": "5", "SLURM_ARRAY_TASK_COUNT": "4", "SLURM_ARRAY_TASK_MIN": "2"},
            Place((3,), 4, "a Slurm array"),
        ),
        ({"OMPI_COMM_WORLD_RANK": "2", "OMPI_COMM_WORLD_SIZE": "3"}, Place((2,), 3, "MPI")),
    ],
)
def test_the_launcher_says_which_shard(environment: dict[str, str], expected: Place) -> None:
    assert place_of(environment, shards=0, shard_index=None) == expected


def test_kubernetes_says_the_index_and_the_option_the_count() -> None:
    environment = {"JOB_COMPLETION_INDEX": "2"}
    assert place_of(environment, shards=5, shard_index=None) == Place((2,), 5, "Kubernetes")
    with pytest.raises(UserError, match="shard 2 is asked for, but not the number"):
        place_of(environment, shards=0, shard_index=None)


def test_options_beat_the_launcher() -> None:
    environment = {"RANK": "3", "WORLD_SIZE": "8"}
    assert place_of(environment, shards=2, shard_index=0) == Place((0,), 2)
    with pytest.raises(UserError, match="no shard 2 of 2"):
        place_of(environment, shards=2, shard_index=2)


@pytest.mark.filterwarnings("ignore")  # Ray reads its own deprecated settings, and its logs stay open
def test_a_local_ray_gives_each_text_its_own_vector(folder: Path, tiny_model: Path) -> None:
    ray = pytest.importorskip("ray", reason="the extra ray is not installed")
    run(tiny_model)
    plain = np.load("out/shard-00000-of-00001.npy")
    try:
        run(tiny_model, force=True, ray_workers=1, batch_size=2)
    finally:
        ray.shutdown()
    np.testing.assert_allclose(np.load("out/shard-00000-of-00001.npy"), plain, atol=1e-6)
