"""The cache is told and cleared: nothing that is not embedkit's, and nothing that another process works with."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from embedkit.commands.cache import cache_clear, cache_info
from embedkit.errors import AnswerNoError, UserError

MODEL, OTHER = "0123456789abcdef", "fedcba9876543210"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of two models' vectors, one database in two files, and something that is not ours."""
    monkeypatch.setenv("EMBEDKIT_CACHE", str(tmp_path))
    for name in (
        "http/http.sqlite",
        f"vectors/{MODEL}.sqlite",
        f"vectors/{OTHER}.sqlite",
        "models/my-own-model/w",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * 100)
    (tmp_path / "http" / "http.sqlite-wal").write_bytes(b"x" * 50)
    return tmp_path


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_info_counts_only_what_embedkit_made(cache: Path) -> None:
    assert [(held.room, held.files, held.bytes) for held in cache_info()] == [
        ("http", 2, 150),
        ("vectors", 2, 200),
        ("models", 0, 0),
        ("answers", 0, 0),
    ]


def test_info_makes_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDKIT_CACHE", str(tmp_path / "none"))
    cache_info()
    assert not (tmp_path / "none").exists()


def test_clear_removes_one_room(cache: Path) -> None:
    cache_clear("vectors", yes=True)
    assert files(cache) == ["http/http.sqlite", "http/http.sqlite-wal", "models/my-own-model/w"]


def test_clear_keeps_what_is_not_ours(cache: Path) -> None:
    cache_clear(yes=True)
    assert files(cache) == ["models/my-own-model/w"]


def test_answers_that_may_have_cost_money_are_cleared_by_name_only(cache: Path) -> None:
    (cache / "answers").mkdir()
    (cache / "answers" / "answers.sqlite").write_bytes(b"x")
    cache_clear(yes=True)
    assert files(cache) == ["answers/answers.sqlite", "models/my-own-model/w"]
    cache_clear("answers", yes=True)
    assert files(cache) == ["models/my-own-model/w"]


def test_clear_keeps_what_was_written_lately_and_what_belongs_to_it(cache: Path) -> None:
    old = time.time() - 10 * 86_400
    for name in ("http/http.sqlite", f"vectors/{MODEL}.sqlite"):
        os.utime(cache / name, (old, old))
    cache_clear(older_than=7, yes=True)
    assert files(cache) == [
        "http/http.sqlite",
        "http/http.sqlite-wal",
        "models/my-own-model/w",
        f"vectors/{OTHER}.sqlite",
    ]


def test_clear_without_yes_where_nobody_can_be_asked_removes_nothing(cache: Path) -> None:
    before = files(cache)
    with pytest.raises(UserError, match="--yes"):
        cache_clear()
    assert files(cache) == before


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be removed there")
def test_a_room_in_use_is_kept_and_the_others_are_cleared(cache: Path) -> None:
    code = "from embedkit.cache import cache_dir; cache_dir('vectors'); print('held', flush=True); input()"
    user = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert user.stdout is not None
    assert user.stdout.readline() == "held\n"
    with pytest.raises(AnswerNoError, match="vectors"):
        cache_clear(yes=True)
    kept = [name for name in files(cache) if not name.startswith("models")]
    user.communicate("\n", timeout=60)
    assert kept == [f"vectors/{MODEL}.sqlite", f"vectors/{OTHER}.sqlite"]
    cache_clear(yes=True)
    assert files(cache) == ["models/my-own-model/w"]
