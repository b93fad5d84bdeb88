"""An evaluation, or several side by side, as one HTML page in the reader's language."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from embedkit.console import say
from embedkit.errors import UserError
from embedkit.evaluation.records import Evaluation, TermView
from embedkit.evaluation.report.between import NOTE, Comparison, comparison_table, paired_sentence
from embedkit.evaluation.report.plain import advice_lines, loud_lines, plain_lines
from embedkit.evaluation.report.verdict import UNITS, detail_lines, evaluation_sentence, mined_lines
from embedkit.files import write_text
from embedkit.html.render import render, require_charts
from embedkit.ranking.leak import SEEN, UNKNOWN
from embedkit.ranking.metrics import PRIMARY, TITLES

PAGE_FILE = "report.html"


def render_page(evaluation: Evaluation) -> str:
    """The page, about 1 MB, most of it Vega.

    Raises:
        UserError: the extra `report` is not installed.
    """
    require_charts()
    from embedkit.evaluation.report.charts import charts

    return render(
        Path(__file__).with_name("page.html.jinja"),
        charts=charts(evaluation),
        e=evaluation,
        titles=TITLES,
        units=UNITS,
        primary=PRIMARY,
        leak_seen=SEEN,
        leak_unknown=UNKNOWN,
        sentence=evaluation_sentence(evaluation),
        plain_lines=list(plain_lines(evaluation)),
        loud_lines=list(loud_lines(evaluation)),
        advice_lines=list(advice_lines(evaluation)),
        detail_lines=list(detail_lines(evaluation)),
        mined_lines=list(mined_lines(evaluation)),
        term_means=list(_term_means(evaluation.terms)) if evaluation.terms else [],
        run_config=json.dumps(evaluation.run_config, ensure_ascii=False, indent=2),
    )


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
