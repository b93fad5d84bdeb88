"""Guards of mining: the bar, the rank window, the hub cap, the weaker rules, and what is written of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from embedkit.compose import ComposeOptions, compose
from embedkit.compose.concepts.graph import build
from embedkit.compose.mine.candidates.base import OPEN_BAR, Bar, Miner
from embedkit.compose.mine.options import MiningOptions, parse_window
from embedkit.compose.mine.parts import Mined, check_mining
from embedkit.compose.mine.pools import Mask, Pool
from embedkit.compose.mine.select import mine
from embedkit.compose.rows.drafts import draft_rows
from embedkit.data.records import ASKING_KINDS
from embedkit.errors import UserError
from embedkit.ranking.nearest import DECIMALS

from .conftest import Run, made_glossary, rows_of
from .test_mine import LEXICAL, Spelling, collected, dense, stated

PAIRS = tuple((f"{a}{b} lamp", f"{b}{a} wheel {a}") for a in "abcdef" for b in "ghijkl")


def mined(pairs: Sequence[tuple[str, str]] = PAIRS, *, bar: Bar | None = None, **settings: object) -> Mined:
    """Mine by meaning (letters) under `bar`, or by words without one."""

    def letters(pool: Pool) -> Miner:
        return dense(pool.texts, bar=bar)

    records = stated(*pairs)
    make_miner = letters if bar else LEXICAL
    options = MiningOptions(**settings)  # type: ignore[arg-type]
    drafts = list(draft_rows(records))
    return collected(len(drafts), mine(drafts, Mask(build(records), ()), make_miner, options=options))


def rules(found: Mined) -> Counter[str]:
    return Counter(n.mining.rule for row in found.negatives for n in row)


def cosine(left: str, right: str) -> float:
    one, two = Spelling().encode([left, right]).astype(np.float64)
    return round(float(one @ two), DECIMALS)


def test_the_lowest_of_the_three_limits_is_the_bar() -> None:
    own = np.array([0.8, 0.2])
    assert Bar().under(own).tolist() == [0.76, 0.19]
    assert Bar(margin=0.1).under(own).tolist() == [0.7, 0.1]
    assert Bar(margin=0.01, max_score=0.5).under(own).tolist() == [0.5, 0.19]
    assert np.isinf(OPEN_BAR.under(own)).all()


@pytest.mark.parametrize(
    "bar", [Bar(max_relative=1, max_score=0.6), Bar(max_relative=1, margin=0.2), Bar(max_relative=0.8)]
)
def test_every_rung_but_the_last_ones_stays_under_the_bar(bar: Bar) -> None:
    found = mined(bar=bar)
    assert all(len(row) == 3 for row in found.negatives)
    for (anchor, positive), row in zip(PAIRS, found.negatives, strict=True):
        limit = float(bar.under(np.array([cosine(anchor, positive)]))[0])
        for negative in row:
            if negative.mining.rule in ("bar", "hub", "window"):
                assert negative.mining.score == cosine(anchor, negative.text) <= limit


def test_the_bar_refuses_before_the_best_are_taken() -> None:
    assert rules(mined(bar=Bar(max_relative=0.9)))["bar"] == 3 * len(PAIRS)


def test_where_all_is_over_the_bar_the_farthest_comes_and_says_so() -> None:
    pairs = [("aaaa", "zzzz"), ("aaab", "zzzy"), ("aaba", "zyzz")]
    found = mined(pairs, bar=Bar(max_score=-1.0), hard_k=2)
    assert rules(found) == {"above": 6}
    scores = [negative.mining.score for negative in found.negatives[0]]
    assert scores == sorted(scores)


def test_what_scores_above_the_positive_is_remembered() -> None:
    found = mined([("aaaa", "zzzz"), ("aaab", "bbbb"), ("cccc", "dddd")], bar=Bar())
    above = {(number, a.text) for number, a in found.above}
    assert (0, "aaab") in above
    assert all(a.score > a.own for _, a in found.above)


def test_the_window_leaves_the_nearest_out() -> None:
    whole = mined(bar=Bar(max_relative=0.9), hard_k=6)
    window = mined(bar=Bar(max_relative=0.9), rank_window="4:")
    assert all(n.mining.rank >= 4 for row in window.negatives for n in row)
    assert [n.text for n in window.negatives[0]] == [n.text for n in whole.negatives[0]][3:]


def test_outside_the_window_what_comes_after_is_taken_before_what_comes_before() -> None:
    found = mined([(f"a{n} x", f"b{n} x") for n in range(4)], rank_window="3:5", hard_k=6)
    assert all(len(row) == 6 for row in found.negatives)
    row = found.negatives[0]
    assert [n.mining.rule for n in row] == ["window", "window", "bar", "bar", "bar", "window"]


@pytest.mark.parametrize("cap", [2, 3])
def test_no_text_is_a_negative_more_often_than_the_cap(cap: int) -> None:
    for bar in (None, Bar()):
        found = mined(bar=bar, hub_cap=cap)
        used = Counter(n.text for row in found.negatives for n in row)
        assert max(used.values()) <= cap
        assert all(len(row) == 3 for row in found.negatives)
        assert found.passed_over["hub cap"] > 0


def test_a_cap_that_has_no_room_for_all_is_shared_out_and_not_broken() -> None:
    found = mined(PAIRS[:6], hub_cap=1)
    used = Counter(n.text for row in found.negatives for n in row)
    assert set(used.values()) == {1}
    assert {len(row) for row in found.negatives} <= {1, 2}


def test_mining_twice_gives_the_same() -> None:
    settings = {"bar": Bar(), "hub_cap": 3, "rank_window": "2:40"}
    once, again = (list(mined(**settings).negatives) for _ in range(2))  # type: ignore[arg-type]
    assert once == again


@pytest.mark.parametrize(
    ("text", "window"), [("", (1, None)), ("3:", (3, None)), (":9", (1, 9)), ("2:7", (2, 7))]
)
def test_a_window_is_two_ranks(text: str, window: tuple[int, int | None]) -> None:
    assert parse_window(text) == window


@pytest.mark.parametrize("text", ["3", "0:4", "5:4", "a:b", "-1:3", ":0"])
def test_what_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="FIRST:LAST"):
        parse_window(text)


def test_a_window_narrower_than_the_negatives_wanted_is_refused() -> None:
    with pytest.raises(UserError, match="fewer than --hard-k 3"):
        check_mining(MiningOptions(rank_window="4:5", hard_k=3))


def test_the_flags_reach_the_rows_the_json_and_the_manifest(run: Run, tmp_path: Path) -> None:
    made_glossary(tmp_path / "g.csv")
    flags = ("--hub-cap", "7", "--rank-window", "2:", "--split", "1/0/0", "--miner", "lexical")
    done = run("compose", "--input", "g.csv", "--json", *flags)
    assert done.returncode == 0, done.stderr
    rows = rows_of(tmp_path / "data" / "pairs.jsonl")
    mined = [row for row in rows if row["kind"] not in ASKING_KINDS]
    used = Counter(text for row in mined for text in row["hard_negatives"])
    assert max(used.values()) <= 7
    assert all(m["rank"] != 1 or m["rule"] == "window" for row in rows for m in row["mining"])
    mining = json.loads(done.stdout)["mining"]
    assert mining["passed_over"]["hub cap"] > 0
    manifest = json.loads((tmp_path / "data" / "pairs.manifest.json").read_text(encoding="utf-8"))
    assert manifest["settings"]["hub_cap"] == 7
    assert manifest["settings"]["rank_window"] == "2:"
    assert manifest["counts"]["mining"] == mining


def test_a_bar_without_scores_to_hold_against_it_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = made_glossary(tmp_path / "g.csv", terms=8)
    compose(
        ComposeOptions(inputs=[str(table)], output=str(tmp_path / "p.jsonl"), miner="lexical", max_score=0.7)
    )
    assert "the lexical miner has no model scores" in capsys.readouterr().err


def test_receipts_of_the_dense_miner_name_the_weights(tiny_model: Path, tmp_path: Path) -> None:
    table = made_glossary(tmp_path / "g.csv", terms=12)
    output = tmp_path / "p.jsonl"
    compose(ComposeOptions(inputs=[str(table)], output=str(output), miner="dense", model=str(tiny_model)))
    receipts = [m for row in rows_of(output) for m in row["mining"] if m["miner"] == "dense"]
    assert receipts
    manifest = json.loads((tmp_path / "p.manifest.json").read_text(encoding="utf-8"))
    assert {m["weights"] for m in receipts} == {manifest["settings"]["weights"]}
