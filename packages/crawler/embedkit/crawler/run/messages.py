"""The report of a crawl: a few lines per source on stderr, or one JSON object on stdout."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from embedkit.console import out, out_json, say, warn
from embedkit.crawler.output.files import CrawlResult
from embedkit.crawler.output.rows import CrawledPage, Difference
from embedkit.files import STDIO

_SHOWN = 5


def print_report(result: CrawlResult, output: Path | str, *, as_json: bool) -> None:
    """Print the report of a finished crawl."""
    if as_json and str(output) != STDIO:
        out_json(_object(result))
    for page in result.pages:
        _print_page(page)
    if result.difference is not None and not as_json:
        _print_difference(result.difference, output)
    if result.translations:
        say("{count} translations paired", count=len(result.translations))
    if result.risky_cells:
        warn(
            "a spreadsheet would run {count} cells as formulas; --spreadsheet-safe puts an apostrophe before them",
            count=result.risky_cells,
        )
    for path in result.outputs[:1]:
        say("wrote {path}: {rows} rows", path=path, rows=len(result.entries))


def _object(result: CrawlResult) -> dict[str, Any]:
    return {
        "sources": [
            {
                **page.to_object(),
                "retrieved_at": page.document.retrieved_at,
                "from_cache": page.document.from_cache,
            }
            for page in result.pages
        ],
        "rows": len(result.entries),
        "requests": result.requests,
        "outputs": [str(p) for p in result.outputs],
        "translations": len(result.translations),
        "spreadsheet_cells": result.risky_cells,
        "diff": asdict(result.difference) if result.difference is not None else None,
    }


def _print_page(page: CrawledPage) -> None:
    found, proof = page.extraction, page.completeness
    say(
        "{name}: {terms} terms → {entries} entries, {senses} definitions, {aliases} other names,"
        " {redirects} redirects folded",
        name=page.title or page.name,
        terms=found.terms,
        entries=len(found.entries),
        senses=found.senses,
        aliases=found.aliases,
        redirects=found.redirects,
    )
    if proof is not None:
        say(
            "  {found} of {expected} terms, {redirects} redirects folded (checked against {kind})",
            found=proof.found,
            expected=proof.expected,
            redirects=found.redirects,
            kind=proof.kind,
        )
        if proof.missing:
            warn("not found: {terms}", terms=", ".join(proof.missing[:_SHOWN]))
    for reason, count in found.dropped.items():
        say("  {count} dropped: {reason}", count=count, reason=reason)


def _print_difference(found: Difference, output: Path | str) -> None:
    for sign, terms in (("+", found.added), ("~", found.changed), ("-", found.removed)):
        for term in terms:
            if str(output) == STDIO:
                say("{sign} {term}", sign=sign, term=term)
            else:
                out(f"{sign} {term}")
    say(
        "{added} terms added, {changed} changed, {removed} removed",
        added=len(found.added),
        changed=len(found.changed),
        removed=len(found.removed),
    )
