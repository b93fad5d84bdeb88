# ruff: noqa: E501 (Hangul and Han count twice in a line)
"""Words for term, definition, glossary, see, also and see also in many languages."""

from __future__ import annotations

import re

_I = re.IGNORECASE

# In a title, first heading or first sentence: the page is a glossary.
GLOSSARY = re.compile(
    r"glossar\w*|\bglossaire\w*|\bglosario\w*|\bglossári\w*|\bglosář\w*|\bsłownik\w*|\bsanasto\w*|\bordlist\w*"
    r"|\bwoordenlijst\w*|\bbegriffs\w*|\blexi(?:con|que|kon)\b|\bterminolog\w+|\bvocabular(?:y|ies)\b|\bthesaurus\b"
    r"|\bjargon\b|(?<!data )(?<!database )\bdictionary\b|\b(?:list of|key|basic|important|common|defined|technical) terms\b"
    r"|\bterms? (?:and|&) definitions?\b|\bterms?\W+(?:used|you)\b|^(?:key )?definitions?$|^terms$"
    r"|\blist of [\w\s]*(?:abbreviations|acronyms|initialisms|symbols|definitions)\b|^(?:abbreviations|acronyms)"
    r"|^(?:용어의\s?)?정의$|\babbreviations and acronyms\b|\bacronyms and abbreviations\b"
    r"|용어|낱말\s?(?:풀이|사전)|약어|약자|단어장|사전$|用語|術語|术语|词汇|詞彙|名词解释|глоссари\w*|словар\w+|термин\w*",
    _I,
)

# The index of a book: names and page numbers, no definitions.
INDEX = re.compile(
    r"^(?:[\w-]+ ){0,3}ind(?:ex|ices|exes)$|^(?:색인|찾아보기|索引|stichwortverzeichnis|sachregister)$",
    _I,
)

# Headings that end the part of a page where terms stand.
END_SECTION = re.compile(
    r"^(?:see also|references?|notes?|footnotes?|citations?|sources?|bibliography|further reading|external links?"
    r"|related (?:links|pages|articles|topics|terms|documents)|links|works cited|literature|gallery|navigation"
    r"|acknowledge?ments?|copyright|licen[sc]e|contributors?|changelog|change history|index|comments?|feedback"
    r"|leave a reply|share this.*|about the authors?|help content debug info:?"
    r"|같이 ?보기|각주|참고 ?(?:문헌|자료)?|외부 ?(?:링크|고리)|주석|출처|관련 ?(?:문서|항목|링크)|더 ?보기|둘러보기|댓글"
    r"|関連項目|脚注|参考文献|外部リンク|出典|注釈|参照|参考资料|參考資料|参见|參見|外部链接|外部連結|注释|註釋|相关条目"
    r"|siehe auch|einzelnachweise|weblinks|literatur|quellen|anmerkungen|fußnoten|mehr zum thema.*"
    r"|voir aussi|références|notes et références|liens externes|bibliographie|articles connexes"
    r"|véase también|referencias|enlaces externos|bibliografía|notas|ver também|referências|ligações externas"
    r"|note|altri progetti|collegamenti esterni|voci correlate|см\. также|примечания|ссылки|литература"
    r"|zie ook|referenties|externe links|zobacz też|przypisy|linki zewnętrzne)$",
    _I,
)

# Of those: the sections that point to other terms.
SEE_SECTION = re.compile(
    r"^(?:see(?: also)?|synonyms?|related (?:terms|topics|articles)|같이 ?보기|관련 ?(?:용어|항목|문서)|参见|參見|関連項目|siehe auch|voir aussi|véase también|ver também)$",
    _I,
)
# Headings of a page about something: what programs, formats and projects have sections on.
ABOUT_SECTION = re.compile(
    r"^(?:(?:file |data )?format(?: specifications?| details)?|specifications?|conformance|(?:known )?(?:issues|bugs|limitations|problems)"
    r"|install(?:ation|ing)?(?: .*)?|requirements|features|configur(?:ation|ing)(?: .*)?|settings|options|commands?|parameters|arguments|functions?"
    r"|implementation(?: .*)?|support|compatibility|credits|authors?|faqs?|to-?do|news|roadmap|getting started|quick ?start|tutorial|details|general"
    r"|licen[cs]e|copyright|version|status|date|published|maintainers?|homepage|files?|see also|environment|exit status|return values?|notes|bugs|name|synopsis|methods?|properties|attributes|constructors?|fields"
    r"|troubleshooting|permissions|imports?(?: and exports?)?|exports?|(?:the )?main window|keyboard shortcuts|searching|toolbars?|menus?"
    r"|(?:creating|adding|using|editing|importing|exporting|managing|working with|setting up|choosing|opening|saving|deleting|sharing) .*"
    r"|(?:how|why|when|where) .*|what (?!is |are ).*)$",
    _I,
)
# Headings that are no terms.
NOT_A_TERM = re.compile(
    r"^(?:introduction|overview|contents?|table of contents|about(?: .*)?|summary|preface|foreword|abstract|purpose"
    r"|scope|background|how to .*|using this .*|on this page|in this (?:article|page|section)|navigation|menu|search"
    r"|status of this document|alphabetical (?:links|index|list)|document history|revision history|conventions"
    r"|examples?|usage|syntax|description|history|etymology|was this (?:page )?helpful.*|tags?|categories|subscribe.*"
    r"|recent posts|archives|next steps|what'?s next|learn more|more information|prerequisites|appendix.*"
    r"|소개|개요|목차|머리말|서문|서론|들어가며|설명|예시?|일러두기|概要|目次|はじめに|序文|简介|概述|目录"
    r"|einleitung|überblick|inhalt(?:sverzeichnis)?|sommaire|présentation|introducción|índice|introduzione"
    r"|introdução|введение|содержание|оглавление)$",
    _I,
)

# Table headers. The order within TERM_HEADERS is the order of preference.
TERM_HEADERS = (
    re.compile(
        r"^(?:terms?|glossary terms?|key terms?|terminology|words?|vocabulary|head ?words?|entry|lemma|phrases?|expressions?"
        r"|concepts?|keywords?|jargon|용어|단어|낱말|표제어|개념|어휘|말|用語|単語|言葉|語|語彙|術語|术语|词语|词汇|詞彙|名词|概念"
        r"|begriffe?|fachbegriff|wort|stichwort|terme|mot|expression|término|palabra|concepto|termo|palavra|conceito"
        r"|termine|parola|термин|понятие|слово|pojęcie|termin|woord|begrip)(?:\s*\(.*\))?$",
        _I,
    ),
    re.compile(
        r"^(?:names?|measurements?|measures?|metrics?|items?|titles?|subjects?|topics?|elements?|features?|types?"
        r"|propert(?:y|ies)|parameters?|fields?|attributes?|variables?|commands?|functions?|entit(?:y|ies)|codes?|keys?"
        r"|options?|roles?|components?|categor(?:y|ies)|units?|signals?|methods?|techniques?|tools?"
        r"|이름|명칭|이칭|항목|종류|구분|지표|名称|名前|名稱|項目|项目|種類|bezeichnung|nom|nombre|nome|название|имя|nazwa|naam)$",
        _I,
    ),
    re.compile(
        r"^(?:abbreviations?|abbr\.?|abbrev\.?|acronyms?|initialisms?|short(?: form| name)?|약어|약자|줄임말|준말|略語|略称|缩写|縮寫"
        r"|简称|abkürzung(?:en)?|kürzel|abréviation|sigle|acronyme|abreviatura|sigla|acrónimo|abbreviazione"
        r"|сокращение|аббревиатура|skrót|afkorting)$",
        _I,
    ),
    re.compile(
        r"^(?:symbols?|signs?|characters?|기호|記号|符号|symbole?|zeichen|símbolo|simbolo|символ)$", _I
    ),
)
# A header that has such a word among others: "Business term", "용어명"; a definition's word counts first.
TERM_LIKE = re.compile(
    r"\b(?:terms?|terminology|words?|phrases?|acronyms?|abbreviations?|concepts?|keywords?|jargon|begriffe?|terme|término)\b|용어|단어|낱말|표제어|어휘|개념|術語|用語|术语",
    _I,
)
DEFINITION_LIKE = re.compile(
    r"\b(?:definitions?|descriptions?|meanings?|explanations?|explained|plain (?:english|language)|what (?:it|this|that) (?:is|means?)|means"
    r"|in (?:simple|plain|other) \w+|beschreibung|bedeutung|erklärung|définition|definición|significado)\b|정의|뜻|설명|풀이|의미|해설|定義|説明|意味|定义|释义",
    _I,
)
# On a page that does not call itself a glossary, a table of these documents a program.
PROGRAM_HEADER = re.compile(
    r"^(?:parameters?|fields?|attributes?|variables?|commands?|functions?|options?|methods?|codes?|keys?|propert(?:y|ies))$",
    _I,
)
ABBREVIATION_HEADER = TERM_HEADERS[2]
SYMBOL_HEADER = TERM_HEADERS[3]
DEFINITION_HEADERS = (
    re.compile(
        r"^(?:definitions?|def\.?|descriptions?|explanations?|meanings?(?: and .*)?|what it means|glosses|gloss"
        r"|정의|뜻|뜻풀이|풀이|의미|설명|내용|해설|定義|意味|説明|解説|定义|解释|释义|釋義|含义|说明|說明|描述|意思"
        r"|beschreibung|bedeutung|erklärung|erläuterung|définition|signification|explication|description"
        r"|definición|descripción|significado|explicación|definição|descrição|definizione|descrizione|significato"
        r"|определение|описание|значение|definicja|opis|znaczenie|definitie|betekenis|omschrijving)(?:\s*\(.*\))?$",
        _I,
    ),
    # Weaker: only on a page that calls itself a glossary.
    re.compile(
        r"^(?:notes?|comments?|remarks?|details?|information|info|full form|full name|expansion|stands for|long form"
        r"|usage|비고|원어|본말|전체 ?이름|備考|正式名称|全称|备注|備註|bemerkung(?:en)?|anmerkung(?:en)?|remarques?|notas?"
        r"|commenti|примечание|расшифровка)$",
        _I,
    ),
)
FULL_FORM_HEADER = re.compile(
    r"^(?:full form|full name|expansion|stands for|long form|원어|본말|전체 ?이름|正式名称|全称|расшифровка)$",
    _I,
)
SYNONYM_HEADER = re.compile(
    r"^(?:(?:abbreviations? ?[/,&] ?)?synonyms?(?: ?[/,&] ?abbreviations?)?|aliases|alias|also(?: known as| called)?|aka|a\.k\.a\."
    r"|(?:other|alternat(?:iv)?e) (?:names?|terms?)|variants?"
    r"|(?:(?:동의어|유의어|이음동의어|이명|별칭|별명|이칭|비슷한 ?말|다른 ?(?:이름|말)|약어|약칭)\s*(?:[/·,]\s*|$))+|別名|同義語|别名|同义词|synonyme?s?|sinónimos?|sinônimos?|sinonimi|синонимы?)$",
    _I,
)
LANGUAGE_HEADERS = {
    "en": re.compile(
        r"^(?:english(?: (?:term|name|word))?|en|영어|영문|영어 ?(?:표기|명|명칭)|영문 ?(?:명|표기)|英語|英文|英语|englisch|anglais"
        r"|inglés|inglês|inglese|английский)$",
        _I,
    ),
    "ko": re.compile(
        r"^(?:korean(?: (?:term|name|word))?|ko|한국어|한글|국문|우리말|순화어|한국어 ?(?:표기|명|명칭)|한글 ?(?:명|표기)|韓国語|韩语|韓語"
        r"|hangul|hangeul|koreanisch|coréen)$",
        _I,
    ),
    "zh": re.compile(r"^(?:chinese|zh|중국어|한자|漢字|中国語|中文|汉字|kanji|hanja|hanzi|chinesisch)$", _I),
    "ja": re.compile(r"^(?:japanese|ja|일본어|日本語|日语|日語|japanisch|japonais)$", _I),
    "de": re.compile(r"^(?:german|de|독일어|ドイツ語|deutsch|allemand)$", _I),
    "fr": re.compile(r"^(?:french|fr|프랑스어|불어|フランス語|français|französisch)$", _I),
    "es": re.compile(r"^(?:spanish|es|스페인어|español|spanisch)$", _I),
    "ru": re.compile(r"^(?:russian|ru|러시아어|русский)$", _I),
    "la": re.compile(r"^(?:latin|la|라틴어|ラテン語)$", _I),
}
# "영어: hypothesis" inside a parenthesis.
LANGUAGE_LABELS = {
    "en": re.compile(
        r"^(?:영어|영문|英語|英文|英语|英|english|engl?\.|eng|en)\s*[:：]?\s+|^(?:영어|영|英語|英)\s*[:：]\s*",
        _I,
    ),
    "zh": re.compile(
        r"^(?:한자|漢字|중국어|中国語|中文|chinese)\s*[:：]?\s+|^(?:한자|漢字|중국어)\s*[:：]\s*", _I
    ),
    "ja": re.compile(r"^(?:일본어|日本語|japanese|jp)\s*[:：]?\s+|^일본어\s*[:：]\s*", _I),
    "ko": re.compile(r"^(?:한국어|한글|韓国語|korean)\s*[:：]?\s+|^(?:한국어|한글)\s*[:：]\s*", _I),
    "de": re.compile(r"^(?:독일어|독어|ドイツ語|독|german|deutsch|dt\.)\s*[:：]?\s+|^독일어\s*[:：]\s*", _I),
    "fr": re.compile(r"^(?:프랑스어|불어|フランス語|french|frz?\.)\s*[:：]?\s+|^프랑스어\s*[:：]\s*", _I),
    "ru": re.compile(r"^(?:러시아어|ロシア語|russian)\s*[:：]?\s+|^러시아어\s*[:：]\s*", _I),
    "la": re.compile(r"^(?:라틴어|ラテン語|latin|lat\.)\s*[:：]?\s+|^라틴어\s*[:：]\s*", _I),
    "el": re.compile(r"^(?:그리스어|ギリシア語|greek)\s*[:：]?\s+|^그리스어\s*[:：]\s*", _I),
}

# "See X", "→ X", "X 참조": the whole of a definition that only points elsewhere.
SEE_BEFORE = re.compile(
    r"^(?:[\[(]\s*)?(?:(?:→|⇒|➔|=>|->|↑|☞)\s*(?:see\b\s*)?|(?:please )?see(?: the entry (?:for|on))?\b\s*[:：]?\s*"
    r"|siehe(?: unter)?\b\s*[:：]?\s*|s\.\s+|voir\b\s*[:：]?\s*|véase\b\s*[:：]?\s*|ver\b\s*[:：]?\s*|vedi\b\s*[:：]?\s*"
    r"|zie\b\s*[:：]?\s*|см\.\s*|zobacz\b\s*[:：]?\s*|参照\s*[:：]\s*|参见\s*[:：]?\s*|參見\s*[:：]?\s*|参考\s*[:：]\s*|참[고조]\s*[:：]\s*"
    r"|(?:another (?:term|name) for|same as|synonym (?:for|of)|a synonym (?:for|of)|alias of)\s+)(?P<target>.+)$",
    _I,
)
SEE_AFTER = re.compile(
    r"^(?P<target>.+?)\s*(?:[을를]?\s*(?:참조|참고|보기|볼 ?것|보라|보시오|참조하(?:라|세요|십시오))"
    r"|\s*(?:を参照|を見よ|参照|に同じ|と同じ|と同義))\s*[.。]?$"
)
SEE_ALSO = re.compile(
    r"^(?:[\[(]\s*)?(?:see also|see|compare(?: with)?|compare|cf\.|contrast(?: with)?|related(?: terms?)?|for more information|more information"
    r"|synonyms?|참고|참조|관련 ?(?:용어|항목)|같이 ?보기|비교|参照|関連項目|参见|另见|siehe(?: auch)?|vgl\.|voir(?: aussi)?|véase(?: también)?"
    r"|ver também|vedi anche|см\. также|zie ook|zobacz też|→|↔)\s*(?:[:：]|\b(?=\s))",
    _I,
)
# "… facts. See also datum." and "… 값. → #유의 확률" at the end of a definition.
SEE_ALSO_END = re.compile(
    r"(?<=[.!?。)\]])\s*(?:[(\[]\s*)?(?:(?:see also|see|compare with|compare|cf\.|contrast with|siehe auch|vgl\.|voir aussi|véase también|см\. также)\b"
    r"[^.!?。]{1,120}|(?:→|⇒|↔|➔|참고\s*[:：]|참조\s*[:：]|관련 ?용어\s*[:：])[^.!?。]{1,120})[.。)\]]*$",
    _I,
)
ALSO = re.compile(
    r"^[\[(]?(?:also|also (?:called|known as|spelled|spelt|written|referred to as|termed)|sometimes|or|a\.?k\.?a\.?|abbreviated(?: as)?"
    r"|synonyms?|aliases|alternatively|또는|혹은|동의어|유의어|다른 ?이름|別名|同義語|または|亦称|又称|又稱|也称|auch|aussi|también|também|anche|также)"
    r"\b[:：]?\s*",
    _I,
)
PLURAL = re.compile(r"^(?:pl\.?|plurals?|복수형?|複数形?|plural form)\s*[:：]?\s*", _I)
LETTER = re.compile(
    r"^(?:[A-Z0-9#]|[a-z]|[ㄱ-ㅎ가나다라마바사아자차카타파하]|[ぁ-んァ-ン]行?|[А-ЯЁ]|[Α-Ω]|[À-Þ]|[אבגדהוזחטיכלמנסעפצקרשת]|[ا-ي]"
    r"|(?:[A-Z0-9ㄱ-ㅎА-Я]|0)\s*[-–—~]\s*[A-Z0-9ㄱ-ㅎА-Я]|0-9|numbers?|symbols?|numerals?|숫자|기호|기타|数字|other"
    r"|[A-Z]{1,3}(?:[,/&\s]+[A-Z]){1,4})$"
)
# Where a page's title ends and its site's name begins.
TITLE_BREAK = re.compile(r"\s+[|–—·•»«:-]\s+|\s*\|\s*")
GLOSSARY_PATH = re.compile(r"/(?:glossary|glossaire|glossar|glosario|lexikon|dictionary|terms)/[^/?#]+", _I)
# In the title of a program's manual these words name a structure of data.
# A line below a definition that only lists names: "Also called: tie, drawn game".
NAMES_LINE = re.compile(
    r"^[\[(]?(?:also(?: called| known as| written| spelled| spelt)?|a\.?k\.?a\.?|synonyms?|other names?|alternative names?"
    r"|동의어|유의어|이명|별칭|별명|비슷한 ?말|다른 ?(?:이름|말)|別名|同義語|auch|synonyme?s?|aussi|sinónimos?)\s*[:：]\s*(?=\S)",
    _I,
)
AMBIGUOUS = re.compile(r"dictionar|vocabular|lexi[ck]|thesaurus|jargon|terminolog", _I)
TERM_HEADER = re.compile(
    r"\b(?:terms?|words?|acronyms?|abbreviations?|begriffe?|terme|término)\b|용어|단어|낱말|약어|약자|用語|術語|术语|略語",
    _I,
)
CHAPTER = re.compile(r"^(?:chapter|section|part|appendix)\s+[\divxa-z]{1,5}(?:\.\d+)*[.:)]\s", _I)
# A title of a manual's page: what is listed on it are parts of a program.
PROGRAM_TITLE = re.compile(
    r"\b(?:menus?|dialogs?|toolbars?|options|preferences|settings|commands?|functions?|parameters|variables|api|shortcuts|keys"
    r"|modules?|packages?|class(?:es)?|methods?|licen[cs]es?)\b|メニュー|ダイアログ|設定|メソッド|메뉴|대화 ?상자|설정|명령어?|함수|옵션|단축키",
    _I,
)
# Headings of a manual page; two of them make a page one.
MANUAL_SECTION = re.compile(
    r"^(?:name|synopsis|description|options|exit status|environment|files|see also|bugs)$", _I
)
MANUAL_PAGE = re.compile(r"\(\d\w?\)(?: Manual Page)?\s*$|\bman(?:ual)? page\b", _I)
# Links that lead away from an entry or back to the top; the words of one line, whole.
AWAY = (
    r"(?:back|return|go|jump) to (?:the )?(?:top|index|list|contents)|top of (?:the )?page|to top"
    r"|(?:read|learn|find out|see|show|view) more(?: about .{1,60})?|more (?:info(?:rmation)?|details)|continue reading"
    r"|full definition|view (?:term|entry|details?)|copy link|permalink|edit this (?:page|term|entry)"
    r"|맨 ?위로(?: ?가기)?|위로(?: ?가기)?|처음으로|목록(?:으로)?(?: ?가기)?|더 ?보기|자세히(?: ?보기)?|상세 ?보기|바로가기"
    r"|nach oben|zum seitenanfang|weiterlesen|mehr erfahren|haut de (?:la )?page|retour en haut|en savoir plus|lire la suite"
    r"|volver arriba|leer más|saber más|torna su|ページの先頭へ|トップへ戻る|続きを読む|もっと見る|返回顶部|查看更多"
)
AWAY_ENDS = r"[\s\[\](){}↑▲⇧△^»›→…·.|¶#<>-]*"
AWAY_LINE = re.compile(rf"{AWAY_ENDS}(?:{AWAY}){AWAY_ENDS}", _I)
# The number of a section before its title: "1. ", "3.2 ", "제2조", "Article 4 -"; its title may stand in brackets.
_SECTION = re.compile(
    r"^(?:\d{1,3}(?:\.\d{1,3})*[.):]?|제\s?\d+\s?[조장절항](?:의\s?\d+)?|(?:article|section|clause|chapter|annex|appendix|part|§)\s*[\dA-Z]{1,4}[.):]?|[IVX]{1,5}[.)]|[A-Z][.)])"
    r"\s*[-–—:.]?\s*(?=\D)",
    _I,
)


def without_number(title: str) -> str:
    """A title without the number of its section."""
    short = _SECTION.sub("", title, count=1).strip()
    return short.strip("()（） ") if short != title else title


# A title that has the word and is about glossaries: a tool for them, a format, how to write one.
_ABOUT_GLOSSARIES = re.compile(
    r"(?:glossar\w*|dictionar\w*|terminolog\w*|vocabular\w*|lexicon|thesaurus|용어집|용어)\s+(?:plug-?ins?|managers?|management|formats?"
    r"|files?|tools?|editors?|widgets?|modules?|extensions?|features?|api|class(?:es)?|objects?|builders?|generators?|servers?|imports?"
    r"|exports?|support|settings|options|templates?|shortcodes?|blocks?|add-?ons?|apps?|software|guidelines|extraction|attacks?"
    r"|플러그인|관리|형식|파일|편집기|도구|만들기|작성법)\b"
    r"|^(?:how to|using|writing|creat(?:e|ing)|build(?:ing)?|manag(?:e|ing)|edit(?:ing)?|import(?:ing)?|export(?:ing)?|add(?:ing)?|working with"
    r"|guide to|download(?:ing)?|announcing|why|blog)\b",
    _I,
)


def announces(title: str) -> bool:
    """Whether a title or heading says that a glossary follows, and not something about glossaries."""
    return bool(GLOSSARY.search(title)) and not _ABOUT_GLOSSARIES.search(title)
