"""Synonym stubs: definitions that only name another, as `See diode.`, `Another name for diode`, `다이오드의 준말`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from embedkit.compose.concepts.claims import text_key
from embedkit.data.entries import Alias, Record

MOST_WORDS = 6  # a longer text after "another name for" explains
_EXPLAINS = re.compile(
    r"^(?:any|several|various|some|many|one|certain|all|both|those|something|someone|anything)\b|"
    r"\b(?:that|which|who|whose|where|when|used|using|having)\b",
    re.IGNORECASE,
)
_KIND = r"(?:\(?(?:n|v|vt|vi|adj|adv|noun|verb|abbr|abbrev|명|동)\b\.?\)?[:,]?\s*)?"  # a part of speech
_OPEN, _CLOSE = r"[\"'“‘「『\[{<*_]*", r"[\"'”’」』\]}>*_]*"
_POINTERS = (
    *(r"see(?: also| under)?", r"refer to", r"synonym (?:of|for)", r"same as", r"cf\.?", r"q\.?v\.?"),
    *(r"siehe(?: auch)?", r"vgl\.", r"voir(?: aussi)?", r"véase(?: también)?", r"vedi", r"ver"),
)
_HOW = (
    r"other|another|alternat(?:e|ive)|old(?:er)?|obsolete|former|informal|short|colloquial|archaic|dated|rare|full|"
    r"long"
)
_SAYINGS = (
    *(r"syn(?:onyms?)?\.?(?: with| to)?[: ]\s*", r"synonymous with "),
    rf"(?:an?|the)?\s*(?:(?:{_HOW}) )+(?:name|term|word|spelling|form|title|label) (?:of|for) ",
    r"(?:an? |the )?(?:abbreviation|abbr\.?|abbrev\.?|acronym|initialism|short|shorthand|synonym|alias|plural|nickname|"
    r"misspelling) (?:of|for) ",
    r"(?:an? |the )?(?:abbreviated|short|full|plural) form of ",
    r"(?:also|sometimes|commonly)(?: known as| called) ",
    r"(?:a\.?k\.?a\.?|alias|stands for|equivalent to|identical to) ",
    r"(?:Abk(?:\.|ürzung)|Kurzform|Synonym|anderes Wort|andere Bezeichnung) (?:für|von|zu) ",
    r"(?:abréviation|synonyme|sigle|autre nom|abreviatura|sinónimo|sigla|otro nombre) de ?:? ",
)
_WHAT_KO = (
    r"비슷한\s*말|동의어|유의어|준말|줄임말|줄인\s*말|약어|약자|약칭|축약어|별칭|별명|이칭|이명|옛말|본말|본딧말|속어|은어|방언|"
    r"복수형|높임말|낮춤말|북한어|(?:(?:또\s*)?다른|옛|잘못된|다르게 부르는)\s*(?:이름|명칭|표기|표현|말)"
)
_ENDINGS = (
    r"(?:을\(를\)|를\(을\)|을|를)?\s*(?:참조|참고)\s*(?:하라|하시오|하세요|할 것|하십시오|바람)?",
    r"[을를]\s*(?:보라|볼 것|보세요|보시오|보십시오)",  # a view is 보기 and a colour is 보라
    rf"\s*의\s*(?:(?:비공식적인|영문|영어|한글|국문|한자)\s*)?(?:{_WHAT_KO})(?:\s*(?:이다|임|입니다))?",
    r"\s*[와과]\s*(?:같은\s*말|같다|같음|동의어|동일|같은\s*뜻)(?:\s*(?:이다|임|입니다))?",
    r"を参照|を見よ|に同じ|の(?:略|略語|略称|別名|別称|同義語)|的(?:简称|簡稱|缩写|縮寫|别名|別名|别称|同义词|同義詞)",
)
_NAME = rf"{_OPEN}(?P<after>[^.;\n\"“”{{}}]{{1,80}}?){_CLOSE}"
_FEW = rf"{_OPEN}(?P<said>[^.;,:\n\"“”{{}}]{{1,60}}?){_CLOSE}"  # what follows a comma explains
_SEE = re.compile(
    rf"^{_KIND}(?:(?:{'|'.join(_POINTERS)})[: ]\s*|[→⇒➔►☞=≒⇨]\s*){_NAME}[.。]?$"
    rf"|^{_KIND}(?:{'|'.join(_SAYINGS)})(?:the |an? )?{_FEW}[.。]?$"
    rf"|^{_OPEN}(?P<before>[^.;,\n\"“”]{{1,40}}?){_CLOSE}(?: 항목| 표제어)?(?:{'|'.join(_ENDINGS)})[.。]?$"
    rf"|^(?:参见|參見|参照|[见見][:：「“])\s*{_OPEN}(?P<han>[^.;,。，、\n]{{1,20}}?){_CLOSE}[.。]?$",
    re.IGNORECASE,
)


def see_target(definition: str) -> str:
    """The name that a definition such as `See X.` or `X 참조` only points at, or the empty string."""
    match = _SEE.match(definition)
    if not match:
        return ""
    target = next(filter(None, map(match.group, ("after", "said", "before", "han"))), "").strip()
    return "" if match["said"] and (_EXPLAINS.search(target) or len(target.split()) > MOST_WORDS) else target


def resolve_stubs(records: Sequence[Record]) -> Iterator[tuple[int, Record]]:
    """Yield the number and the replacement of each stub, such as `PWM: See pulse-width modulation.`

    The stub's name becomes an alias of the entry that it points at. A stub that points at no entry, or at another
    stub, becomes a pair of two names.
    """
    stubs = {
        number: target
        for number, record in enumerate(records)
        if not record.stated_pair and (target := see_target(record.entry.definition))
    }
    wanted, named = set(map(text_key, stubs.values())), dict[str, Record]()
    for number, record in enumerate(records) if stubs else ():
        if number not in stubs and not record.stated_pair:
            for name in (record.entry.term, *(alias.text for alias in record.entry.aliases)):
                if (key := text_key(name)) in wanted:
                    named.setdefault(key, record)
    for number, name in stubs.items():
        stub, entry = records[number], named.get(text_key(name))
        if entry:
            yield number, _redirected(stub, entry)
        else:
            yield number, replace(stub, entry=replace(stub.entry, definition=name), stated_pair=True)


def _redirected(stub: Record, target: Record) -> Record:
    names = (Alias(stub.entry.term, "redirect"), *stub.entry.aliases)
    return replace(stub, entry=replace(target.entry, aliases=names))
