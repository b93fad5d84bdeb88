"""What the columns of a table are, told by names in many languages: `용어`, `Term (EN)`, `표준용어명`.

A name is looked up as a whole, then without its brackets, number, language and the prefixes of official registers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from embedkit.text import fold

_HEADER_WORDS = {
    "term": "term terms word headword name entry full full_form full_name source_term term_name termname t_term "
    "lemma str preferred_term preferred_label preflabel lexical_form front glossary_term business_term "
    "용어 용어명 단어 단어명 표제어 낱말 어휘 명칭 한글용어 국문용어 한글명 국문명 용어한글명 한글용어명 용어국문명 "
    "용어한글 개념어 단어한글명 이름 "
    "begriff begriffe benennung terminus fachbegriff fachwort stichwort wort bezeichnung ausdruck quellbegriff "
    "terme termes mot vocable expression vedette dénomination intitulé "
    "término términos palabra vocablo voz termo palavra termine parola vocabolo термин слово "
    "用語 用語名 術語 単語 見出し語 語 語句 单词 术语 词语 詞語 名词 名詞 词条 詞條 术语名称 術語名稱 名称 名稱",
    "definition": "definition definitions description meaning gloss explanation back def plain_english "
    "term_definition 뜻 정의 설명 의미 풀이 해설 뜻풀이 내용 용어설명 용어정의 용어뜻 용어풀이 용어해설 단어설명 "
    "단어뜻 단어정의 개념정의 정의내용 "
    "erklärung beschreibung bedeutung erläuterung begriffsbestimmung begriffserklärung "
    "définition définitions signification explication sens "
    "definición definiciones descripción significado explicación definição descrição definizione descrizione "
    "significato определение описание значение "
    "定義 説明 意味 解説 語釈 定义 释义 釋義 解释 解釋 说明 說明 含义 含義 描述",
    "anchor": "anchor query question sentence1 source_text 질문 질의 文1",
    "positive": "positive answer passage document response sentence2 target_text 답변 답 본문 정답",
    "aliases": "aliases alias synonyms synonym other_names also_known_as aka alt_label altlabel variants variant "
    "alternative_names also_called also other_terms alternate_names alternative_terms related_names "
    "별칭 별명 이칭 이명 속칭 동의어 유의어 유사어 비슷한말 다른표현 이음동의어 이음동의어목록 용어이음동의어 "
    "용어이음동의어목록 다른이름 다른말 "
    "synonyme synonymes sinónimo sinónimos sinônimos sinonimi синонимы 同義語 類義語 別名 別称 異称 同义词 同義詞 "
    "近义词 别名",
    "abbreviation": "abbreviation abbreviations abbr acronym acronyms initialism 약어 약어명 약자 약칭 줄임말 영문약어 "
    "영문약어명 용어영문약어명 단어영문약어명 용어영문약어 "
    "abkürzung abkürzungen akronym kürzel abréviation abréviations sigle acronyme abreviatura sigla siglas "
    "acrónimo abreviação сокращение 略語 略称 缩写 縮寫 缩略语 縮略語 缩略词 简称 簡稱",
    "translation": "translation translations target_term 번역 번역어 대역어 원어 외국어 영어명 영문명 영어용어 "
    "영문용어 용어영문명 단어영문명 용어영어명 "
    "übersetzung zielbegriff traduction traducción tradução traduzione перевод 訳語 対訳 英訳 和訳 翻译 翻譯 译名 "
    "譯名 译文",
    "lang": "lang language language_code languagecode l_code lat 언어 언어코드 sprache langue idioma lengua lingua "
    "язык 言語 语言 語言",
    "domain": "domain field 분야 도메인 도메인명 fachgebiet sachgebiet domaine dominio domínio 領域 领域",
    "source": "source 출처 quelle fuente fonte источник 出典 来源 來源",
    "source_url": "source_url",
    "permalink": "permalink",
    "revision": "revision",
    "license": "license licence 라이선스",
    "retrieved_at": "retrieved_at",
    "entry_id": "entry_id",
    "group": "concept_id conceptid concept_no e_id cui synset synset_id descriptorui descriptor_ui "
    "concept_uri 개념id 개념번호 개념코드 begriffs_id",
}
_LANGUAGES = {
    "en": "english eng englisch anglais inglés inglese 영어 영문 英語 英文 英语",
    "ko": "korean kor koreanisch coréen coreano 한국어 국문 한글 우리말 韓国語 韓國語 韩语",
    "de": "german deu ger deutsch allemand alemán tedesco 독일어 독어 ドイツ語 德语",
    "fr": "french fra fre französisch français francés francese 프랑스어 불어 フランス語 法语",
    "es": "spanish spa spanisch espagnol español spagnolo 스페인어 スペイン語 西班牙语",
    "ja": "japanese jpn jp japanisch japonais japonés 일본어 일어 日本語 日文 日语",
    "zh": "chinese zho chi cn chinesisch chinois chino hanja hanzi 한자 한자표기 漢字 중국어 中国語 中文 汉语 漢語",
    "it": "italian ita italienisch italien italiano 이탈리아어",
    "pt": "portuguese por portugiesisch portugais português 포르투갈어",
    "ru": "russian rus russisch russe ruso 러시아어 русский",
    "nl": "dutch nld niederländisch néerlandais 네덜란드어",
    "pl": "polish pol polnisch polonais 폴란드어 polski",
    "la": "latin lateinisch 라틴어",
    "vi": "vietnamese vie 베트남어",
}
# Words of the table above that only one language in Latin script has.
_OF_LANGUAGE = {
    "de": "begriff begriffe benennung fachbegriff fachwort stichwort bezeichnung ausdruck erklärung beschreibung "
    "bedeutung erläuterung begriffsbestimmung begriffserklärung abkürzung übersetzung sprache fachgebiet quelle",
    "fr": "terme termes mot vocable vedette dénomination intitulé définition définitions signification abréviation "
    "sigle traduction langue domaine",
    "es": "término términos palabra vocablo definición definiciones significado descripción explicación sinónimo "
    "sinónimos abreviatura traducción idioma",
    "pt": "termo palavra definição descrição sinônimos tradução",
    "it": "termine parola vocabolo definizione descrizione sinonimi traduzione",
}
_LANGUAGE_OF_WORD = {fold(word): code for code, words in _OF_LANGUAGE.items() for word in words.split()}
ROLES: tuple[str, ...] = tuple(_HEADER_WORDS)
_NAMES = ("translation", "abbreviation")
_LEFT, _RIGHT = frozenset(("term", "anchor")), frozenset(("definition", "positive"))
TEXT_ROLES = _LEFT | _RIGHT
_SEVERAL = frozenset(("aliases", *_NAMES))
_ROLE_OF = {fold(word): role for role, words in _HEADER_WORDS.items() for word in words.split()}
_LANGUAGE_OF = {fold(word): code for code, words in _LANGUAGES.items() for word in words.split()}
# One of these in a row of two short cells says that the row is a header.
_SURE_WORDS = (
    "term terms headword definition definitions description meaning explanation 용어 용어명 표제어 정의 설명 뜻풀이 "
    "begriff fachbegriff erklärung bedeutung beschreibung terme définition término definición termo definição "
    "termine definizione 用語 術語 定義 术语 定义 释义"
)
_SURE = frozenset(map(fold, _SURE_WORDS.split()))
_BRACKETS = re.compile(r"[(（\[［]([^()（）\[\]［］]*)[)）\]］]")
_NUMBERS = re.compile(r"^[\d.)\s*#]+(?=\D)|[\s_#.-]*\d+\s*$")
_SEPARATORS = re.compile(r"[\s_/·:.,&+\-]+")
_OFFICIAL = re.compile(r"^(?:공공데이터|공공|공통|행정|기관|데이터)*표준")
_LANGUAGE_CODES = frozenset(_LANGUAGES)
_HEADER_CHARS = 30


@dataclass(frozen=True, slots=True)
class RoleColumn:
    """A column of a table: what its cells are, where it stands, and the language that its name says."""

    role: str
    at: int
    lang: str = ""


def role_of(name: str) -> str:
    """The role that a column's name stands for, or the empty string."""
    return meaning_of(name)[0]


@lru_cache(maxsize=4096)
def meaning_of(name: str) -> tuple[str, str]:
    """The role that a column's name stands for and the language that it says, each empty where there is none."""
    folded = fold(name)
    if folded in _ROLE_OF or len(name) > 60:
        return _ROLE_OF.get(folded, ""), ""
    if folded in _LANGUAGE_OF:
        return "translation", _LANGUAGE_OF[folded]
    inner = " ".join(_BRACKETS.findall(name))
    base = _NUMBERS.sub("", _BRACKETS.sub(" ", name))
    words = [word for word in _SEPARATORS.split(base) if word]
    lang = next((code for word in _SEPARATORS.split(inner) if (code := _code(word))), "")
    if role := _ROLE_OF.get(_OFFICIAL.sub("", fold(base)), ""):
        return role, lang
    ends = (0, len(words) - 1)  # `de` inside a name is a word of Spanish
    codes = [_code(word) if at in ends or len(word) > 3 else "" for at, word in enumerate(words)]
    roles = {_ROLE_OF.get(fold(word), "") for word in words}
    if len(words) > 1 and roles <= _SEVERAL:  # `약어/동의어`, `synonyms, abbreviations`
        return "aliases", lang
    rest = [word for word, code in zip(words, codes, strict=True) if not code]
    if len(rest) < len(words):
        said = next(filter(None, codes))
        return (_ROLE_OF.get(fold(" ".join(rest)), ""), said) if rest else ("translation", said)
    return "", ""


def language_code(name: str) -> str:
    """The code of a language by its name or its code of three letters: `de` of `German`, `GER` and `독일어`."""
    return _LANGUAGE_OF.get(fold(name), "")


def _code(word: str) -> str:
    """The language that a word of a column's name is the name or code of: `English`, `EN`, `de-DE`."""
    folded = fold(word)
    if folded in _LANGUAGE_OF:
        return _LANGUAGE_OF[folded]
    code = word.casefold().partition("-")[0]
    return code if code in _LANGUAGE_CODES else ""


def language_of_header(cells: Sequence[str]) -> str:
    """The language in Latin script that most names of columns are in: `de` of `Begriff;Definition`; or nothing."""
    found = [code for cell in cells if (code := _LANGUAGE_OF_WORD.get(fold(cell), ""))]
    return max(found, key=found.count) if found else ""


def roles_of_header(cells: Sequence[str]) -> tuple[RoleColumn, ...]:
    """What the columns are when `cells` is a header that names texts and what they are; else empty.

    Other names stand in for what is not there: `약어,영문,설명` has its term in 영문, `용어,영어,분야` are pairs.
    A term with synonyms alone, or with the key of its concept, is enough.
    """
    known = known_columns(cells)
    twice = len(cells) == 2 and [column.role for column in known] == ["term", "term"]
    if len(known) > 1 and not twice and (found := complete(known)):
        return found
    if len(cells) != 2:
        return ()
    sure = [fold(cell) in _SURE for cell in cells]
    if len(known) == 2 or (any(sure) and all(0 < len(cell.strip()) <= _HEADER_CHARS for cell in cells)):
        return _pair_of(known, sure)
    codes = list(map(_code, cells))
    return _languages(codes) if all(codes) and codes[0] != codes[1] else ()


def known_columns(names: Sequence[str]) -> list[RoleColumn]:
    """The columns whose names are known. `group` is a concept's key beside an anchor and a positive only."""
    meanings = list(map(meaning_of, names))
    known = [RoleColumn(role, at, lang) for at, (role, lang) in enumerate(meanings) if role]
    if {"anchor", "positive"} <= {column.role for column in known}:
        known += [RoleColumn("group", at) for at, name in enumerate(names) if fold(name) == "group"]
    return known


def _languages(codes: Sequence[str]) -> tuple[RoleColumn, ...]:
    return RoleColumn("anchor", 0, codes[0]), RoleColumn("positive", 1, codes[1])


def _pair_of(known: Sequence[RoleColumn], sure: Sequence[bool]) -> tuple[RoleColumn, ...]:
    """Two columns of which one is known, or two that say the same: the other takes the side that is left."""
    only = known[0] if len(known) == 1 else None
    if only and only.role == "definition":
        return RoleColumn("term", 1 - only.at), only
    if only and only.role == "term" and only.at == 0:
        return only, RoleColumn("definition", 1)
    return RoleColumn("anchor", 0), RoleColumn("positive", 1)


def complete(known: Sequence[RoleColumn]) -> tuple[RoleColumn, ...]:
    """The columns with what stands in for a term or a definition; empty where they make no pair of texts."""
    columns = list(_one_of_each(known))
    roles = {column.role for column in columns}
    if not roles & _LEFT:
        columns = _standing_in(columns, "term")
    roles = {column.role for column in columns}
    if (
        "term" in roles and "anchor" in roles
    ):  # questions and answers about a term: those of one term are one concept
        if "positive" in roles and "group" not in roles:
            columns = [RoleColumn("group", c.at) if c.role == "term" else c for c in columns]
        else:
            columns = [c for c in columns if c.role != "anchor"] if "definition" in roles else columns
        roles = {column.role for column in columns}
    if not roles & _LEFT:
        return ()
    if not roles & _RIGHT and "group" not in roles:
        columns = _standing_in(columns, "positive")
        roles = {column.role for column in columns}
    if not (roles & _RIGHT or "aliases" in roles or "group" in roles):
        return ()
    return tuple(sorted(columns, key=lambda column: column.at))


def _standing_in(columns: Sequence[RoleColumn], role: str) -> list[RoleColumn]:
    """The columns with the first translation, else the first abbreviation, as what is missing."""
    names = [column for kind in _NAMES for column in columns if column.role == kind]
    if not names:
        return list(columns)
    first = names[0]
    stands = RoleColumn(role, first.at, first.lang)
    found = [stands if column is first else column for column in columns]
    if role == "term" and first.role == "abbreviation":
        found.append(first)  # its own abbreviation: so it is told from a term that has one
    if role == "term":
        same = {"translation": "aliases"}  # a second column of the term's language holds further names
        found = [
            RoleColumn(same.get(c.role, c.role), c.at, c.lang)
            if c.lang and c.lang == first.lang and c is not stands
            else c
            for c in found
        ]
    return found


def _one_of_each(known: Sequence[RoleColumn]) -> Iterator[RoleColumn]:
    """The first column of each role and all of names; a second column of terms holds other names of the first."""
    first: dict[str, RoleColumn] = {}
    for column in known:
        if column.role in _SEVERAL:
            yield column
        elif column.role not in first:
            first[column.role] = column
            yield column
        elif column.role == "term":
            same = column.lang == first["term"].lang
            yield RoleColumn("aliases" if same else "translation", column.at, column.lang)
