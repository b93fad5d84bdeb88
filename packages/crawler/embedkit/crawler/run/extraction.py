"""A document to its terms, for a crawl and a dry run: by its format, by the user's selectors, or by detection."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from embedkit.crawler.extract.fold import fold_groups
from embedkit.crawler.extract.page import extract
from embedkit.crawler.extract.records import Extraction
from embedkit.crawler.run.options import CrawlOptions
from embedkit.crawler.sources.documents import Document

_GLOSSARY_FILE = re.compile(
    r"(?:the[-_ ])?(?:glossary|glossaries|glossaire|glossar|glosario|glossario|terminology|terms|definitions"
    r"|acronyms|abbreviations|용어(?:집|사전|정리)?|약어)(?:[-_. ]\w{1,12})?",
    re.IGNORECASE,
)


def extract_document(document: Document, options: CrawlOptions) -> Extraction:
    """The terms of a document."""
    if document.groups:
        return fold_groups(document.groups, document.lang or "en", document.title, gate=options.gate)
    if options.select_term:
        # BeautifulSoup is slow to load, and few crawls name selectors.
        from embedkit.crawler.extract.selectors import extract_selected

        return extract_selected(
            document.html, term=options.select_term, definition=options.select_definition, lang=document.lang
        )
    return extract(
        document.html,
        lang=document.lang,
        url=document.url or _hint(document.source.request),
        title=document.title,
        gate=options.gate,
    )


def _hint(request: str) -> str:
    """What a file's name says, as an address would: that it is a glossary, or lies in a folder of one."""
    path = PurePosixPath(request.replace("\\", "/"))
    if _GLOSSARY_FILE.fullmatch(path.stem):
        return "/glossary"
    return f"/terms/{path.stem}" if _GLOSSARY_FILE.fullmatch(path.parent.name) else ""
