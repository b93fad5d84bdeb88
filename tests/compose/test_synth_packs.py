"""Template packs: what is parsed, what is refused, and the quality of those that ship."""

import json
from pathlib import Path

import pytest

from embedkit.compose.templates.pack import find_pack, load_pack, shipped_packs
from embedkit.compose.templates.template import capitalised, parse_template
from embedkit.errors import UserError
from embedkit.shipped_data import data_path
from embedkit.text import fold, language_of


def test_particles_follow_what_fills_the_slot() -> None:
    template = parse_template("{full}({acronym})[은/는] {term}[을/를] 뜻한다.")
    values = {"full": "펄스 폭 변조", "acronym": "PWM", "term": "10 kΩ"}
    assert template.render(values) == "펄스 폭 변조(PWM)는 10 kΩ을 뜻한다."


def test_what_fills_a_slot_is_not_read_as_a_template() -> None:
    assert (
        parse_template("{term}[은/는]?").render({"term": "{definition}[을/를]"}) == "{definition}[을/를]은?"
    )


@pytest.mark.parametrize(
    ("text", "head"),
    [("op-amp", "Op-amp"), ("inter-IC sound", "Inter-IC sound"), ("pH", "pH"), ("mRNA", "mRNA")],
)
def test_only_a_word_without_capitals_gets_one(text: str, head: str) -> None:
    assert capitalised(text) == head


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ('queries = ["{term}[은/은]?"]', "is not a particle mark"),
        ('queries = ["{name}?"]', "{name} is not a slot"),
        ('queries = ["What?"]', "no slot"),
        ('queries = ["{term"]', "an unmatched brace"),
        ('queries = ["{acronym}?"]', "{acronym} cannot be used here"),
        ('queries = ["{term}?"]', "need each other"),
        ("queries = 3", "not a list of texts"),
        ('querys = ["{term}?"]', "unknown key 'querys'"),
        ("queries = [", "not TOML"),
        ("", "the pack has no templates"),
    ],
)
def test_a_broken_pack_is_refused_by_name(tmp_path: Path, body: str, problem: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f'lang = "ko"\ndomain = "x"\n{body}\n', encoding="utf-8")
    with pytest.raises(UserError) as caught:
        load_pack(path)
    assert problem in str(caught.value)
    assert str(path) in str(caught.value)


GOOD_YAML = """
lang: ko
domain: 전자
queries:
  - "{term}[은/는] 무엇인가요?"
passages:
  - "{term}: {definition}"
"""


def test_a_pack_may_be_yaml(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(GOOD_YAML, encoding="utf-8")
    pack = load_pack(find_pack(str(tmp_path / "mine.yaml")))
    assert (pack.name, pack.lang, pack.domain) == ("mine", "ko", "전자")
    assert pack.queries[0].render({"term": "PWM"}) == "PWM은 무엇인가요?"
    assert pack.passages[0].render({"term": "ADC", "definition": "변환기"}) == "ADC: 변환기"


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("queries: [\n", ":5:1: not YAML"),
        ("- a\n", "not YAML"),
        ("queries: 3\n", "'queries' is not a list of texts"),
        ("queries:\n  - {term} 뜻\n", "not YAML"),
        ("queries:\n  - {term}\n", "queries[0] is not a text"),
        ("queries:\n  - 정의: {term}\n", "queries[0] is not a text"),
        ('queries: ["{term}?"]\nqueries: ["{term}!"]\n', "the key 'queries' appears twice"),
        ("lang: no\n", "the key 'lang' appears twice"),
        ("3: x\n", "unknown key '3'"),
        ("a: &a [*a]\n", "unknown key 'a'"),
    ],
)
def test_a_broken_yaml_pack_is_refused_by_name(tmp_path: Path, body: str, problem: str) -> None:
    path = tmp_path / "mine.yml"
    path.write_text(f"lang: ko\ndomain: x\n\n{body}", encoding="utf-8")
    with pytest.raises(UserError) as caught:
        load_pack(path)
    assert problem in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("text", ["", "3", "- a\n- b\n", "null"])
def test_yaml_that_is_no_mapping_is_no_pack(tmp_path: Path, text: str) -> None:
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match="expected keys with texts"):
        load_pack(tmp_path / "mine.yaml")


@pytest.mark.parametrize("name", shipped_packs())
def test_a_shipped_pack_has_enough_distinct_wordings_in_its_language(name: str) -> None:
    pack = load_pack(find_pack(name))
    assert pack.name == f"{pack.domain}-{pack.lang}"
    assert len({fold(t.text) for t in pack.queries}) == len(pack.queries) >= 12
    assert len({fold(t.text) for t in pack.passages}) == len(pack.passages) >= 10
    assert len({fold(t.text) for t in pack.answers}) == len(pack.answers)
    assert sum("definition" in t.slots for t in pack.passages) >= 10


@pytest.mark.parametrize("name", ["games-en", "games-ko", "medicine-en", "medicine-ko"])
def test_a_shipped_list_is_full_and_its_definitions_do_not_name_what_they_define(name: str) -> None:
    folder = data_path("synth")
    terms = [
        line.split("\t") for line in (folder / f"{name}.terms.txt").read_text(encoding="utf-8").splitlines()
    ]
    rows = [
        json.loads(line)
        for line in (folder / f"{name}.acronyms.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert len({fold(term) for term, _ in terms}) == len(terms) >= 60
    assert len({row["acronym"] for row in rows}) == len(rows) >= 25
    for names, definition in [
        *(((t,), d) for t, d in terms),
        *(((r["acronym"], r["full"]), r["definition"]) for r in rows),
    ]:
        assert not [n for n in names if n.casefold() in definition.casefold() and len(n) > 2], (
            names,
            definition,
        )
        assert language_of(definition) == name[-2:]
