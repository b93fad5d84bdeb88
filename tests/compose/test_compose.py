"""The command compose from the outside: files, counts, exit codes, interruptions."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embedkit.compose import ComposeOptions, compose
from embedkit.errors import UserError

from .conftest import GLOSSARY, Run, made_glossary, rows_of

LEXICAL = ("--miner", "lexical")


def written(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and "cache" not in path.parts)


def test_the_command_of_the_readme_works_on_a_glossary(run: Run, tmp_path: Path) -> None:
    made_glossary(tmp_path / "glossary.csv")
    done = run("compose", "--input", "glossary.csv", "--hard-k", "3", *LEXICAL)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    rows = rows_of(tmp_path / "data" / "pairs.jsonl")
    assert all(len(row["hard_negatives"]) == len(row["mining"]) == 3 for row in rows)
    stated = {"term-definition", "alias-definition", "abbreviation-full_form"}
    assert {row["kind"] for row in rows} == stated | {"question-definition", "typo-definition"}
    assert {"id", "group", "lang"} <= rows[0].keys()
    assert "leak proof: 0 shared concepts, 0 shared texts, 0 near duplicates" in done.stderr


def test_the_command_of_the_readme_works_on_two_columns(run: Run, tmp_path: Path) -> None:
    table = "".join(f"name {n} here\ttext number {n * 7} there\n" for n in range(30))
    (tmp_path / "glossary.csv").write_text(table, encoding="utf-8")
    assert run("compose", "--input", "glossary.csv", "--hard-k", "3").returncode == 0
    assert [name for name in written(tmp_path / "data") if name != "synonym_candidates.csv"] == [
        "pairs.card.md",
        "pairs.dev.jsonl",
        "pairs.jsonl",
        "pairs.manifest.json",
        "pairs.test.jsonl",
    ]


def test_the_shipped_glossary_gives_sound_pairs(run: Run) -> None:
    assert run("compose", "--input", str(GLOSSARY), *LEXICAL).returncode == 0
    checked = run("validate", "data/pairs.jsonl")
    assert checked.returncode == 0, checked.stdout


def test_nothing_vanishes_and_the_manifest_says_so(run: Run, tmp_path: Path) -> None:
    table = b'term,definition\na x,one two\na x,one two\nb y,\nc z,three four\nd,"open\ne f,five six\n'
    (tmp_path / "t.csv").write_bytes(table)
    kinds = ("--kinds", "term-definition")
    done = run("compose", "--input", "t.csv", "--split", "1/0/0", "--json", *kinds, *LEXICAL)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["read"] == {
        "in": 6,
        "out": 4,
        "merged": 0,
        "rejected": {"broken quote": 1, "missing cell": 1},
    }
    assert result["made"] == {"in": 4, "out": 3, "merged": 1, "rejected": {}}
    manifest = json.loads((tmp_path / "data" / "pairs.manifest.json").read_text(encoding="utf-8"))
    assert manifest["counts"]["read"] == result["read"]
    assert manifest["inputs"]["t.csv"] == hashlib.sha256(table).hexdigest()
    pairs = (tmp_path / "data" / "pairs.jsonl").read_bytes()
    assert manifest["outputs"]["pairs.jsonl"] == hashlib.sha256(pairs).hexdigest()
    rejected = rows_of(tmp_path / "data" / "pairs.rejected.jsonl")
    assert [(r["line"], r["reason"]) for r in rejected] == [
        (4, "missing cell (definition)"),
        (6, "broken quote"),
    ]


def test_strict_turns_rejects_into_exit_1_and_still_writes(run: Run, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("term,definition\na,b\nc,\n", encoding="utf-8")
    done = run("compose", "--input", "t.csv", "--strict", *LEXICAL)
    assert done.returncode == 1
    assert "1 rows were rejected" in done.stderr
    assert (tmp_path / "data" / "pairs.rejected.jsonl").is_file()


def test_a_term_that_is_its_own_definition_is_a_rejected_row(run: Run, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("term,definition\na,one\nb,b\n", encoding="utf-8")
    assert run("compose", "--input", "t.csv", "--strict", *LEXICAL).returncode == 1


def test_standard_input_is_read_once(run: Run) -> None:
    done = run("compose", "--input", "-", "--input", "-", *LEXICAL, stdin="a,b\n")
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, "--input - is named twice")


def test_a_self_pair_is_rejected_and_two_spellings_are_kept(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("same,same\nPulse-Width,pulse width\n", encoding="utf-8")
    result = compose(
        ComposeOptions(inputs=[str(tmp_path / "t.csv")], output=str(tmp_path / "p.jsonl"), miner="lexical")
    )
    assert result.made.rejected == {"self pair": 1}
    assert result.lint == {"equal but for case or brackets": 1, "self pair": 1}
    assert result.made.given_out == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no such file"),
        (b"", "is empty"),
        (b"term\na\nb\n", "has one column only"),
        (b"term,definition\n", "not one usable row"),
        (b"term,definition\nx,\n", "1 rejected; the first at bad.csv:2: missing cell (definition)"),
        (b"PK\x03\x04", "spreadsheet"),
    ],
)
def test_input_that_cannot_be_used_is_one_message(
    run: Run, tmp_path: Path, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / "bad.csv").write_bytes(content)
    before = written(tmp_path)
    done = run("compose", "--input", "bad.csv", *LEXICAL)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert written(tmp_path) == before
    assert not (tmp_path / "data").exists()


def test_a_model_that_is_nowhere_is_said_before_the_work(run: Run, tmp_path: Path) -> None:
    made_glossary(tmp_path / "g.csv")
    done = run("compose", "--input", "g.csv", "--miner", "dense", "--model", "nobody/nothing")
    assert done.returncode == 2
    assert done.stderr.startswith(("no model 'nobody/nothing'", "this needs the package"))


def test_existing_files_are_kept_unless_forced(run: Run, tmp_path: Path) -> None:
    made_glossary(tmp_path / "g.csv")
    (tmp_path / "data").mkdir()
    old = tmp_path / "data" / "pairs.test.jsonl"
    old.write_text("mine\n", encoding="utf-8")
    done = run("compose", "--input", "g.csv", *LEXICAL)
    assert done.returncode == 2
    assert "already exists and is kept" in done.stderr
    assert old.read_text(encoding="utf-8") == "mine\n"
    assert run("compose", "--input", "g.csv", "--force", "--split", "1/0/0", *LEXICAL).returncode == 0
    assert not old.exists()


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs a POSIX system")
def test_a_folder_that_cannot_be_written_is_one_message(run: Run, tmp_path: Path) -> None:
    made_glossary(tmp_path / "g.csv")
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    done = run("compose", "--input", "g.csv", "--output", "file/pairs.jsonl", *LEXICAL)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "cannot" in done.stderr


def test_a_dry_run_writes_nothing(run: Run, tmp_path: Path) -> None:
    made_glossary(tmp_path / "g.csv")
    done = run("compose", "--input", "g.csv", "--dry-run", *LEXICAL)
    assert done.returncode == 0
    assert "would write" in done.stderr
    assert written(tmp_path) == ["g.csv"]


def test_standard_input_goes_to_standard_output(run: Run, tmp_path: Path) -> None:
    done = run(
        "compose", "--input", "-", "--output", "-", *LEXICAL, stdin="a x,one two\nb y,three four\nc,\n"
    )
    assert [json.loads(line)["anchor"] for line in done.stdout.splitlines()] == ["a x", "b y"]
    assert "stdin:3: missing cell (positive)" in done.stderr
    assert written(tmp_path) == []


def test_held_out_rows_have_no_place_on_standard_output(run: Run) -> None:
    assert run("compose", "--input", "-", "--output", "-", "--split", "8/1/1").returncode == 2


def test_several_inputs_are_one_set(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("term,definition\nPWM here,one\n", encoding="utf-8")
    (tmp_path / "b.tsv").write_text("anchor\tpositive\nPWM here\ttwo\n", encoding="utf-8")
    done = run("compose", "--input", "a.csv", "--input", "b.tsv", "--split", "1/0/0", *LEXICAL)
    assert done.returncode == 0, done.stderr
    assert len({row["group"] for row in rows_of(tmp_path / "data" / "pairs.jsonl")}) == 1


def test_equal_runs_give_equal_bytes(tmp_path: Path) -> None:
    table = made_glossary(tmp_path / "g.csv", terms=60)
    made = []
    for name in ("one", "two"):
        compose(
            ComposeOptions(
                inputs=[str(table)], output=str(tmp_path / name / "pairs.jsonl"), miner="lexical", seed=4
            )
        )
        made.append({p.name: p.read_bytes() for p in sorted((tmp_path / name).iterdir())})
    assert made[0] == made[1]
    assert len(made[0]) == 8


def test_no_held_out_text_is_a_training_negative(tmp_path: Path) -> None:
    compose(
        ComposeOptions(
            inputs=[str(made_glossary(tmp_path / "g.csv"))], output=str(tmp_path / "p.jsonl"), miner="lexical"
        )
    )
    held_out = [row for part in ("dev", "test") for row in rows_of(tmp_path / f"p.{part}.jsonl")]
    texts = {row[side] for row in held_out for side in ("anchor", "positive")}
    assert held_out
    assert not texts & {text for row in rows_of(tmp_path / "p.jsonl") for text in row["hard_negatives"]}


def test_kinds_can_be_chosen(tmp_path: Path) -> None:
    table = made_glossary(tmp_path / "g.csv")
    compose(
        ComposeOptions(
            inputs=[str(table)],
            output=str(tmp_path / "p.jsonl"),
            kinds="definition-term",
            split="1/0/0",
            hard_k=0,
        )
    )
    rows = rows_of(tmp_path / "p.jsonl")
    assert {row["kind"] for row in rows} == {"definition-term"}
    assert all(row["hard_negatives"] == [] for row in rows)
    with pytest.raises(UserError, match="list of kinds"):
        compose(ComposeOptions(inputs=[str(table)], output=str(tmp_path / "q.jsonl"), kinds="nonsense"))


def test_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "embedkit",
        "compose",
        "--input",
        "-",
        "--output",
        str(tmp_path / "out" / "p.jsonl"),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        # More than a pipe holds: once this is written, the command is at work.
        process.stdin.write(b"some anchor,some positive\n" * 10_000)
        process.stdin.flush()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"Traceback" not in errors
    assert list(tmp_path.iterdir()) == []


def test_an_error_while_writing_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(pair: object) -> dict[str, object]:
        raise KeyboardInterrupt

    table = made_glossary(tmp_path / "g.csv")
    monkeypatch.setattr("embedkit.compose.run.output.pair_to_object", interrupted)
    with pytest.raises(KeyboardInterrupt):
        compose(ComposeOptions(inputs=[str(table)], output=str(tmp_path / "p.jsonl"), miner="lexical"))
    assert written(tmp_path) == ["g.csv"]


_CELL = st.text(st.sampled_from('ab ,"\n\t;가é'), max_size=8)
_ROWS = st.lists(st.lists(_CELL, min_size=1, max_size=3).map(",".join), min_size=1, max_size=10)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=_ROWS, tail=st.binary(max_size=20))
def test_whatever_the_table_the_books_balance(tmp_path: Path, lines: list[str], tail: bytes) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("\n".join(lines).encode() + b"\n" + tail)
    output = tmp_path / "p.jsonl"
    try:
        result = compose(ComposeOptions(inputs=[str(path)], output=str(output), miner="lexical", force=True))
    except UserError:
        return
    assert result.read.balanced
    assert result.made.balanced
    assert sum(result.rows.values()) == result.made.given_out
    rejected = tmp_path / "p.rejected.jsonl"
    quarantined = len(rows_of(rejected)) if rejected.exists() else 0
    assert quarantined == result.read.rejected.total() + result.made.rejected.total()


@pytest.mark.parametrize(
    "command",
    [
        ["compose", "--input", "pairs.jsonl", "--output", "pairs.jsonl"],
        ["compose", "--input", "pairs.dev.jsonl", "--output", "pairs.jsonl"],
        ["synth", "--terms", "pairs.jsonl", "--output", "pairs.jsonl"],
        ["convert", "--input", "pairs.jsonl", "--to", "tevatron", "--output", "pairs.jsonl"],
    ],
)
def test_an_input_is_never_replaced(run: Run, tmp_path: Path, command: list[str]) -> None:
    line = '{"anchor": "a", "positive": "b"}\n'
    for name in ("pairs.jsonl", "pairs.dev.jsonl"):
        (tmp_path / name).write_text(line, encoding="utf-8")
    done = run(*command, "--force")
    assert done.returncode == 2
    assert "is an input and would be replaced\n  --output names another file" in done.stderr
    assert (tmp_path / "pairs.jsonl").read_text(encoding="utf-8") == line


def test_rows_and_a_report_do_not_share_stdout(run: Run) -> None:
    done = run("compose", "--input", "-", "--output", "-", "--json", stdin="a,b\n")
    assert (done.returncode, done.stdout) == (2, "")


def test_an_empty_output_is_a_folder(run: Run) -> None:
    done = run("compose", "--input", "-", "--output", "", stdin="a,b\n")
    assert (done.returncode, done.stderr.splitlines()[-2:]) == (
        2,
        [".: is a folder, not a file", "  name a file in it"],
    )
