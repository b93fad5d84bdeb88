"""What a crawl is asked for: one record, checked before anything is fetched."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from embedkit.crawler.output.files import FORMATS
from embedkit.errors import UserError


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawlOptions:
    """The options of `embedkit crawl`; its help describes each. At least one page has to be named.

    `sources`, `titles`, `categories`, `lang`, `api`, `urls`, `from_file` and `from_dump` name pages; `output` is by
    default the file that `FORMATS` has for `format`; `as_json` prints the report as one JSON object.
    """

    sources: Sequence[str] = ()
    titles: Sequence[str] = ()
    categories: Sequence[str] = ()
    lang: str = ""
    api: str = ""
    urls: Sequence[str] = ()
    from_file: Sequence[Path | str] = ()
    from_dump: Sequence[Path | str] = ()
    output: Path | str | None = None
    format: str = "csv"
    limit_per_source: int | None = None
    config: Path | str | None = None
    contact: str = ""
    select_term: str = ""
    select_definition: str = ""
    gate: bool = True
    follow_pages: bool = False
    align: bool = False
    align_to: Sequence[str] = ()
    diff: Path | str | None = None
    spreadsheet_safe: bool = False
    offline: bool = False
    allow_private: Sequence[str] = ()
    use_proxy: bool = False
    force: bool = False
    dry_run: bool = False
    as_json: bool = False

    @property
    def target(self) -> Path | str:
        """The file to write, or `-` for stdout."""
        return self.output or FORMATS[self.format]


def check_options(options: CrawlOptions) -> None:
    """Raise `UserError` for a value that no crawl can have, and for options that contradict each other."""
    if options.format not in FORMATS:
        raise UserError(
            "{format!r} is no format",
            place="--format",
            hint="there are {formats}",
            format=options.format,
            formats=", ".join(FORMATS),
        )
    if bool(options.select_term) != bool(options.select_definition):
        raise UserError("--select-term and --select-definition go together")
    if options.limit_per_source is not None and options.limit_per_source < 1:
        raise UserError("has to be at least 1", place="--limit-per-source")
    if options.spreadsheet_safe and options.format != "csv":
        raise UserError("is for --format csv", place="--spreadsheet-safe")
    for option, code in (("--lang", options.lang), *(("--align-to", code) for code in options.align_to)):
        if code and not re.fullmatch(r"[a-z]{2,3}(?:-[a-z]+)*", code):
            raise UserError(
                "{code!r} is no language code", place=option, hint="for example en, ko or ja", code=code
            )
