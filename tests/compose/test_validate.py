"""The command validate on every row format."""

from __future__ import annotations

import json
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embedkit.compose.check.validate import check
from embedkit.compose.check.validate import validate as validate_command
from embedkit.data.records import ScoredPair
from embedkit.data.shapes import read_pairs, read_typed
from embedkit.errors import AnswerNoError, UserError
from embedkit.shipped_data import data_path

from .conftest import GLOSSARY, Run


def jsonl(path: Path, *rows: Any) -> Path:
    path.write_text(
        "".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows), encoding="utf-8"
    )
    return path


def found(path: Path) -> list[tuple[int, str]]:
    return [(problem.line, problem.code) for problem in check(path).problems]


def test_the_shipped_glossary_is_sound(run: Run) -> None:
    done = run("validate", str(GLOSSARY))
    assert (done.returncode, done.stdout) == (0, "")


def test_findings_are_lines_on_stdout_and_exit_1(run: Run, tmp_path: Path) -> None:
    (tmp_path / "g.csv").write_text("term,definition\na,b\nc,\nd,See a.\n", encoding="utf-8")
    done = run("validate", "g.csv")
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "g.csv:3: bad row: missing cell (definition): c,",
        "g.csv:4: See stub: 'd' is only a pointer: 'See a.'",
    ]


def test_findings_are_told_in_korean_and_kept_in_english(run: Run, tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "g.csv").write_text("term,definition\na,one\nc,\na,two\nd\n", encoding="utf-8")
    monkeypatch.setenv("EMBEDKIT_LANG", "ko")
    validate = pytest.raises(AnswerNoError, match="잘못된 행 2, 엇갈리는 정의 1")
    with validate, redirect_stdout(StringIO()) as said:
        validate_command(tmp_path / "g.csv")
    lines = [line.partition("g.csv:")[2] for line in said.getvalue().splitlines()]
    assert lines == [
        "3: 잘못된 행: 빈 칸 (definition): c,",
        "4: 엇갈리는 정의: 'a'(2번째 줄)에 다른 정의가 있습니다",
        "5: 잘못된 행: 열 개수가 맞지 않음 (1 ≠ 2): d",
    ]
    kept = check(tmp_path / "g.csv").to_object()["problems"]
    assert [problem["message"] for problem in kept][1:] == [
        "another one of 'a' (line 2)",
        "wrong column count (1 ≠ 2): d",
    ]


def test_github_annotations_are_escaped(run: Run, tmp_path: Path) -> None:
    (tmp_path / "g.csv").write_text("term,definition\na 100%,\nb,c\n", encoding="utf-8")
    done = run("validate", "--format", "github", "g.csv")
    assert done.stdout == "::error file=g.csv,line=2::bad row: missing cell (definition): a 100%25,\n"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ('{"anchor": "a", "positive": "b", "hard_negatives": ["b"]}', "stdin:1: false negative"),
        ('{"text": "a", "label": ""}', "stdin:1: bad row"),
        ('{"anchor": "a", "positive": "b", "negative": "a"}', "stdin:1: bad row"),
        ("a,b\nc,c", "stdin:2: self pair"),
    ],
)
def test_every_row_format_is_read_from_stdin(run: Run, row: str, said: str) -> None:
    done = run("validate", "-", stdin=row + "\n")
    assert done.returncode == 1
    assert done.stdout.startswith(said)


def test_pairs_longer_than_most_models_read_are_found(tmp_path: Path) -> None:
    row = {"anchor": "a", "positive": "b " * 1001, "hard_negatives": []}
    assert found(jsonl(tmp_path / "p.jsonl", row)) == [(1, "long text")]


def test_json_is_one_document(run: Run, tmp_path: Path) -> None:
    jsonl(tmp_path / "p.jsonl", {"anchor": "a", "positive": "b"}, '{"anchor":')
    done = run("validate", "--json", "p.jsonl")
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert (report["format"], report["rows"], report["problems"][0]["line"]) == ("pairs", 2, 2)


@pytest.mark.parametrize("name", ["missing.csv", "missing.jsonl", "empty.csv", "."])
def test_what_cannot_be_read_is_exit_2(run: Run, tmp_path: Path, name: str) -> None:
    (tmp_path / "empty.csv").touch()
    done = run("validate", name)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr


KNOWN = {
    "a.card.md": ("---\nlanguage: en\n---\n", "is a Markdown document"),
    "a.manifest.json": ('{\n  "step": "compose",\n  "inputs": {},\n  "outputs": {}\n}\n', "is a manifest"),
    "cfg.json": ('{\n  "seed": 1,\n  "train": {"loss": "mnrl"}\n}\n', "is the config of a training run"),
    "crawl.json": ('{"contact": "a@b.c"}\n', "is the config of a crawl"),
    "metrics.json": ('{\n "word": "SHIP",\n "sentence": "s",\n "queries": 3\n}\n', "is an evaluation"),
    "l.json": ('{\n "queries": {\n  "a": "b"\n }\n}\n', "is in the format llamaindex"),
    "f.jsonl": ('{"query": "a", "pos": ["b"], "neg": []}\n', "is in the format flagembedding"),
    "t.jsonl": ('{"query_id": "1", "query": "a", "positive_passages": []}\n', "is in the format tevatron"),
    "m.jsonl": ('{"messages": [], "positive_messages": []}\n', "is in the format ms-swift"),
    "corpus.jsonl": ('{"_id": "1", "title": "", "text": "b"}\n', "is in the format beir"),
    "qrels.tsv": ("query-id\tcorpus-id\tscore\na\tb\t1\n", "is in the format beir"),
    "a.rejected.jsonl": ('{"file": "f", "line": 1, "reason": "r", "text": "t"}\n', "lists rejected rows"),
    "v.ids.jsonl": (
        '{"id": "1", "role": "document", "text": "t", "key": "00"}\n',
        "names the texts of vectors",
    ),
    "array.json": ('[{"anchor": "a", "positive": "b"}]\n', "is one JSON document"),
    "none.json": ("[]\n", "is one JSON document"),
    "object.json": ('{"PWM": "pulse width",\n "ADC": "converter"}\n', "is one JSON document"),
    "other.jsonl": ('{"a": "b"}\n', "has no keys that name term and definition"),
    "labels.csv": ("text,label\na,b\n", "holds labelled texts"),
    "graded.csv": ("sentence1,sentence2,score\na,b,0.1\n", "holds STS rows"),
    "header.csv": ("term,definition\n", "has a header and no rows"),
    "terms.txt": ("flux pump\ntide valve\n", "has one column only"),
}


@pytest.mark.parametrize("name", KNOWN)
def test_what_is_no_table_of_texts_is_named(tmp_path: Path, name: str) -> None:
    text, said = KNOWN[name]
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=said) as refused:
        check(tmp_path / name)
    assert len(str(refused.value).splitlines()) <= 2


def test_lists_of_acronyms_synonyms_and_packs_are_checked(tmp_path: Path) -> None:
    acronyms = jsonl(
        tmp_path / "a.jsonl", {"acronym": "PWM", "full": "pulse width"}, {"acronym": "A", "full": 1}
    )
    assert found(acronyms) == [(2, "bad row")]
    table = tmp_path / "synonym_candidates.csv"
    table.write_text("text_a,text_b,decision\na,b,accept\nc,d,\n", encoding="utf-8")
    assert (check(table).form, check(table).rows) == ("synonym candidates", 2)
    table.write_text("text_a\ttext_b\tdecision\na\tb\taccept\n", encoding="utf-16")
    assert check(table).form == "synonym candidates"
    table.write_text("text_a,text_b,decision\na,b,maybe\n", encoding="utf-8")
    with pytest.raises(UserError, match="the decision 'maybe' is neither accept nor reject"):
        check(table)
    pack = data_path("synth") / "games-ko.toml"
    assert check(pack).form == "a pack of templates"


def test_columns_of_other_names_are_mapped(run: Run, tmp_path: Path) -> None:
    (tmp_path / "g.csv").write_text("번호,이름표,풀이말\n1,저항,\n", encoding="utf-8")
    done = run("validate", "g.csv", "--map", "term=이름표", "--map", "definition=풀이말")
    assert (done.returncode, done.stdout) == (1, "g.csv:2: bad row: missing cell (definition): 1,저항,\n")


def test_pairs_are_checked_for_false_negatives(tmp_path: Path) -> None:
    path = jsonl(
        tmp_path / "p.jsonl",
        {"anchor": "a", "positive": "b", "hard_negatives": ["A"], "group": "1"},
        {"anchor": "a", "positive": "c", "hard_negatives": ["b"], "group": "1"},
        {"anchor": "d", "positive": "e", "hard_negatives": ["b"], "group": "2"},
        {"anchor": "f", "positive": "g", "hard_negatives": ["e"], "group": "2"},
    )
    assert found(path) == [(1, "false negative"), (2, "false negative"), (4, "false negative")]


def test_a_false_negative_is_named_with_the_reason(tmp_path: Path) -> None:
    path = jsonl(
        tmp_path / "p.jsonl",
        '{"anchor":',
        {"anchor": "a", "positive": "b", "hard_negatives": ["e", "d", "c"]},
        {"anchor": "a", "positive": "d", "group": "1"},
        {"anchor": "e", "positive": "f", "hard_negatives": ["h", "D"], "group": "1"},
        {"anchor": "b", "positive": "a", "hard_negatives": ["d"]},
        {"anchor": "b", "positive": "a"},
    )
    assert [(problem.line, problem.message) for problem in check(path).problems[1:]] == [
        (2, "'d' is a positive of the anchor"),
        (4, "'D' is of the row's own group"),
        (6, "the same anchor and positive as line 5"),
    ]


def test_pairs_are_checked_for_themselves(tmp_path: Path) -> None:
    path = jsonl(
        tmp_path / "p.jsonl",
        {"anchor": "a", "positive": "a"},
        {"anchor": "X-Y", "positive": "x y"},
        {"anchor": "b", "positive": "c"},
        {"anchor": "b", "positive": "c"},
        {"anchor": "b", "positive": ""},
    )
    assert found(path) == [
        (1, "self pair"),
        (2, "equal but for case or brackets"),
        (4, "duplicate row"),
        (5, "bad row"),
    ]


@pytest.mark.parametrize(
    ("form", "good", "bad"),
    [
        ("labelled", {"text": "t", "label": "x"}, {"text": "", "label": "x"}),
        (
            "nli",
            {"sentence1": "a", "sentence2": "b", "label": "duplicate"},
            {"sentence1": "a", "sentence2": "b", "label": ""},
        ),
        (
            "nli",
            {"sentence1": "a", "sentence2": "b", "label": 0},
            {"sentence1": "a", "sentence2": "b", "label": []},
        ),
        (
            "scored",
            {"sentence1": "a", "sentence2": "b", "score": 0.5},
            {"sentence1": "a", "sentence2": "b", "score": 2},
        ),
        (
            "triplets",
            {"anchor": "a", "positive": "b", "negative": "c"},
            {"anchor": "a", "positive": "b", "negative": "B"},
        ),
    ],
)
def test_other_rows_are_checked_by_their_keys(tmp_path: Path, form: str, good: Any, bad: Any) -> None:
    checked = check(jsonl(tmp_path / "r.jsonl", good, bad))
    assert checked.form == form
    assert [problem.line for problem in checked.problems] == [2]


def said(path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[list[tuple[int, str]], str]:
    return found(path), capsys.readouterr().err.replace(f"{path}: ", "")


def test_half_a_character_is_a_bad_row(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "r.jsonl", '{"text": "a\\u2028b", "label": 1}', '{"text": "\\ud800", "label": 1}')
    assert [(p.line, p.message) for p in check(path).problems] == [
        (2, "a text holds half a character (a lone surrogate)")
    ]


def test_a_negative_beside_hard_negatives_is_the_first_of_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {"anchor": "a", "positive": "b", "negative": "c", "hard_negatives": ["d"]}
    path = jsonl(tmp_path / "r.jsonl", row, row | {"anchor": "e", "negative": "e"})
    assert said(path, capsys) == ([(2, "false negative")], "negative is read as hard_negatives in 2 rows\n")
    assert [pair.hard_negatives for pair in read_pairs(path)] == [("c", "d"), ("e", "d")]


def test_hard_negatives_among_triplets_are_not_lost(tmp_path: Path) -> None:
    row = {"anchor": "a", "positive": "b", "negative": "c"}
    assert found(jsonl(tmp_path / "r.jsonl", row, row | {"hard_negatives": ["d"]})) == [(2, "bad row")]


@pytest.mark.parametrize(
    ("row", "form", "keys"),
    [
        ({"query": "a", "positive": "b"}, "pairs", "query is read as anchor"),
        ({"query": "a", "pos": "b", "neg": "c"}, "triplets", "neg is read as negative"),
        (
            {"question": "a", "answer": "b", "negatives": ["c"]},
            "pairs",
            "negatives is read as hard_negatives",
        ),
        ({"premise": "a", "hypothesis": "b", "label": 3}, "nli", "premise is read as sentence1"),
        ({"sentence1": "a", "sentence2": "b", "gold_label": "x"}, "nli", "gold_label is read as label"),
        ({"sentence": "a", "label": 3}, "labelled", "sentence is read as text"),
    ],
)
def test_keys_of_other_projects_are_read_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], row: Any, form: str, keys: str
) -> None:
    path = jsonl(tmp_path / "r.jsonl", row)
    assert (check(path).form, check(path).problems) == (form, ())
    assert f"r.jsonl: {keys} in 1 rows" in capsys.readouterr().err
    assert len(list(read_typed(path)[1])) == 1


def test_scores_of_sts_are_divided_by_five_and_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"sentence1": "a", "sentence2": "b", "score": score} for score in (0, 2.5, 5)]
    path = jsonl(tmp_path / "r.jsonl", *rows)
    assert [row.score for row in read_typed(path)[1] if isinstance(row, ScoredPair)] == [0, 0.5, 1]
    assert said(path, capsys)[1].startswith("scores from 0 to 5 are divided by 5")


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.one_of(
            st.dictionaries(
                st.sampled_from(
                    ["anchor", "positive", "negative", "hard_negatives", "mining", "label", "score", "text"]
                ),
                st.one_of(
                    st.none(), st.text(max_size=4), st.integers(), st.lists(st.text(max_size=3), max_size=2)
                ),
            ),
            st.integers(),
        ),
        max_size=6,
    )
)
def test_any_json_is_checked_or_refused(tmp_path: Path, rows: list[Any]) -> None:
    path = jsonl(tmp_path / "r.jsonl", *rows)
    try:
        checked = check(path)
    except UserError:
        return
    assert checked.rows == len(rows)


def test_a_concept_that_joins_too_much_is_found(tmp_path: Path) -> None:
    chain = "".join(f"name {n} x,name {n + 1} x\n" for n in range(20))
    (tmp_path / "p.csv").write_text("anchor,positive\n" + chain, encoding="utf-8")
    problem = check(tmp_path / "p.csv").problems[0]
    assert (problem.line, problem.code) == (2, "over-merged concept")
    assert problem.message.startswith("21 texts of 20 rows form one concept: 'name 0 x', 'name 1 x'")


def test_a_text_longer_than_the_model_reads_is_found(tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers", reason="needs the extra train")
    model = tmp_path / "model"
    model.mkdir()
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    words.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    words.save(str(model / "tokenizer.json"))
    (model / "config.json").write_text('{"max_position_embeddings": 3}', encoding="utf-8")
    (tmp_path / "g.csv").write_text(
        "term,definition\na,one two three\nb,one two three four\n", encoding="utf-8"
    )
    assert check(tmp_path / "g.csv").problems == ()
    problem = check(tmp_path / "g.csv", model=str(model)).problems[0]
    assert (problem.line, problem.code) == (3, "long text")
    assert problem.message == f"4 tokens, and {model} reads 3"
