"""An evaluation, or several side by side, as one HTML page in the reader's language."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from embedkit.console import say
from embedkit.errors import UserError
from embedkit.evaluation.records import Evaluation, TermView
from embedkit.evaluation.report.between import NOTE, Comparison, comparison_table, paired_sentence
from embedkit.evaluation.report.plain import (
    advice_lines,
    big_numbers,
    loud_lines,
    of_100,
    plain_lines,
    together_lines,
)
from embedkit.evaluation.report.terminal import known_rows, learnt_rows, ranker_rows
from embedkit.evaluation.report.verdict import (
    MEANINGS,
    UNITS,
    detail_lines,
    evaluation_sentence,
    mined_lines,
)
from embedkit.files import write_text
from embedkit.html.render import render, require_charts
from embedkit.ranking.hybrid.shares import DEFAULT_SHARE
from embedkit.ranking.leak import CHOSEN_BY, SEEN, UNKNOWN
from embedkit.ranking.metrics import PRIMARY, TITLES

PAGE_FILE = "report.html"
_CONTENTS = '<nav id="contents">'
# Not those that a script of the charts writes.
_HEADING = re.compile(r"<h2>([^<${]*)</h2>")


def render_page(evaluation: Evaluation) -> str:
    """The page, about 1 MB, most of it Vega.

    Raises:
        UserError: the extra `report` is not installed.
    """
    require_charts()
    from embedkit.evaluation.report.charts import charts

    page = render(
        Path(__file__).with_name("page.html.jinja"),
        charts=charts(evaluation),
        e=evaluation,
        titles=TITLES,
        units=UNITS,
        primary=PRIMARY,
        leak_seen=SEEN,
        leak_chosen=CHOSEN_BY,
        leak_unknown=UNKNOWN,
        sentence=evaluation_sentence(evaluation),
        meaning=MEANINGS.get(evaluation.word, ""),
        big_numbers=list(big_numbers(evaluation)),
        of_100=of_100,
        known_tables=list(_known_tables(evaluation)),
        learnt_rows=learnt_rows(evaluation.known) if evaluation.known else [],
        ranker_rows=ranker_rows(evaluation.known) if evaluation.known else [],
        together_lines=list(together_lines(evaluation.known)) if evaluation.known else [],
        default_percent=f"{100 * DEFAULT_SHARE:.0f}",
        plain_lines=list(plain_lines(evaluation)),
        loud_lines=list(loud_lines(evaluation)),
        advice_lines=list(advice_lines(evaluation)),
        detail_lines=list(detail_lines(evaluation)),
        mined_lines=list(mined_lines(evaluation)),
        term_means=list(_term_means(evaluation.terms)) if evaluation.terms else [],
        run_config=json.dumps(evaluation.run_config, ensure_ascii=False, indent=2),
    )
    return _with_contents(page)


def _with_contents(page: str) -> str:
    """The page with a link to each of the headings that follow the contents list."""
    top, place, rest = page.partition(_CONTENTS)
    titles = _HEADING.findall(rest)
    links = "".join(f'<li><a href="#s{number}">{title}</a></li>' for number, title in enumerate(titles))
    numbers = count()
    rest = _HEADING.sub(lambda found: f'<h2 id="s{next(numbers)}">{found[1]}</h2>', rest)
    return f"{top}{_CONTENTS}<ul>{links}</ul>{rest}" if place else page


def _known_tables(evaluation: Evaluation) -> Iterator[list[tuple[str, ...]]]:
    """The slices of known questions over entries, then over definitions alone."""
    known = evaluation.known
    for slices in (known.slices, known.definitions) if known else ():
        yield known_rows(slices, compared=evaluation.compared)


def render_comparison(comparison: Comparison) -> str:
    """Several runs as one page.

    Raises:
        UserError: the extra `report` is not installed.
    """
    require_charts()
    from embedkit.evaluation.report.charts import run_bars

    head, rows = comparison_table(comparison)
    return render(
        Path(__file__).with_name("compare.html.jinja"),
        charts={"runs": run_bars(comparison).to_dict(validate=True)},
        c=comparison,
        head=head,
        rows=rows,
        note=NOTE,
        titles=TITLES,
        pairs=[(pair, paired_sentence(pair, comparison)) for pair in comparison.against],
    )


def try_write_page(path: Path, evaluation: Evaluation) -> Path | None:
    """Write the page; without the extra `report` say what is missing, and leave no older page behind."""
    try:
        page = render_page(evaluation)
    except UserError as error:
        path.unlink(missing_ok=True)
        say("no {name}: {problem}; {hint}", name=path.name, problem=error.problem, hint=error.hint)
        return None
    write_text(path, page)
    return path


def _term_means(view: TermView) -> Iterator[tuple[str, float, float]]:
    """The mean cosine of names of one concept and of different ones, before and after."""
    from embedkit.evaluation.report.term_charts import mean_cosines

    before, after = (mean_cosines(rows, view.concepts) for rows in (view.before, view.after))
    for name, old, new in zip(
        ("names of one concept", "names of different concepts"), before, after, strict=True
    ):
        if old is not None and new is not None:
            yield name, old, new
