"""The page of `embedkit ui` as its browser asks it, and as others try to."""

from __future__ import annotations

import csv
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from embedkit.data.candidates import COLUMNS, CandidateTable, read_candidate_table, read_candidates
from embedkit.data.entries import Alias, Entry
from embedkit.data.manifest import Manifest, write_manifest
from embedkit.data.records import Mining, Pair, write_pairs
from embedkit.errors import UserError
from embedkit.files import sha256_file
from embedkit.serving.ui.app import make_page
from embedkit.serving.ui.ask import entry_key
from embedkit.serving.ui.guard import PageSecrets
from embedkit.serving.ui.questions import AskedBeforeError, OwnQuestions
from embedkit.serving.ui.work import update

PORT = 8321
HOST = f"http://127.0.0.1:{PORT}"
ADC = "A circuit that turns a voltage into a number."
DAC = "A circuit that turns a number into a voltage."
DIODE = "전류를 한쪽으로만 흐르게 하는 소자."
ROWS = (
    {"term_a": "ADC", "text_a": "A/D converter", "term_b": "DAC", "text_b": "D/A converter", "note": "mine"},
    {
        "term_a": "diode",
        "text_a": "diode",
        "term_b": "다이오드",
        "text_b": "다이오드",
        "reason": "near duplicate",
    },
    {"term_a": "<b>x</b>", "text_a": "<script>alert(1)</script>", "term_b": "y", "text_b": "y"},
)


@dataclass
class Opened:
    """A browser that has the cookie, and the header of our script."""

    client: TestClient
    secrets: PageSecrets

    def get(self, path: str, **more: Any) -> Any:
        return self.client.get(path, **more)

    def post(self, path: str, body: Any, **headers: str) -> Any:
        return self.client.post(path, json=body, headers={"x-embedkit-token": self.secrets.header, **headers})

    def decide(self, key: str, decision: str, *, expected: str = "", kind: str = "synonyms") -> Any:
        body = {"key": key, "decision": decision, "expected": expected, "version": self.version(kind)}
        return self.post(f"/review/{kind}", body)

    def version(self, kind: str) -> str:
        return found(r'data-version="([^"]*)"', self.get(f"/review/{kind}").text)

    def key(self, kind: str = "synonyms") -> str:
        return found(r'data-key="([^"]*)"', self.get(f"/review/{kind}").text)


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    return match.group(1) if match else ""


def write_candidates(path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    with path.open("w", encoding="utf-8-sig", newline="") as handle:
        writer = csv.DictWriter(handle, [*COLUMNS, "note"], restval="")
        writer.writeheader()
        writer.writerows(ROWS)
    return path


def write_rows(path: Path) -> Path:
    """Training rows with hard negatives: ADC and DAC are each other's, in both languages of the first."""
    near = Mining(score=0.9, rank=1, miner="lexical")
    far = Mining(score=0.2, rank=2, miner="lexical")
    write_pairs(
        path,
        [
            Pair(anchor="ADC", positive=ADC, hard_negatives=(DAC, DIODE), group="1", mining=(near, far)),
            Pair(anchor="DAC", positive=DAC, hard_negatives=(ADC,), group="2", mining=(far,)),
            Pair(anchor="다이오드", positive=DIODE, hard_negatives=(), group="3"),
        ],
    )
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def filled(folder: Path) -> Path:
    write_candidates(folder / "data" / "synonym_candidates.csv")
    write_rows(folder / "data" / "pairs.jsonl")
    return folder


@pytest.fixture
def opened(folder: Path) -> Iterator[Opened]:
    secrets = PageSecrets(port=PORT)
    with TestClient(make_page(secrets), base_url=HOST) as client:
        assert client.get("/", params={"token": secrets.token}).status_code == 200
        yield Opened(client, secrets)


def table() -> list[tuple[str, str]]:
    return [(row.text_a, row.decision) for row in read_candidates(Path("data/synonym_candidates.csv"))]


def test_without_the_token_the_page_is_closed(folder: Path) -> None:
    with TestClient(make_page(PageSecrets(port=PORT)), base_url=HOST) as client:
        for path in ("/", "/review/synonyms", "/runs", "/assets/ui.js", "/?token=wrong", "/?token=ü"):
            answer = client.get(path)
            assert answer.status_code == 403, path
            assert "embedkit ui" in answer.text


def test_the_token_becomes_a_cookie_that_other_sites_cannot_send(folder: Path) -> None:
    secrets = PageSecrets(port=PORT)
    with TestClient(make_page(secrets), base_url=HOST) as client:
        answer = client.get("/", params={"token": secrets.token})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert secrets.token not in cookie.replace(secrets.cookie, "")
    assert "url=/" in answer.text  # a redirect would come from elsewhere still, and the cookie stay at home


def test_the_browser_is_opened_with_a_token_that_works_once(folder: Path) -> None:
    secrets = PageSecrets(port=PORT)
    (once,) = secrets.once
    app = make_page(secrets)
    for status in (200, 403):
        with TestClient(app, base_url=HOST) as client:
            assert client.get("/", params={"token": once}).status_code == status


@pytest.mark.parametrize("host", ["evil.example", f"evil.example:{PORT}", "127.0.0.1", "127.0.0.1:1", ""])
def test_another_name_for_this_address_is_refused(opened: Opened, host: str) -> None:
    assert opened.get("/runs", headers={"host": host}).status_code == 421


def test_localhost_is_this_address_too(opened: Opened) -> None:
    assert opened.get("/runs", headers={"host": f"localhost:{PORT}"}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"x-embedkit-token": "wrong"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"content-type": "text/plain"},
    ],
)
def test_a_change_that_did_not_come_from_the_page_is_refused(
    filled: Path, opened: Opened, headers: dict[str, str]
) -> None:
    body = {"key": opened.key(), "decision": "accept", "expected": ""}
    assert opened.post("/review/synonyms", body, **headers).status_code == 403
    assert [decision for _, decision in table()] == ["", "", ""]


@pytest.mark.parametrize("body", ["[]", "no JSON", '{"key": 1}', '{"key": "\\ud800"}', "{}", "[" * 9000])
def test_a_body_that_the_script_never_sends_is_refused(filled: Path, opened: Opened, body: str) -> None:
    headers = {"x-embedkit-token": opened.secrets.header, "content-type": "application/json"}
    assert opened.client.post("/review/synonyms", content=body, headers=headers).status_code == 400


def test_a_long_body_is_cut_off(opened: Opened) -> None:
    assert opened.post("/questions", {"question": "x" * 70_000}).status_code == 413


def test_headers_keep_the_page_to_itself(opened: Opened) -> None:
    headers = opened.get("/runs").headers
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE"])
def test_other_methods_are_not_answered(opened: Opened, method: str) -> None:
    assert opened.client.request(method, "/runs").status_code == 405


def test_an_empty_folder_says_what_is_absent_and_which_command_makes_it(opened: Opened) -> None:
    for path, command in (
        ("/review/synonyms", "embedkit compose --input"),
        ("/review/negatives", "embedkit compose --input"),
        ("/ask", "embedkit train"),
        ("/runs", "embedkit train"),
    ):
        page = opened.get(path)
        assert page.status_code == 200
        assert command in page.text
    assert opened.get("/nowhere").status_code == 404


def test_decisions_are_written_as_they_are_made_and_keep_what_others_wrote(
    filled: Path, opened: Opened
) -> None:
    first = opened.key()
    answer = opened.decide(first, "accept")
    assert answer.status_code == 200
    assert answer.json()["notice"] == ""
    assert answer.json()["following"] == opened.key() != first
    opened.decide(opened.key(), "reject")
    assert table() == [
        ("A/D converter", "accept"),
        ("diode", "reject"),
        ("<script>alert(1)</script>", ""),
    ]
    path = filled / "data" / "synonym_candidates.csv"
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    with path.open(encoding="utf-8-sig", newline="") as handle:
        assert next(csv.DictReader(handle))["note"] == "mine"
    assert [one.name for one in path.parent.iterdir() if "part" in one.name] == []
    page = opened.get("/review/synonyms").text
    assert "2 of 3 decided: 1 accepted, 1 rejected" in page
    assert "embedkit compose --input glossary.csv --synonyms data/synonym_candidates.csv --force" in page


def test_a_decision_is_taken_back(filled: Path, opened: Opened) -> None:
    key = opened.key()
    opened.decide(key, "accept")
    assert opened.decide(key, "", expected="accept").status_code == 200
    assert [decision for _, decision in table()] == ["", "", ""]


def test_a_decision_of_somebody_else_is_never_overwritten(filled: Path, opened: Opened) -> None:
    key = opened.key()
    update(
        Path("data/synonym_candidates.csv"),
        lambda: read_candidate_table(Path("data/synonym_candidates.csv")).with_decision(0, "reject").lines(),
    )
    answer = opened.decide(key, "accept")
    assert answer.status_code == 409
    assert "rejected this pair meanwhile" in answer.json()["error"]
    assert table()[0] == ("A/D converter", "reject")


def test_a_file_that_changed_elsewhere_is_read_again_and_that_is_said(filled: Path, opened: Opened) -> None:
    key, version = opened.key(), opened.version("synonyms")
    path = Path("data/synonym_candidates.csv")
    update(path, lambda: read_candidate_table(path).with_decision(1, "reject").lines())
    body = {"key": key, "decision": "accept", "expected": "", "version": version}
    answer = opened.post("/review/synonyms", body)
    assert "synonym_candidates.csv had changed" in answer.json()["notice"]
    assert [decision for _, decision in table()] == ["accept", "reject", ""]


def test_a_change_while_a_decision_is_written_is_not_lost(filled: Path) -> None:
    path, calls = Path("data/synonym_candidates.csv"), 0

    def make() -> Any:
        nonlocal calls
        calls += 1
        found = read_candidate_table(path)
        if calls == 1:  # somebody saves the file between our reading and our writing
            path.write_text("".join(found.with_decision(2, "reject").lines()), encoding="utf-8", newline="")
        return found.with_decision(0, "accept").lines()

    update(path, make)
    assert calls == 2
    assert [decision for _, decision in table()] == ["accept", "", "reject"]


def test_a_pair_that_is_gone_and_a_wrong_decision_are_said(filled: Path, opened: Opened) -> None:
    key = opened.key()
    assert opened.decide(key, "perhaps").status_code == 422
    assert opened.decide("nonsense", "accept").status_code == 422
    assert opened.decide("nonsense", "accept", kind="negatives").status_code == 422
    Path("data/synonym_candidates.csv").write_text("text_a,text_b,decision\na,b,\n", encoding="utf-8")
    answer = opened.decide(key, "accept")
    assert "no longer in the table" in answer.json()["error"]


def test_a_damaged_table_is_named_with_its_line(filled: Path, opened: Opened) -> None:
    Path("data/synonym_candidates.csv").write_text("text_a,text_b,decision\na,b,maybe\n", encoding="utf-8")
    page = opened.get("/review/synonyms")
    assert page.status_code == 200
    assert "data/synonym_candidates.csv:2" in page.text
    assert "maybe" in page.text


def test_texts_are_shown_as_texts(filled: Path, opened: Opened) -> None:
    for _ in range(2):
        opened.decide(opened.key(), "accept")
    page = opened.get("/review/synonyms").text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page


def test_hard_negatives_stand_once_for_two_concepts_the_nearest_first(filled: Path, opened: Opened) -> None:
    page = opened.get("/review/negatives").text
    assert "0 of 2 decided" in page
    assert page.index(ADC) < page.index(DAC)
    assert "0.9" in page


def test_a_false_negative_is_added_to_the_table_and_goes_when_it_is_taken_back(
    filled: Path, opened: Opened
) -> None:
    key = opened.key("negatives")
    assert opened.decide(key, "accept", kind="negatives").status_code == 200
    added = read_candidates(Path("data/synonym_candidates.csv"))[-1]
    assert (added.text_a, added.text_b, added.reason, added.decision) == (ADC, DAC, "hard negative", "accept")
    assert "1 of 2 decided: 1 accepted" in opened.get("/review/negatives").text
    assert "1 of 4 decided" in opened.get("/review/synonyms").text
    assert opened.decide(key, "", expected="accept", kind="negatives").status_code == 200
    assert len(table()) == 3


def test_hard_negatives_make_the_table_where_there_is_none(folder: Path, opened: Opened) -> None:
    (folder / "data").mkdir()
    write_rows(folder / "data" / "pairs.jsonl")
    opened.decide(opened.key("negatives"), "reject", kind="negatives")
    assert table() == [(ADC, "reject")]


def test_a_row_that_is_about_the_same_concepts_is_decided_in_its_place(folder: Path, opened: Opened) -> None:
    (folder / "data").mkdir()
    write_rows(folder / "data" / "pairs.jsonl")
    path = folder / "data" / "synonym_candidates.csv"
    path.write_text("term_a,text_a,term_b,text_b,decision\nDAC,DAC,ADC,ADC,\n", encoding="utf-8")
    opened.decide(opened.key("negatives"), "accept", kind="negatives")
    assert table() == [("DAC", "accept")]


def test_definitions_of_the_glossary_stand_beside_names(filled: Path, opened: Opened) -> None:
    glossary = filled / "glossary.csv"
    glossary.write_text(
        f'term,definition,aliases\nADC,{ADC},"A/D converter"\n다이오드,{DIODE},\n', encoding="utf-8"
    )
    write_manifest(
        filled / "data" / "pairs.manifest.json",
        Manifest(
            step="compose",
            inputs={"glossary.csv": sha256_file(glossary)},
            outputs={},
            settings={},
            counts={},
            versions={},
        ),
    )
    page = opened.get("/review/synonyms").text
    assert ADC in page
    assert "A/D converter" in page


def test_the_page_speaks_korean(filled: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDKIT_LANG", "ko")
    page = opened.get("/review/synonyms").text
    assert '<html lang="ko">' in page
    assert "3쌍 중 0쌍 결정" in page
    assert '<h2 lang="en">ADC</h2>' in page
    opened.decide(opened.key(), "accept")
    assert '<h2 lang="ko">다이오드</h2>' in opened.get("/review/synonyms").text
    for path in ("/review/negatives", "/ask", "/runs", "/nowhere"):
        text = re.sub(r"<[^>]*>", " ", opened.get(path).text.replace("embedkit", ""))
        assert re.search("[가-힣]", text), path


# Ask


@pytest.fixture
def run(filled: Path, tiny_model: Path) -> Path:
    """A run whose tuned model is its base."""
    folder = filled / "runs" / "mine"
    folder.mkdir(parents=True)
    (folder / "model").symlink_to(tiny_model)
    config = {"model_id": str(tiny_model), "data": {"pairs_path": "data/pairs.jsonl"}}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def test_both_models_answer_side_by_side(run: Path, opened: Opened) -> None:
    page = opened.get("/ask", params={"q": "what turns a voltage into a number", "ranker": "dense"}).text
    assert page.count("data-add=") == 6
    assert page.count("the same place in both") == 6  # the tuned model is the base
    assert f"<small>{run.relative_to(run.parents[1])}</small>" in page
    assert "3 entries of" in page


def test_a_base_that_is_not_here_leaves_the_tuned_model_alone(run: Path, opened: Opened) -> None:
    config = {"model_id": "nobody/nothing", "data": {"pairs_path": "data/pairs.jsonl"}}
    (run / "config.json").write_text(json.dumps(config), encoding="utf-8")
    page = opened.get("/ask", params={"q": "voltage"}).text
    assert "nobody/nothing" in page
    assert page.count("data-add=") == 3


def test_a_question_goes_to_the_file_that_compose_reads(run: Path, opened: Opened) -> None:
    page = opened.get("/ask", params={"q": "무엇이 전압을 숫자로 바꾸나요?"}).text
    key = found(r'data-add="([^"]+)"', page)
    body = {"run": "mine", "question": " 무엇이 전압을  숫자로 바꾸나요? "}
    answer = opened.post("/questions", {**body, "key": key})
    assert answer.status_code == 200, answer.text
    assert "1 questions" in answer.json()["message"]
    again = opened.post("/questions", {**body, "term": "DAC"})
    assert again.status_code == 409
    assert "has this question already" in again.json()["error"]
    opened.post("/questions", {"run": "mine", "question": "to the speaker", "term": "dac"})
    rows = [
        json.loads(line) for line in Path("data/questions.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert rows[0]["question"] == "무엇이 전압을 숫자로 바꾸나요?"
    assert rows[1] == {"question": "to the speaker", "term": "DAC"}


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"question": "", "term": "DAC"}, "the question is empty"),
        ({"question": "q" * 2001, "term": "DAC"}, "more than 2000"),
        ({"question": "q", "term": "flux"}, "no entry 'flux'"),
        ({"question": "q", "key": "nonsense"}, "no entry"),
        ({"question": "q"}, "no entry"),
    ],
)
def test_a_question_that_cannot_be_added_is_said(
    run: Path, opened: Opened, body: dict[str, str], problem: str
) -> None:
    answer = opened.post("/questions", {"run": "mine", **body})
    assert answer.status_code == 422
    assert problem in answer.json()["error"]
    assert not Path("data/questions.jsonl").exists()


def entry(term: str, definition: str, **more: Any) -> Entry:
    return Entry(term=term, definition=definition, **more)


def test_an_entry_is_named_by_what_tells_it_from_all_others(folder: Path) -> None:
    file = OwnQuestions(folder / "questions.jsonl")
    same = [entry("gate", "of a transistor"), entry("gate", "of logic")]
    named = entry("valve", "a tube", aliases=(Alias("gate", "synonym"),))
    ided = entry("gate", "of an array", entry_id="77")
    file.add("a", ided, [*same, ided])
    file.add("b", same[0], same)
    file.add("c", named, [named, *same])
    rows = [json.loads(line) for line in file.path.read_text(encoding="utf-8").splitlines()]
    assert rows == [
        {"question": "a", "term": "gate", "entry_id": "77"},
        {"question": "b", "term": "gate", "definition": "of a transistor"},
        {"question": "c", "term": "valve"},
    ]
    assert len({entry_key(one) for one in same}) == 2


def test_what_is_in_the_file_stays_byte_for_byte(folder: Path) -> None:
    file = OwnQuestions(folder / "questions.jsonl")
    before = '{"query":"A",   "term": "b"}\n\n{"query": "B", "positive": "c"}'  # no newline at its end
    file.path.write_text(before, encoding="utf-8")
    assert file.add("C", entry("ADC", ADC), ()) == 3
    same = [entry("gate", "of a transistor"), entry("gate", "of logic")]
    assert file.add("D", same[0], same) == 4
    text = file.path.read_text(encoding="utf-8")
    assert text.startswith(f"{before}\n{{")
    assert [list(json.loads(line)) for line in text.splitlines()[3:]] == [  # in the words of the file
        ["query", "term"],
        ["query", "term", "positive"],
    ]
    with pytest.raises(AskedBeforeError, match=r"^b$"):
        file.add(" a ", entry("ADC", ADC), ())


@pytest.mark.parametrize("content", ["{broken\n", "question,term\na,b\n", "\xff\xfe", '{"text": "a"}\n'])
def test_a_file_that_is_none_of_questions_is_left_alone(folder: Path, content: str) -> None:
    file = OwnQuestions(folder / "questions.jsonl")
    file.path.write_bytes(content.encode("latin-1"))
    with pytest.raises(UserError):
        file.add("C", entry("ADC", ADC), ())
    assert file.path.read_bytes() == content.encode("latin-1")


# Runs


def measured(folder: Path, **more: Any) -> None:
    metric = {"name": "recall@1", "before": 0.5, "after": 0.75, "bm25": 0.25}
    asked = [
        {"dimension": "asked", "value": value, "fused": [{**metric, "after": after}]}
        for value, after in (("named", 0.91), ("described", 0.62))
    ]
    metrics = {
        "word": "SHIP",
        "baseline": {"name": "base-model"},
        "known": {"slices": asked},
        "metrics": [{**metric, "name": "ndcg@10"}, metric],
        "forgetting": {"metric": {**metric, "after": 0.68}, "word": "kept"},
    }
    (folder / "metrics.json").write_text(json.dumps({**metrics, **more}), encoding="utf-8")


def test_runs_show_their_three_numbers_and_reports(run: Path, opened: Opened) -> None:
    measured(run)
    (run / "report.html").write_text("<script>parent.x = 1</script>Bericht", encoding="utf-8")
    page = opened.get("/runs").text
    for text in ("SHIP", "<b>91</b>", "<b>62</b>", "<b>75</b>", "<b>68</b>", "base 50", "words 25", "kept"):
        assert text in page, text
    report = opened.get("/runs/mine/report.html")
    assert "Bericht" in report.text
    assert report.headers["content-security-policy"].startswith("sandbox allow-scripts;")
    assert "allow-same-origin" not in report.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("metrics", "text"),
    [
        ("", "its metrics.json cannot be read"),
        ("[]", "its metrics.json cannot be read"),
        ('{"word": 1}', "its metrics.json cannot be read"),
        (None, "not measured yet"),
    ],
)
def test_a_run_without_numbers_says_why(run: Path, opened: Opened, metrics: str | None, text: str) -> None:
    if metrics is not None:
        (run / "metrics.json").write_text(metrics, encoding="utf-8")
    page = opened.get("/runs").text
    assert text in page
    assert "embedkit evaluate --model runs/mine" in page


def test_a_run_without_known_questions_or_baseline_shows_what_there_is(run: Path, opened: Opened) -> None:
    measured(run, known=None, forgetting=None, compared=False, word="")
    page = opened.get("/runs").text
    assert "no baseline" in page
    assert "base 50" not in page
    assert "<b>75</b>" in page


@pytest.mark.parametrize("name", ["..", "%2e%2e", "mine%2f..%2fmine", "other", "mine/model", ".", "%00"])
def test_nothing_but_reports_of_runs_is_served(run: Path, opened: Opened, name: str) -> None:
    (run / "report.html").write_text("x", encoding="utf-8")
    (run.parent / "report.html").write_text("secret", encoding="utf-8")
    assert opened.get(f"/runs/{name}/report.html").status_code == 404


def test_a_report_that_is_a_link_to_elsewhere_is_not_served(
    run: Path, opened: Opened, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret", encoding="utf-8")
    (run / "report.html").symlink_to(secret)
    assert opened.get("/runs/mine/report.html").status_code == 404


# The command


def embedkit(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "embedkit", "ui", "--no-browser", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_command_prints_an_address_that_opens_and_ends_with_ctrl_c(filled: Path) -> None:
    import signal

    import requests

    with embedkit("--folder", str(filled)) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:")
        session = requests.Session()
        assert session.get(address, timeout=20).status_code == 200
        page = session.get(address.partition("?")[0], timeout=20)
        assert "A/D converter" in page.text
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "stopped; every decision is in its file" in said


def test_a_port_in_use_and_a_missing_folder_are_one_message(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with embedkit("--port", port) as process:
            _, said = process.communicate(timeout=20)
    assert process.returncode == 2
    assert said.splitlines()[0].startswith(f"cannot listen on 127.0.0.1:{port} (")
    assert len(said.splitlines()) == 2
    with embedkit("--folder", "nowhere") as process:
        _, said = process.communicate(timeout=20)
    assert (process.returncode, len(said.splitlines())) == (2, 1)


def test_two_writers_take_turns(filled: Path) -> None:
    """Two processes decide different rows of one table at the same time; both decisions are there."""
    code = (
        "import sys; from pathlib import Path; from embedkit.serving.ui.work import update\n"
        "from embedkit.data.candidates import read_candidate_table as read\n"
        "path, place = Path('data/synonym_candidates.csv'), int(sys.argv[1])\n"
        "for decision in ('accept', 'reject') * 10 + ('accept',):\n"
        "    update(path, lambda: read(path).with_decision(place, decision).lines())\n"
    )
    both = [subprocess.Popen([sys.executable, "-c", code, str(place)], env=os.environ) for place in (0, 1)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert [decision for _, decision in table()] == ["accept", "accept", ""]


def test_an_empty_table_takes_its_first_row() -> None:
    empty = CandidateTable()
    assert next(iter(empty.lines())).startswith("\ufeffterm_a,text_a")
