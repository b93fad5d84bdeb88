"""Command signatures of the crawler: Typer options and help, then one call into the room."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def crawl(
    sources: Annotated[
        list[str] | None,
        typer.Option("--sources", help="wikipedia_glossary, custom_urls, or both with a comma between."),
    ] = None,
    title: Annotated[
        list[str] | None,
        typer.Option(help="A wiki page's title; repeatable. Default: Glossary of video game terms."),
    ] = None,
    lang: Annotated[
        str, typer.Option(help="Which language's Wikipedia (en, ko, ja, ...). Default: en.")
    ] = "",
    api: Annotated[str, typer.Option(help="The api.php of another MediaWiki.")] = "",
    url: Annotated[
        list[str] | None,
        typer.Option(help="A page's address, a file of addresses, or - for stdin; repeatable."),
    ] = None,
    from_file: Annotated[
        list[Path] | None,
        typer.Option(help="A saved page (HTML, Markdown, MediaWiki JSON) or a folder of them; repeatable."),
    ] = None,
    output: Annotated[Path, typer.Option(help="The CSV to write; - is stdout.")] = Path("data/glossary.csv"),
    limit_per_source: Annotated[
        int | None, typer.Option(help="Keep at most this many entries of each source. Default: all.")
    ] = None,
    contact: Annotated[
        str,
        typer.Option(envvar="EMBEDKIT_CONTACT", help="Your e-mail or web address, for the User-Agent."),
    ] = "",
    select_term: Annotated[str, typer.Option(help="CSS selector of the terms, where you know better.")] = "",
    select_definition: Annotated[str, typer.Option(help="CSS selector of the definitions.")] = "",
    gate: Annotated[
        bool, typer.Option("--gate/--no-gate", help="Whether a page that is no glossary is refused.")
    ] = True,
    offline: Annotated[
        bool, typer.Option("--offline", help="Use what was fetched before, and no network.")
    ] = False,
    allow_private: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST", help="Fetch from this host though its address is private; repeatable."),
    ] = None,
    use_proxy: Annotated[
        bool, typer.Option("--use-proxy", help="Go through the proxy that the environment names.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace an output that is not an earlier crawl's.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be fetched and show sample rows; no network.")
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Glossary pages to glossary.csv: terms with their definitions and other names."""
    from embedkit.crawler.crawl import crawl as run

    run(
        sources=sources or (),
        titles=title or (),
        lang=lang,
        api=api,
        urls=url or (),
        from_file=from_file or (),
        output=output,
        limit_per_source=limit_per_source,
        contact=contact,
        select_term=select_term,
        select_definition=select_definition,
        gate=gate,
        offline=offline,
        allow_private=allow_private or (),
        use_proxy=use_proxy,
        force=force,
        dry_run=dry_run,
        as_json=json_,
    )


def register(app: typer.Typer) -> None:
    """Add this room's commands to the command line."""
    app.command("crawl")(crawl)
