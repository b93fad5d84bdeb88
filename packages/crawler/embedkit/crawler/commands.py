"""Command signatures of the crawler: Typer options and help, then one call into the room."""

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
    category: Annotated[
        list[str] | None,
        typer.Option(
            help="A wiki category whose pages are crawled, as Category:Glossaries of science; repeatable."
        ),
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
    from_dump: Annotated[
        list[Path] | None,
        typer.Option(help="A Wikimedia Enterprise dump (.ndjson, .ndjson.gz, .tar.gz); repeatable."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="The file to write; - is stdout. Default: data/glossary.csv, .jsonl, data/pairs.jsonl."
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
        str,
        typer.Option(envvar="EMBEDKIT_CONTACT", help="Your e-mail or web address, for the User-Agent."),
    ] = "",
    select_term: Annotated[str, typer.Option(help="CSS selector of the terms, where you know better.")] = "",
    select_definition: Annotated[str, typer.Option(help="CSS selector of the definitions.")] = "",
    gate: Annotated[
        bool, typer.Option("--gate/--no-gate", help="Whether a page that is no glossary is refused.")
    ] = True,
    align: Annotated[
        bool,
        typer.Option(
            "--align", help="Pair language versions by anchors and Wikipedia links: translations.csv."
        ),
    ] = False,
    align_to: Annotated[
        list[str] | None,
        typer.Option(metavar="LANG", help="Language of the links to follow; repeatable. Default: ko, or en."),
    ] = None,
    diff: Annotated[
        Path | None, typer.Option(metavar="OLD.csv", help="List added, changed and removed terms.")
    ] = None,
    spreadsheet_safe: Annotated[
        bool, typer.Option("--spreadsheet-safe", help="An apostrophe before cells a spreadsheet would run.")
    ] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="Use what was fetched before, and no network.")
    ] = False,
    allow_private: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HOST[:PORT]",
            help="Fetch from this host though its address is private or its port unusual; repeatable.",
        ),
    ] = None,
    use_proxy: Annotated[
        bool, typer.Option("--use-proxy", help="Go through the proxy that the environment names.")
    ] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Replace an output that is no earlier crawl's, shrank or has other pages."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be fetched and show sample rows; no network.")
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Glossary pages to glossary.csv: terms with their definitions and other names."""
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
