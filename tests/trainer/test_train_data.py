"""Rows: found, checked, left on disk or kept, grouped by concept, and walked through in an order that
seed and epoch fix.
"""

from __future__ import annotations

import json
import pickle
from collections import Counter
from collections.abc import Sequence
from itertools import chain, groupby
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.trainer.conftest import topic_rows, write_rows

from embedkit.errors import UserError
from embedkit.trainer.config import DataSection, TrainSection
from embedkit.trainer.rows.paths import find_dev, find_pairs
from embedkit.trainer.rows.sampling import ConceptVisits, EpochBatches, RowOrder, epoch_batches, epoch_order
from embedkit.trainer.rows.store import Rows, read_rows


def rows_of(tmp_path: Path, *rows: dict[str, Any], **section: Any):  # type: ignore[no-untyped-def]
    path = write_rows(tmp_path / "rows.jsonl", rows)
    return read_rows(str(path), DataSection(**{"max_hard_negatives": None, **section}))


def test_pairs_under_data_are_found_first(workplace: Path) -> None:
    (workplace / "data").mkdir()
    write_rows(workplace / "data" / "pairs.jsonl", topic_rows())
    assert find_pairs(DataSection()) == str(Path("data/pairs.jsonl"))


def test_pairs_beside_are_found_next(workplace: Path) -> None:
    assert find_pairs(DataSection()) == "pairs.jsonl"


def test_no_pairs_says_where_it_looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"data/pairs\.jsonl, pairs\.jsonl"):
        find_pairs(DataSection())


def test_dev_rows_lie_beside(workplace: Path) -> None:
    assert find_dev(DataSection(), "pairs.jsonl") == "pairs.dev.jsonl"


def test_dev_rows_can_be_left_alone(workplace: Path) -> None:
    assert find_dev(DataSection(use_dev=False), "pairs.jsonl") is None


def test_a_named_dev_file_must_exist(workplace: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        find_dev(DataSection(dev_path="nope.jsonl"), "pairs.jsonl")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "bad", ["{broken", '{"anchor": "a"}', '{"anchor": "a", "positive": "b", "hard_negatives": [1]}']
)
def test_the_first_bad_row_is_named_by_file_and_line(bad: str, stream: bool, tmp_path: Path) -> None:
    lines = [json.dumps({"anchor": f"a{i}", "positive": f"p{i}"}) for i in range(16)]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join([*lines, bad, *lines]), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        read_rows(str(path), DataSection(stream=stream))
    assert caught.value.place.startswith(f"{path}:17")


def test_a_file_without_rows_is_told(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n\n")
    with pytest.raises(UserError, match="no rows"):
        read_rows(str(path), DataSection())


def test_ragged_hard_negatives_are_kept(tmp_path: Path) -> None:
    rows = rows_of(
        tmp_path,
        {"anchor": "a", "positive": "p"},
        {"anchor": "b", "positive": "q", "hard_negatives": ["x", "y", "z", "x"]},
    )
    assert [rows.store[i].hard_negatives for i in range(2)] == [(), ("x", "y", "z")]


def test_hard_negatives_and_rows_can_be_limited(tmp_path: Path) -> None:
    many = [{"anchor": f"a{i}", "positive": f"p{i}", "hard_negatives": ["x", "y"]} for i in range(5)]
    rows = rows_of(tmp_path, *many, max_rows=3, max_hard_negatives=1)
    assert [row.hard_negatives for row in (rows.store[i] for i in range(len(rows)))] == [("x",)] * 3


def test_streamed_rows_are_the_kept_rows(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    lines = [json.dumps(row, ensure_ascii=False) for row in topic_rows()]
    path.write_bytes(("\ufeff" + "\n \n".join(lines) + "\r\n\u00a0\n").encode())
    kept = read_rows(str(path), DataSection())
    streamed = read_rows(str(path), DataSection(stream=True))
    assert [kept.store[i] for i in range(len(kept))] == [streamed.store[i] for i in range(len(streamed))]


def test_streamed_rows_travel_to_another_process(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, *topic_rows(), stream=True)
    assert rows.store[3] == pickle.loads(pickle.dumps(rows.store))[3]  # noqa: S301


def test_a_streamed_file_that_changes_is_told(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "pairs.jsonl", topic_rows(stop=2))
    rows = read_rows(str(path), DataSection(stream=True))
    write_rows(path, topic_rows(stop=3))
    with pytest.raises(UserError, match="was changed while its rows were trained on"):
        rows.store[0]


def test_stdin_cannot_be_streamed() -> None:
    with pytest.raises(UserError, match="stdin"):
        read_rows("-", DataSection(stream=True))


def test_a_group_is_the_concept(tmp_path: Path) -> None:
    rows = rows_of(
        tmp_path,
        {"anchor": "a", "positive": "p", "group": "1"},
        {"anchor": "b", "positive": "q", "group": "1"},
        {"anchor": "a", "positive": "r", "group": "2"},
    )
    first, second, third = rows.concepts.row_concepts
    assert first == second != third


def test_rows_without_group_are_tied_by_texts_through_other_rows(tmp_path: Path) -> None:
    rows = rows_of(
        tmp_path,
        {"anchor": "PWM", "positive": "Pulse-width modulation"},
        {"anchor": "펄스 폭 변조", "positive": "pulse width modulation"},
        {"anchor": "펄스폭변조", "positive": "a way to encode"},
        {"anchor": "diode", "positive": "one way"},
    )
    concepts = rows.concepts.row_concepts.tolist()
    assert len(set(concepts[:3])) == 1
    assert concepts[3] != concepts[0]
    assert rows.concepts.count == 2


def test_a_text_knows_all_its_concepts(tmp_path: Path) -> None:
    rows = rows_of(
        tmp_path,
        {"anchor": "AC", "positive": "alternating current", "group": "1"},
        {"anchor": "ac", "positive": "air conditioning", "group": "2"},
    )
    assert rows.concepts.concepts_of("A.C.") == {0, 1}
    assert rows.concepts.concepts_of("elsewhere") == frozenset()


def shuffled(rows: int, seed: int) -> RowOrder:
    return lambda lap: epoch_order(rows, seed=seed, lap=lap)


def epoch(batches: EpochBatches, number: int) -> list[list[int]]:
    batches.set_epoch(number)
    return list(batches)


@given(rows=st.integers(1, 50), size=st.integers(1, 12), seed=st.integers(0, 5))
def test_an_epoch_has_every_row_once(rows: int, size: int, seed: int) -> None:
    batches = EpochBatches(rows, order=shuffled(rows, seed), batch_size=size)
    assert sorted(chain.from_iterable(epoch(batches, 3))) == list(range(rows))
    sizes = [len(batch) for batch in epoch(batches, 3)]
    assert len(sizes) == len(batches)
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) <= size


def test_epochs_differ_and_repeat(tmp_path: Path) -> None:
    batches = EpochBatches(30, order=shuffled(30, 1), batch_size=4)
    assert epoch(batches, 0) != epoch(batches, 1)
    assert epoch(batches, 0) == epoch(EpochBatches(30, order=shuffled(30, 1), batch_size=4), 0)


@given(rows=st.integers(1, 20), size=st.integers(1, 6), fixed=st.integers(1, 8))
def test_short_epochs_walk_on_where_the_last_one_stopped(rows: int, size: int, fixed: int) -> None:
    batches = EpochBatches(rows, order=shuffled(rows, 0), batch_size=size, batches_per_epoch=fixed)
    seen = list(chain.from_iterable(chain.from_iterable(epoch(batches, n) for n in range(4))))
    assert len(seen) == 4 * fixed * size
    assert sorted(seen[:rows]) == list(range(rows))[: len(seen[:rows])] or len(seen) < rows
    assert all(len(batch) == size for batch in epoch(batches, 2))


def neighbours(tmp_path: Path) -> Rows:
    """Six concepts of two rows; the hard negatives of c0 come from c4 and, less often, from c2."""
    return rows_of(
        tmp_path,
        *(
            {
                "anchor": f"term {n} {k}",
                "positive": f"what {n} means",
                "group": f"c{n}",
                "hard_negatives": ["what 4 means", *(["what 2 means"] if k else [])] if n == 0 else [],
            }
            for n in range(6)
            for k in range(2)
        ),
    )


@pytest.mark.parametrize("lap", range(5))
def test_a_concepts_rows_stand_together_and_near_concepts_beside_them(tmp_path: Path, lap: int) -> None:
    rows = neighbours(tmp_path)
    numbers = ConceptVisits(rows, rows_per_visit=None, seed=1).order(lap)
    assert sorted(numbers) == list(range(12))
    concepts = [int(rows.concepts.row_concepts[n]) for n in numbers]
    met = list(dict.fromkeys(concepts))
    assert concepts == [concept for concept in met for _ in range(2)]
    assert [c.tolist() for c in rows.near_concepts] == [[4, 2], [], [], [], [], []]
    after = [c for c in met[met.index(0) + 1 :] if c in (2, 4)]
    assert met[met.index(0) + 1 :][: len(after)] == [c for c in (4, 2) if c in after]


def test_laps_of_concepts_differ_and_repeat(tmp_path: Path) -> None:
    rows = neighbours(tmp_path)
    visits = ConceptVisits(rows, rows_per_visit=1, seed=1)
    orders = [visits.order(lap).tolist() for lap in (0, 1, 0)]
    assert orders[0] == orders[2] != orders[1]


def bilingual(tmp_path: Path, counts: Sequence[tuple[int, int]]) -> Rows:
    """A concept of so many English and Korean rows for each of `counts`."""
    named = [
        (concept, lang, number)
        for concept, of_each in enumerate(counts)
        for lang, count in zip(("en", "ko"), of_each, strict=True)
        for number in range(count)
    ]
    return rows_of(
        tmp_path,
        *(
            {"anchor": f"{lang} {c} {n}", "positive": f"{lang} means {c}", "group": f"c{c}", "lang": lang}
            for c, lang, n in named
        ),
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    counts=st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=6),
    size=st.integers(1, 5),
    seed=st.integers(0, 9),
    start=st.integers(0, 7),
)
def test_every_row_is_visited_within_so_many_epochs(
    tmp_path: Path, counts: list[tuple[int, int]], size: int, seed: int, start: int
) -> None:
    rows = bilingual(tmp_path, counts)
    visits = ConceptVisits(rows, rows_per_visit=size, seed=seed)
    concepts = rows.concepts.row_concepts
    seen: dict[int, set[int]] = {concept: set() for concept in range(len(counts))}
    for epoch in range(start, start + -(-18 // size)):
        order = visits.order(epoch)
        assert len(order) == len(visits) == len(set(order.tolist()))
        of_concept = Counter(concepts[order].tolist())
        for concept, (english, korean) in enumerate(counts):
            assert of_concept[concept] == min(size, english + korean)
        for row in order.tolist():
            seen[int(concepts[row])].add(row)
        for concept, of_each in enumerate(counts):
            if epoch - start + 1 >= -(-sum(of_each) // size):
                assert len(seen[concept]) == sum(of_each)


@pytest.mark.parametrize("size", [1, 2, 4, 5, 9])
def test_a_visit_asks_in_every_way_alike(tmp_path: Path, size: int) -> None:
    kinds = ["term-definition"] * 3 + ["question-definition"] * 8 + ["typo-definition"] * 2
    rows = rows_of(
        tmp_path,
        *(
            {"anchor": f"{kind} {n} {c}", "positive": f"means {c}", "group": f"c{c}", "kind": kind}
            for c in range(3)
            for n, kind in enumerate(kinds)
        ),
    )
    visits = ConceptVisits(rows, rows_per_visit=size, seed=1)
    asked, seen = Counter[str](), set[int]()
    for epoch in range(24):
        order = visits.order(epoch).tolist()
        assert len(order) == len(set(order)) == len(visits) == 3 * size
        asked.update(kinds[row % len(kinds)] for row in order)
        seen.update(order)
    assert len(seen) == len(rows)
    if size <= 6:  # of more rows in a visit the slips are too few for a third
        assert max(asked.values()) - min(asked.values()) <= 24 * 3 * (size % 3 > 0) // 3 + 3


def test_a_batch_holds_many_concepts_in_both_languages(tmp_path: Path) -> None:
    rows = bilingual(tmp_path, [(9, 9)] * 128)
    batches = epoch_batches(rows, TrainSection(batch_size=256), loss="masked_mnrl", seed=1)
    assert (batches.rows, len(batches)) == (512, 2)
    first = epoch(batches, 0)[0]
    assert len({int(rows.concepts.row_concepts[n]) for n in first}) == 64
    languages = Counter(rows.store[n].lang for n in first)
    assert min(languages.values()) > 100


@pytest.mark.parametrize(
    ("batching", "loss", "names", "together"),
    [
        ("auto", "masked_mnrl", 3, True),
        ("auto", "masked_mnrl", 2, False),
        ("auto", "mnrl", 3, False),
        ("concept", "mnrl", 2, True),
        ("random", "masked_mnrl", 3, False),
    ],
)
def test_auto_puts_concepts_together_where_they_have_many_rows(
    tmp_path: Path, batching: Any, loss: Any, names: int, together: bool
) -> None:
    rows = rows_of(
        tmp_path,
        *(
            {"anchor": f"term {n} {k}", "positive": f"what {n} means", "group": f"c{n}"}
            for n in range(30)
            for k in range(names)
        ),
    )
    train = TrainSection(batching=batching, batch_size=len(rows))
    (batch,) = epoch(epoch_batches(rows, train, loss=loss, seed=1), 0)
    concepts = [int(rows.concepts.row_concepts[n]) for n in batch]
    assert (len(list(groupby(concepts))) == 30) is together


def test_softmax_takes_any_class(tmp_path: Path) -> None:
    rows = [{"premise": "a", "hypothesis": "b", "label": label} for label in ("duplicate", "other")]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert read_rows(str(path), DataSection(), loss="softmax").labels == ("duplicate", "other")


def test_half_a_character_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"anchor": "a", "positive": "b"}\n{"anchor": "\\ud800", "positive": "b"}\n')
    with pytest.raises(UserError, match=r"rows\.jsonl:2: a text holds half a character"):
        read_rows(str(path), DataSection())


def test_a_negative_beside_hard_negatives_is_trained_on(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, {"query": "a", "pos": "p", "negative": "n", "hard_negatives": ["x"]})
    assert rows.store[0].hard_negatives == ("n", "x")


def test_streamed_scores_are_divided_as_kept_ones(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [{"sentence1": "a", "sentence2": "b", "score": score} for score in (1.5, 4, 0)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for stream in (False, True):
        store = read_rows(str(path), DataSection(stream=stream), loss="cosine").store
        assert [row.score for row in (store[i] for i in range(3))] == [0.3, 0.8, 0]
