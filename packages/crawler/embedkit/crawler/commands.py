"""Command signature of the crawler."""

from pathlib import Path
from typing import Annotated

import typer


def crawl(
    sources: Annotated[
        list[str] | None,
        typer.Option("--sources", help="wikipedia_glossary, custom_urls, or both with a comma between them."),
    ] = None,
    title: Annotated[
        list[str] | None,
        typer.Option(help="Title of a wiki page; repeatable. Default: Glossary of video game terms."),
    ] = None,
    category: Annotated[
        list[str] | None,
        typer.Option(
            help="Wiki category to crawl the pages of, as Category:Glossaries of science; repeatable."
        ),
    ] = None,
    lang: Annotated[str, typer.Option(help="Language of the Wikipedia: en, ko, ja, ... Default: en.")] = "",
    api: Annotated[str, typer.Option(help="Address of another MediaWiki's api.php.")] = "",
    url: Annotated[
        list[str] | None,
        typer.Option(help="Address of a page, a file of addresses, or - for stdin; repeatable."),
    ] = None,
    from_file: Annotated[
        list[Path] | None,
        typer.Option(
            help="A page or file (HTML, Markdown, TBX, SKOS, CSV, ...), a folder or a .zip of them; repeatable."
        ),
    ] = None,
    from_dump: Annotated[
        list[Path] | None,
        typer.Option(help="A Wikimedia Enterprise dump (.ndjson, .ndjson.gz, .tar.gz); repeatable."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="File to write; - is stdout. Default: data/glossary.csv or .jsonl, data/pairs.jsonl."
        ),
    ] = None,
    form: Annotated[
        str, typer.Option("--format", help="csv, jsonl, or pairs (term and definition as training rows).")
    ] = "csv",
    limit_per_source: Annotated[
        int | None, typer.Option(help="Keep at most this many entries of each source. Default: all.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="A JSON file with contact, pace_s, attempts, timeouts, max_mib, allow_private."),
    ] = None,
    contact: Annotated[
        str, typer.Option(envvar="EMBEDKIT_CONTACT", help="Your e-mail or web address, for the User-Agent.")
    ] = "",
    select_term: Annotated[str, typer.Option(help="CSS selector of the terms, instead of detection.")] = "",
    select_definition: Annotated[str, typer.Option(help="CSS selector of the definitions.")] = "",
    gate: Annotated[
        bool, typer.Option("--gate/--no-gate", help="Refuse a page that is not a glossary.")
    ] = True,
    follow_pages: Annotated[
        bool,
        typer.Option(
            "--follow-pages", help="Read the other pages of a glossary that is split: A-L, M-Z, next."
        ),
    ] = False,
    align: Annotated[
        bool,
        typer.Option(
            "--align", help="Pair language versions by anchors and Wikipedia links, into translations.csv."
        ),
    ] = False,
    align_to: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LANG",
            help="Language of the Wikipedia links to follow; repeatable. Default: ko, or en for Korean.",
        ),
    ] = None,
    diff: Annotated[
        Path | None,
        typer.Option(metavar="OLD.csv", help="List the terms added, changed and removed since OLD.csv."),
    ] = None,
    spreadsheet_safe: Annotated[
        bool,
        typer.Option(
            "--spreadsheet-safe", help="Put an apostrophe before cells that a spreadsheet would run."
        ),
    ] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="Read pages from the cache only, without network.")
    ] = False,
    allow_private: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HOST[:PORT]", help="Allow a host with a private address or an unusual port; repeatable."
        ),
    ] = None,
    use_proxy: Annotated[
        bool, typer.Option("--use-proxy", help="Use the proxy that HTTP_PROXY and HTTPS_PROXY name.")
    ] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="Replace the output even if no crawl wrote it or terms would be lost."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be fetched, with sample rows; no network.")
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Extract terms, definitions and other names from glossary pages into glossary.csv."""
    from embedkit.crawler import CrawlOptions
    from embedkit.crawler import crawl as run

    run(
        CrawlOptions(
            sources=sources or (),
            titles=title or (),
            categories=category or (),
            lang=lang,
            api=api,
            urls=url or (),
            from_file=from_file or (),
            from_dump=from_dump or (),
            output=output,
            format=form,
            limit_per_source=limit_per_source,
            config=config,
            contact=contact,
            select_term=select_term,
            select_definition=select_definition,
            gate=gate,
            follow_pages=follow_pages,
            align=align,
            align_to=align_to or (),
            diff=diff,
            spreadsheet_safe=spreadsheet_safe,
            offline=offline,
            allow_private=allow_private or (),
            use_proxy=use_proxy,
            force=force,
            dry_run=dry_run,
            as_json=json_,
        )
    )


def register(app: typer.Typer) -> None:
    """Add this room's commands to the command line."""
    app.command("crawl")(crawl)
