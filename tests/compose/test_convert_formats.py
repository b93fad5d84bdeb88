"""Convert's formats: what goes out comes back, the books balance, and what a format cannot hold is counted."""

import json
import string
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embedkit.compose import ConvertOptions, ConvertResult, convert
from embedkit.compose.concepts.claims import exact_key
from embedkit.compose.export.lines import LINES
from embedkit.compose.export.source import FOLDERS, FORMATS, part_of
from embedkit.data.records import Mining, Pair, write_pairs
from embedkit.data.shapes import read_pairs
from embedkit.errors import UserError

from .conftest import rows_of

OTHERS = [form for form in FORMATS if form != "pairs"]
GROUPING = ["flagembedding", "tevatron", "ms-swift-reranker", "llamaindex", "beir"]
words = st.text(
    alphabet=st.sampled_from(string.ascii_letters + string.digits + "가각한글 é\t\"'{}[]\\|\u2028\u3000é"),
    min_size=1,
    max_size=12,
).filter(lambda text: bool(text.strip()))
pairs = st.builds(
    Pair,
    anchor=words,
    positive=words,
    hard_negatives=st.lists(words, max_size=3, unique=True).map(tuple),
)
FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def write(path: Path, *rows: Pair) -> Path:
    write_pairs(path, rows)
    return path


def out_and_back(
    folder: Path, form: str, rows: list[Pair]
) -> tuple[ConvertResult, ConvertResult, list[Pair]]:
    for old in folder.rglob("*"):
        if old.is_file():
            old.unlink()
    write_pairs(folder / "in.jsonl", rows)
    there = convert(
        ConvertOptions(inputs=[str(folder / "in.jsonl")], to=form, output=str(folder / "there" / "x.jsonl"))
    )
    inputs = [str(folder / "there" / "x.jsonl")] if form in FOLDERS else list(there.outputs)
    back = convert(ConvertOptions(inputs=inputs, from_=form, output=str(folder / "back.jsonl")))
    found = [pair for path in back.outputs for pair in read_pairs(path)]
    return there, back, found


def without_positives(row: Pair, rows: list[Pair]) -> Pair:
    """The row without negatives that are a positive of its anchor, however they are spelt."""
    key = exact_key(row.anchor)
    known = {exact_key(other.positive) for other in rows if exact_key(other.anchor) == key}
    kept = [at for at, text in enumerate(row.hard_negatives) if exact_key(text) not in known]
    return replace(row, hard_negatives=tuple(row.hard_negatives[at] for at in kept), mining=(), scores=())


def contents(rows: list[Pair]) -> list[tuple[str, str, tuple[str, ...]]]:
    return sorted((row.anchor, row.positive, row.hard_negatives) for row in rows)


@pytest.mark.parametrize("form", ["sentence-transformers", "ms-swift", "huggingface"])
@FEW
@given(rows=st.lists(pairs, min_size=1, max_size=6))
def test_a_format_of_single_rows_gives_every_row_back(form: str, rows: list[Pair], tmp_path: Path) -> None:
    write_pairs(tmp_path / "nfc.jsonl", rows)
    rows = list(read_pairs(tmp_path / "nfc.jsonl"))
    there, _, found = out_and_back(tmp_path, form, rows)
    assert contents(found) == contents([without_positives(row, rows) for row in rows])
    assert there.counts.tally.merged == 0


@pytest.mark.parametrize("form", GROUPING)
@FEW
@given(rows=st.lists(pairs, min_size=1, max_size=6))
def test_a_format_that_groups_gives_every_pair_back(form: str, rows: list[Pair], tmp_path: Path) -> None:
    write_pairs(tmp_path / "nfc.jsonl", rows)
    rows = list(read_pairs(tmp_path / "nfc.jsonl"))
    there, back, found = out_and_back(tmp_path, form, rows)
    assert {(p.anchor, p.positive) for p in found} == {(p.anchor, p.positive) for p in rows}
    for tally in (there.counts.tally, back.counts.tally):
        assert tally.balanced
    assert there.counts.tally.taken_in == len(rows)
    right = [without_positives(row, rows) for row in rows]
    if form != "llamaindex":
        for pair in found:
            wanted = {n for row in right if row.anchor == pair.anchor for n in row.hard_negatives}
            assert set(pair.hard_negatives) == wanted


@pytest.mark.parametrize("form", GROUPING)
def test_negatives_are_accounted_for(tmp_path: Path, form: str) -> None:
    rows = [
        Pair(anchor="q", positive="a", hard_negatives=("n1", "b", "n2")),
        Pair(anchor="q", positive="b", hard_negatives=("n1",)),
        Pair(anchor="r", positive="c", hard_negatives=("n1",)),
    ]
    books = out_and_back(tmp_path, form, rows)[0].counts
    lost = {what: count for what, count in books.lost.items() if count}
    assert lost.pop("that a text is a hard negative (it stays in the corpus)", 3) == 3
    assert lost == {
        "negatives repeated for one anchor": 1,
        "negatives that are a positive of the same anchor": 1,
        "which positive a negative belongs to (rows)": 2,
    }
    assert (books.negatives_in, books.negatives_out) == (5, 3)
    assert (books.tally.taken_in, books.tally.given_out, books.tally.merged) == (3, 2, 1)


def test_keys_without_a_place_are_counted(tmp_path: Path) -> None:
    rows = [Pair(anchor="q", positive="a", group="g", lang="ko"), Pair(anchor="r", positive="b", group="h")]
    books = out_and_back(tmp_path, "ms-swift", rows)[0].counts
    assert {key: count for key, count in books.keys.items() if count} == {"group": 2, "lang": 1}


def test_a_hub_folder_loses_nothing(tmp_path: Path) -> None:
    receipt = Mining(score=0.5, rank=2, miner="dense", rule="bar", weights="abc")
    row = Pair(anchor="q", positive="a", hard_negatives=("n",), mining=(receipt,), id="1", group="g")
    rows = [
        replace(row, kind="pair", lang="ko", source="s", license="MIT", scores=(0.9, 0.25)),
        Pair(anchor="r", positive="b", id="2"),
    ]
    there, back, found = out_and_back(tmp_path, "huggingface", rows)
    assert found == rows
    assert not +there.counts.keys
    assert not +back.counts.keys


def test_rows_of_several_widths_have_a_file_each(tmp_path: Path) -> None:
    source = write(
        tmp_path / "in.jsonl",
        Pair(anchor="a", positive="b", hard_negatives=("c", "d")),
        Pair(anchor="e", positive="f"),
        Pair(anchor="g", positive="h", hard_negatives=("i",)),
    )
    made = convert(
        ConvertOptions(inputs=[str(source)], to="sentence-transformers", output=str(tmp_path / "st.jsonl"))
    )
    assert [Path(path).name for path in made.outputs] == ["st.n0.jsonl", "st.n1.jsonl", "st.n2.jsonl"]
    for other in ("st.notes.jsonl", "st.n1x.jsonl"):
        (tmp_path / other).touch()
    assert rows_of(tmp_path / "st.n1.jsonl") == [{"anchor": "g", "positive": "h", "negative": "i"}]
    assert list(rows_of(tmp_path / "st.n2.jsonl")[0]) == ["anchor", "positive", "negative_1", "negative_2"]
    convert(
        ConvertOptions(
            inputs=[str(source)],
            to="sentence-transformers",
            output=str(tmp_path / "st.jsonl"),
            negatives=0,
            force=True,
        )
    )
    left = ["st.jsonl", "st.manifest.json", "st.n1x.jsonl", "st.notes.jsonl"]
    assert sorted(path.name for path in tmp_path.glob("st*")) == left


def test_exactly_so_many_negatives(tmp_path: Path) -> None:
    source = write(
        tmp_path / "in.jsonl",
        Pair(anchor="a", positive="b", hard_negatives=("c", "d", "e")),
        Pair(anchor="e", positive="f", hard_negatives=("g",)),
    )
    made = convert(
        ConvertOptions(
            inputs=[str(source)], to="sentence-transformers", output=str(tmp_path / "st.jsonl"), negatives=2
        )
    )
    assert made.counts.tally.rejected == {"fewer negatives than --negatives": 1}
    assert made.counts.lost["negatives beyond --negatives"] == 1
    assert rows_of(tmp_path / "st.jsonl") == [
        {"anchor": "a", "positive": "b", "negative_1": "c", "negative_2": "d"}
    ]


def test_parts_go_along_and_come_back(tmp_path: Path) -> None:
    for part, name in (("", "a"), (".dev", "b"), (".test", "c")):
        write(tmp_path / f"p{part}.jsonl", Pair(anchor=name, positive=name * 2, hard_negatives=("z",)))
    for form in OTHERS:
        made = convert(
            ConvertOptions(
                inputs=[str(tmp_path / "p.jsonl")], to=form, output=str(tmp_path / form / "x.jsonl")
            )
        )
        assert made.rows == {"train": 1, "dev": 1, "test": 1}
        back = convert(
            ConvertOptions(
                inputs=[str(tmp_path / form / "x.jsonl")],
                from_=form,
                output=str(tmp_path / form / "back.jsonl"),
            )
        )
        assert back.rows == {"train": 1, "dev": 1, "test": 1}, form
        assert next(read_pairs(tmp_path / form / "back.dev.jsonl")).anchor == "b"


def test_rows_of_no_part_are_a_beir_test_set(tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", Pair(anchor="a", positive="b", hard_negatives=("c",)))
    convert(ConvertOptions(inputs=[str(source)], to="beir", output=str(tmp_path / "beir")))
    head, right, wrong = (tmp_path / "beir/qrels/test.tsv").read_text(encoding="utf-8").splitlines()
    assert head == "query-id\tcorpus-id\tscore"
    assert (right[-1], wrong[-1]) == ("1", "0")
    assert {row["text"] for row in rows_of(tmp_path / "beir/corpus.jsonl")} == {"b", "c"}


@pytest.mark.parametrize(
    ("name", "part"),
    [("p.jsonl", "train"), ("p.test.jsonl", "test"), ("validation.jsonl", "dev"), ("x.dev.n2.jsonl", "dev")],
)
def test_a_part_is_told_by_the_name(name: str, part: str) -> None:
    assert part_of(Path(name)) == part


BAD_LINES = {
    "flagembedding": ['{"query": "q"}', '{"query": "", "pos": ["a"]}', '{"query": "q", "pos": []}'],
    "tevatron": ['{"query": "q", "positive_passages": ["a"]}', '{"positive_passages": [{"text": "a"}]}'],
    "ms-swift": [
        '{"messages": [], "positive_messages": [[{"content": "a"}]]}',
        '{"messages": [{"content": "q"}], "positive_messages": [[{"content": "a"}, {"content": "b"}]]}',
    ],
    "sentence-transformers": ['{"anchor": "a"}', '{"anchor": "a", "positive": "b", "negative": 3}'],
    "pairs": ['{"anchor": "a"}', '{"anchor": "a", "positive": "\\ud800"}'],
}


@pytest.mark.parametrize("form", BAD_LINES)
def test_what_cannot_be_used_is_rejected_with_its_place(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = (
        json.dumps(LINES[form].encode(next(iter(queries()))))
        if form in LINES
        else '{"anchor":"a","positive":"b"}'
    )
    (tmp_path / "in.jsonl").write_text("\n".join([*BAD_LINES[form], good]), encoding="utf-8")
    to = "beir" if form == "pairs" else "pairs"
    made = convert(
        ConvertOptions(inputs=[str(tmp_path / "in.jsonl")], from_=form, to=to, output=str(tmp_path / "out"))
    )
    tally = made.counts.tally
    assert (tally.rejected.total(), tally.given_out) == (len(BAD_LINES[form]), 1)
    assert tally.balanced
    assert f"{tmp_path / 'in.jsonl'}:1: " in capsys.readouterr().err


def queries():  # type: ignore[no-untyped-def]
    from embedkit.compose.export.record import GroupedQuery

    yield GroupedQuery("q", ("a",), ("n",))


def test_titles_and_grades_of_a_beir_folder(tmp_path: Path) -> None:
    folder = tmp_path / "beir"
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl").write_text(
        '{"_id": "1", "title": "T", "text": "x"}\n{"_id": "2", "title": "", "text": "y"}\n{"_id": "3", "text": "z"}\n'
    )
    (folder / "queries.jsonl").write_text('{"_id": "q", "text": "ask"}\n{"_id": "r", "text": "other"}\n')
    (folder / "qrels" / "test.tsv").write_text(
        "query-id\tcorpus-id\tscore\nq\t1\t2\nq\t2\t0\nq\t9\t1\nr\t2\tx\nnone\t1\t1\n"
    )
    made = convert(ConvertOptions(inputs=[str(folder)], from_="beir", output=str(tmp_path / "p.jsonl")))
    (row,) = read_pairs(made.outputs[0])
    assert (row.anchor, row.positive, row.hard_negatives) == ("ask", "T x", ("y",))
    assert Path(made.outputs[0]).name == "p.test.jsonl"
    assert made.counts.tally.rejected.total() == 3
    assert made.counts.lost["grades above 1"] == 1
    assert made.counts.lost["corpus texts that no query is judged against"] == 1


def test_teacher_scores_go_to_flagembedding_and_back(tmp_path: Path) -> None:
    rows = [
        Pair(anchor="q", positive="a", hard_negatives=("n", "m"), scores=(0.9, 0.2, 0.1)),
        Pair(anchor="q", positive="b", hard_negatives=("n", "m"), scores=(0.8, 0.2, 0.1)),
    ]
    write_pairs(tmp_path / "p.jsonl", rows)
    there = convert(
        ConvertOptions(
            inputs=[str(tmp_path / "p.jsonl")], to="flagembedding", output=str(tmp_path / "f.jsonl")
        )
    )
    (line,) = rows_of(Path(there.outputs[0]))
    assert (line["pos_scores"], line["neg_scores"]) == ([0.9, 0.8], [0.2, 0.1])
    back = convert(
        ConvertOptions(
            inputs=[str(tmp_path / "f.jsonl")], from_="flagembedding", output=str(tmp_path / "b.jsonl")
        )
    )
    assert not any((there.counts.keys + back.counts.keys).values())
    assert [row.scores for row in read_pairs(back.outputs[0])] == [row.scores for row in rows]


def test_teacher_scores_that_cannot_go_along_are_counted(tmp_path: Path) -> None:
    (tmp_path / "f.jsonl").write_text(
        '{"query":"q","pos":["a"],"neg":["n"],"pos_scores":[1.0],"prompt":""}\n'
    )
    made = convert(
        ConvertOptions(
            inputs=[str(tmp_path / "f.jsonl")], from_="flagembedding", output=str(tmp_path / "p.jsonl")
        )
    )
    assert made.counts.keys == {"pos_scores": 1}
    rows = [
        Pair(anchor="q", positive="a", scores=(0.9,)),
        Pair(anchor="q", positive="b"),
    ]
    write_pairs(tmp_path / "r.jsonl", rows)
    half = convert(
        ConvertOptions(
            inputs=[str(tmp_path / "r.jsonl")], to="flagembedding", output=str(tmp_path / "h.jsonl")
        )
    )
    assert half.counts.lost["teacher's scores where not all rows of an anchor have them (rows)"] == 1
    other = convert(
        ConvertOptions(inputs=[str(tmp_path / "r.jsonl")], to="tevatron", output=str(tmp_path / "t.jsonl"))
    )
    assert other.counts.keys["scores"] == 1


def test_fewer_negatives_have_fewer_scores(tmp_path: Path) -> None:
    write_pairs(
        tmp_path / "p.jsonl",
        [Pair(anchor="q", positive="a", hard_negatives=("n", "m"), scores=(0.9, 0.2, 0.1))],
    )
    made = convert(
        ConvertOptions(
            inputs=[str(tmp_path / "p.jsonl")],
            to="flagembedding",
            negatives=1,
            output=str(tmp_path / "f.jsonl"),
        )
    )
    (line,) = rows_of(Path(made.outputs[0]))
    assert (line["neg"], line["neg_scores"]) == (["n"], [0.2])


@given(text=st.text(max_size=60))
@FEW
def test_a_broken_llamaindex_file_is_a_message(text: str, tmp_path: Path) -> None:
    (tmp_path / "l.json").write_text(text, encoding="utf-8", errors="replace")
    with pytest.raises(UserError):
        convert(
            ConvertOptions(
                inputs=[str(tmp_path / "l.json")],
                from_="llamaindex",
                output=str(tmp_path / "p.jsonl"),
                force=True,
            )
        )
