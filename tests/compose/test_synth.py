"""`embedkit synth` as a person runs it: files, books, splits, determinism, exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from embedkit.compose.templates.pack import shipped_packs
from embedkit.data.manifest import read_manifest
from embedkit.data.records import Pair
from embedkit.data.shapes import read_pairs
from embedkit.files import sha256_file
from embedkit.text import fold

from .conftest import Run, rows_of

ENGLISH = ("flux pump", "tide valve", "echo lamp", "mist rotor", "sand lens", "glow spring", "hush motor")


def write_terms(path: Path, names: tuple[str, ...] = ENGLISH) -> Path:
    lines = [
        f"{name}\tDevice number {n} that keeps {n * 7} grams of {name[::-1]} dry"
        for n, name in enumerate(names)
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def texts(pairs: list[Pair]) -> set[str]:
    return {fold(t) for p in pairs for t in (p.anchor, p.positive, *p.hard_negatives)}


def test_rows_test_rows_and_manifest_are_written(run: Run, tmp_path: Path) -> None:
    write_terms(tmp_path / "terms.txt")
    done = run("synth", "--terms", "terms.txt", "--json")
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    train, test = (list(read_pairs(tmp_path / "data" / name)) for name in ("pairs.jsonl", "pairs.test.jsonl"))
    assert (len(train), len(test)) == (made["rows"]["train"], made["rows"]["test"]) == (36, 6)
    manifest = read_manifest(tmp_path / "data/pairs.manifest.json")
    assert manifest.step == "synth"
    assert manifest.outputs["pairs.jsonl"] == sha256_file(tmp_path / "data/pairs.jsonl")
    assert "proof: 0 shared terms, 0 shared normalised texts, 0 duplicate rows" in done.stderr


@pytest.mark.parametrize("pack", shipped_packs())
def test_a_shipped_pack_makes_sound_rows_of_its_own_lists(run: Run, tmp_path: Path, pack: str) -> None:
    done = run("synth", "--pack", pack, "--output", "p.jsonl", "--json")
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert made["in"] == made["out"] + made["merged"] + sum(made["rejected"].values())
    assert made["proof"]["by_wording"] <= made["proof"]["by_chance"]
    assert made["shortfall"] == {"term_rows": 0, "acronym_rows": 0, "negatives": 0, "undefined_terms": 0}
    train, test = (list(read_pairs(tmp_path / name)) for name in ("p.jsonl", "p.test.jsonl"))
    assert not texts(train) & texts(test)
    assert not {p.group for p in train} & {p.group for p in test}
    assert not [p for p in train if "[" in p.anchor or "{" in p.positive]


def test_the_same_seed_writes_the_same_bytes_and_another_does_not(run: Run, tmp_path: Path) -> None:
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert run("synth", "--pack", "games-ko", "--output", f"{name}.jsonl", "--seed", seed).returncode == 0
    a, b, c = ((tmp_path / f"{name}.jsonl").read_bytes() for name in "abc")
    assert a == b != c


def test_an_acronym_and_its_full_form_lie_on_one_side(run: Run, tmp_path: Path) -> None:
    write_terms(tmp_path / "terms.txt")
    lines = [json.dumps({"acronym": f"{n[0]}{n[1]}Q".upper(), "full": n}) for n in ENGLISH]
    (tmp_path / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    run(
        "synth", "--terms", "terms.txt", "--acronyms", "a.jsonl", "--output", "p.jsonl", "--test-split", "0.4"
    )
    sides = [rows_of(tmp_path / name) for name in ("p.jsonl", "p.test.jsonl")]
    for name in ENGLISH:
        holding = [side for side in sides if any(row["group"] == name for row in side)]
        assert len(holding) == 1
        assert {row["kind"] for row in holding[0] if row["group"] == name} >= {"acronym-answer"}


def test_no_row_at_all_is_a_mistake_and_nothing_is_written(run: Run, tmp_path: Path) -> None:
    write_terms(tmp_path / "terms.txt")
    done = run("synth", "--terms", "terms.txt", "--pairs-per-term", "0")
    assert done.returncode == 2
    assert "terms.txt: not one training row can be made" in done.stderr
    assert "6 training terms (--pairs-per-term 0) and for 0 training acronyms" in done.stderr
    assert not (tmp_path / "data").exists()


def test_no_rows_of_terms_are_fine_where_acronyms_have_some(run: Run, tmp_path: Path) -> None:
    done = run("synth", "--pack", "games-ko", "--pairs-per-term", "0", "--output", "p.jsonl")
    assert done.returncode == 0, done.stderr
    assert {row["kind"] for row in rows_of(tmp_path / "p.jsonl")} == {"acronym-answer"}


def test_a_test_side_without_rows_is_told(run: Run, tmp_path: Path) -> None:
    write_terms(tmp_path / "terms.txt", ENGLISH[:1])
    done = run("synth", "--terms", "terms.txt")
    assert done.returncode == 0
    assert "test is empty: there are too few concepts for a share of 0.2" in done.stderr


def test_bad_lines_are_counted_listed_and_written(run: Run, tmp_path: Path) -> None:
    write_terms(tmp_path / "terms.txt")
    with (tmp_path / "terms.txt").open("a", encoding="utf-8") as handle:
        handle.write("# a comment\n\n!!!\na\tb\tc\nflux pump\n" + "x" * 300 + "\n")
    (tmp_path / "a.jsonl").write_text(
        'nope\n[]\n{"acronym":"A"}\n{"acronym":"A B","full":"a-b"}\n'
        '{"acronym":"ED","full":"x y","lang":"ko"}\n',
        encoding="utf-8",
    )
    done = run("synth", "--terms", "terms.txt", "--acronyms", "a.jsonl", "--output", "p.jsonl", "--json")
    made = json.loads(done.stdout)
    assert (made["in"], made["out"], made["merged"]) == (16, 7, 1)
    assert "terms.txt:10: the term has no letter or digit" in done.stderr
    assert made["rejected"]["in another language than the pack"] == 1
    listed = rows_of(tmp_path / "p.rejected.jsonl")
    assert {(row["file"], row["line"]) for row in listed} >= {
        ("terms.txt", 11),
        ("a.jsonl", 1),
        ("a.jsonl", 4),
    }
    assert len(listed) == 7


def test_undecodable_bytes_are_set_aside(run: Run, tmp_path: Path) -> None:
    write_terms(tmp_path / "terms.txt")
    with (tmp_path / "terms.txt").open("ab") as handle:
        handle.write(b"bad \xff\xfe bytes\n")
    done = run("synth", "--terms", "terms.txt")
    assert done.returncode == 0, done.stderr
    assert rows_of(tmp_path / "data/pairs.rejected.jsonl")[0]["text"] == "bad �� bytes"


def test_terms_may_stand_in_a_table(run: Run, tmp_path: Path) -> None:
    rows = "".join(f"{name},{name[0].upper()}X{n},keeps {n} dry\n" for n, name in enumerate(ENGLISH))
    (tmp_path / "g.csv").write_text(f"term,abbreviation,definition\n{rows},,no term\n", encoding="utf-8")
    done = run("synth", "--terms", "g.csv", "--json")
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert (made["in"], made["out"], made["rejected"]) == (15, 14, {"missing cell": 1})
    anchors = {row["anchor"] for row in rows_of(tmp_path / "data/pairs.jsonl")}
    assert not [anchor for anchor in anchors if "," in anchor and "keeps" in anchor and "X" in anchor]
    assert [anchor for anchor in anchors if "X" in anchor]


def test_a_table_of_acronyms_goes_to_terms(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("acronym,full,definition\nFP,flux pump,keeps 7 dry\n", encoding="utf-8")
    refused = run("synth", "--acronyms", "a.csv")
    assert (refused.returncode, refused.stderr.splitlines()[0]) == (2, "a.csv: is a table")
    assert run("synth", "--terms", "a.csv").returncode == 0
    assert "acronym-answer" in {row["kind"] for row in rows_of(tmp_path / "data/pairs.jsonl")}


def test_a_folder_is_no_output(run: Run, tmp_path: Path) -> None:
    write_terms(tmp_path / "terms.txt")
    (tmp_path / "out").mkdir()
    for command in (["synth", "--terms", "terms.txt"], ["compose", "--input", "terms.txt"]):
        done = run(*command, "--output", "out", "--force")
        assert (done.returncode, done.stderr.splitlines()[0]) == (2, "out: is a folder, not a file")


def test_existing_output_is_kept_unless_forced(run: Run, tmp_path: Path) -> None:
    write_terms(tmp_path / "terms.txt")
    (tmp_path / "p.test.jsonl").write_text("mine", encoding="utf-8")
    kept = run("synth", "--terms", "terms.txt", "--output", "p.jsonl")
    assert kept.returncode == 2
    assert "p.test.jsonl: already exists" in kept.stderr
    forced = run("synth", "--terms", "terms.txt", "--output", "p.jsonl", "--force", "--test-split", "0")
    assert forced.returncode == 0
    assert not (tmp_path / "p.test.jsonl").exists(), "a stale test file beside new rows would leak"


def test_a_dry_run_writes_nothing(run: Run, tmp_path: Path) -> None:
    write_terms(tmp_path / "terms.txt")
    done = run("synth", "--terms", "terms.txt", "--dry-run")
    assert done.returncode == 0
    assert "would write data/pairs.jsonl, data/pairs.test.jsonl" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["terms.txt"]


def test_rows_go_to_stdout(run: Run, tmp_path: Path) -> None:
    write_terms(tmp_path / "terms.txt")
    done = run("synth", "--terms", "terms.txt", "--output", "-", "--test-split", "0")
    assert len([json.loads(line) for line in done.stdout.splitlines()]) == 42


def test_a_list_that_is_not_here_is_found_in_the_shipped_data(run: Run) -> None:
    done = run("synth", "--terms", "terms.txt", "--acronyms", "acronyms.jsonl", "--dry-run")
    assert done.returncode == 0
    assert "terms.txt is not here; using" in done.stderr
    assert "pack: electronics-en" in done.stderr


def test_the_pack_follows_the_language_and_the_encoding_is_said(run: Run, tmp_path: Path) -> None:
    names = "전류 거울\n위상 여유\n주파수 혼합기\n대역폭\n차폐\n"
    (tmp_path / "t.txt").write_bytes(names.encode("cp949"))
    done = run("synth", "--terms", "t.txt", "--dry-run")
    assert "t.txt: read as CP949" in done.stderr
    assert "pack: electronics-ko" in done.stderr


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--terms", "nope.txt"], "nope.txt: there is no such file"),
        (["--pack", "electronic-ko"], "did you mean 'electronics-ko'?"),
        (["--test-split", "1"], "--test-split 1.0 is not a share"),
        (["--output", "-"], "add --test-split 0"),
        (["--terms", "-", "--acronyms", "-"], "cannot both be stdin"),
        (["--terms", "empty.txt"], "no line of the lists can be used"),
        (["--terms", "japanese.txt"], "no pack ships for the language 'ja'"),
        (["--terms", "."], "cannot be read"),
    ],
)
def test_a_mistake_is_a_short_message_and_exit_2(
    run: Run, tmp_path: Path, args: list[str], message: str
) -> None:
    (tmp_path / "empty.txt").write_text("\n# nothing\n", encoding="utf-8")
    (tmp_path / "japanese.txt").write_text("トランジスタ\nコンデンサ\n", encoding="utf-8")
    done = run("synth", *args)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_reasons_are_korean_where_asked_for_and_english_in_the_file(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMBEDKIT_LANG", "ko")
    write_terms(tmp_path / "terms.txt")
    with (tmp_path / "terms.txt").open("a", encoding="utf-8") as handle:
        handle.write("!!!\n")
    command = [sys.executable, "-m", "embedkit", "synth", "--terms", "terms.txt", "--output", "p.jsonl"]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    assert "terms.txt:8: 용어에 글자나 숫자가 없음" in done.stderr
    assert rows_of(tmp_path / "p.rejected.jsonl")[0]["reason"] == "the term has no letter or digit"
