"""Files are whole or absent."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from embedkit.errors import UserError
from embedkit.files import (
    atomic,
    atomic_folder,
    atomic_path,
    discard,
    missing_file,
    read_bytes,
    refuse_existing,
    require_writable,
    write_text,
)

needs_locks = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a POSIX system")
WRITING = """
import sys
from embedkit.files import atomic
with atomic(sys.argv[1]) as handle:
    handle.write("half")
    handle.flush()
    print("writing", flush=True)
    sys.stdin.read()
"""
EXPORTING = """
import sys
from pathlib import Path
from embedkit.files import atomic_path
with atomic_path(Path(sys.argv[1])) as place:
    place.write_text("half")
    print("writing", flush=True)
    sys.stdin.read()
"""


@contextmanager
def writing(target: Path, script: str = WRITING) -> Iterator["subprocess.Popen[str]"]:
    """Another process in the middle of writing `target`."""
    command = [sys.executable, "-c", script, str(target)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        yield process
        process.kill()


def test_an_error_inside_leaves_neither_file_nor_part(tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    with pytest.raises(KeyboardInterrupt), atomic(target) as handle:
        handle.write("half")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_an_error_inside_keeps_the_earlier_file(tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    target.write_text("earlier", encoding="utf-8")
    with pytest.raises(ValueError, match="no"), atomic(target) as handle:
        handle.write("half")
        raise ValueError("no")
    assert target.read_text(encoding="utf-8") == "earlier"


def test_existing_is_refused_without_force(tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    target.touch()
    with pytest.raises(UserError, match="--force"):
        refuse_existing(target, force=False)
    refuse_existing(target, force=True)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write here"):
        require_writable(tmp_path / "file" / "below")


def test_a_new_folder_that_another_process_uses_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch = Path.touch

    def touch_with_company(path: Path) -> None:
        touch(path)
        touch(path.with_name("another's"))

    monkeypatch.setattr(Path, "touch", touch_with_company)
    require_writable(tmp_path / "new")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["another's"]
    monkeypatch.undo()
    require_writable(tmp_path / "kept", keep=True)
    require_writable(tmp_path / "gone" / "deep")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "new"]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"absent\.csv: there is no such file"):
        read_bytes(tmp_path / "absent.csv")


@needs_locks
def test_the_next_run_removes_what_kill_9_left(tmp_path: Path) -> None:
    target = tmp_path / "out [1].jsonl"
    with writing(target) as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert [path.name for path in tmp_path.iterdir()] == [f"{target.name}.{process.pid}.part"]
        write_text(target, "whole")
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


@needs_locks
def test_the_part_of_a_living_process_is_left(tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    with writing(target) as process:
        write_text(target, "whole")
        discard(target)
        assert [path.name for path in tmp_path.iterdir()] == [f"out.jsonl.{process.pid}.part"]
        process.communicate("", timeout=20)
    assert target.read_text(encoding="utf-8") == "half"


def test_an_export_appears_whole_with_what_lies_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "graph.xml"
    for text in ("one", "two"):
        with atomic_path(target) as place:
            place.write_text(text, encoding="utf-8")
            place.with_suffix(".bin").write_text("weights", encoding="utf-8")
            assert [path.is_dir() for path in tmp_path.glob("graph.xml.*.part")] == [True]
        assert target.read_text(encoding="utf-8") == text
    with pytest.raises(ValueError, match="no"), atomic_path(target) as place:
        place.touch()
        raise ValueError("no")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["graph.bin", "graph.xml"]


@needs_locks
def test_an_export_that_a_killed_run_left_is_removed_and_no_other(tmp_path: Path) -> None:
    target = tmp_path / "graph.onnx"
    with writing(target, EXPORTING) as process:
        with atomic_path(target) as place:
            place.write_text("mine", encoding="utf-8")
        assert len(list(tmp_path.glob("*.part"))) == 1
        process.kill()
        process.wait()
    write_text(target, "again")
    assert [path.name for path in tmp_path.iterdir()] == ["graph.onnx"]


def test_only_its_own_leftovers_are_removed(tmp_path: Path) -> None:
    others = (
        "out.jsonl.part",
        "out.jsonl.mine.part",
        "out.dev.jsonl.1.part",
        "x.out.jsonl.1.part",
        "out.jsonl.1",
    )
    for name in (*others, "out.jsonl.1.part"):
        (tmp_path / name).touch()
    write_text(tmp_path / "out.jsonl", "whole")
    assert {path.name for path in tmp_path.iterdir()} == {*others, "out.jsonl"}


def test_a_folder_takes_the_place_of_the_old_one_only_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with atomic_folder(target) as folder:
        (folder / "deep").mkdir()
        (folder / "deep" / "a").write_text("1")
    with pytest.raises(ValueError, match="no"), atomic_folder(target) as folder:
        (folder / "a").write_text("2")
        raise ValueError("no")
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "deep", "a"]
    with atomic_folder(target) as folder:
        (folder / "b").write_text("3")
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "b"]


def test_a_missing_file_is_told_in_one_line_with_the_name_that_was_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "pairs.jsonl").touch()
    (tmp_path / "glossary.csv").touch()
    told = {
        name: str(missing_file(name))
        for name in ("glosary.csv", "pairs.json", "data/pair.jsonl", "x.csv", "no/y")
    }
    assert told["glosary.csv"] == "glosary.csv: there is no such file; did you mean 'glossary.csv'?"
    assert told["pairs.json"] == "pairs.json: there is no such file; did you mean 'data/pairs.jsonl'?"
    assert told["data/pair.jsonl"].endswith("did you mean 'data/pairs.jsonl'?")
    assert told["x.csv"] == "x.csv: there is no such file\n  check the path"
    assert told["no/y"] == "no/y: there is no such file\n  check the path"


@needs_locks
def test_a_full_disk_is_one_message_and_leaves_nothing(tmp_path: Path) -> None:
    code = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
    code += "from embedkit.files import write_text\n"
    code += "from pathlib import Path\n"
    code += "from embedkit.errors import UserError\n"
    code += "try:\n    write_text('new.txt', 'x' * 100_000)\nexcept UserError as error:\n    print(error)"
    (tmp_path / "new.txt").write_text("old")
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("new.txt: there is no room to write"), done.stderr
    assert "nothing was replaced" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["new.txt"]
    assert (tmp_path / "new.txt").read_text() == "old"


@needs_locks
def test_a_full_temporary_folder_or_stdout_is_one_message_too(tmp_path: Path) -> None:
    (tmp_path / "g.csv").write_text(
        "term,definition\n" + "".join(f"part {n},It is {n} {'x' * n}.\n" for n in range(60))
    )
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048))\n"
    run = "import sys; sys.argv[1:] = 'compose --input g.csv --miner lexical --output {}'.split()\n"
    run += "from embedkit.__main__ import main; main()"
    for start, output in ((limited, "p.jsonl"), ("", "-")):
        with Path("/dev/full" if output == "-" else os.devnull).open("w") as stdout:
            done = subprocess.run(
                [sys.executable, "-c", start + run.format(output)],
                cwd=tmp_path,
                stdout=stdout,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
        assert "Traceback" not in done.stderr
        assert "there is no room to write" in done.stderr
        assert done.returncode == 2
