"""An evaluation, or several side by side, as one HTML page in the reader's language."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from embedkit.evaluation.records import Evaluation, TermView
from embedkit.evaluation.report.between import NOTE, Comparison, spoken, table
from embedkit.evaluation.verdict import (
    UNITS,
    forgetting_lines,
    language_lines,
    mined_lines,
    particle_lines,
    said,
)
from embedkit.html.render import render, require_charts
from embedkit.ranking.leak import SEEN, UNKNOWN
from embedkit.ranking.metrics import PRIMARY, TITLES


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
        sentence=said(evaluation),
        language_lines=[
            *language_lines(evaluation),
            *particle_lines(evaluation),
            *forgetting_lines(evaluation),
        ],
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

    head, rows = table(comparison)
    return render(
        Path(__file__).with_name("compare.html.jinja"),
        charts={"runs": run_bars(comparison).to_dict(validate=True)},
        c=comparison,
        head=head,
        rows=rows,
        note=NOTE,
        titles=TITLES,
        pairs=[(pair, spoken(pair, comparison)) for pair in comparison.against],
    )


def _term_means(view: TermView) -> Iterator[tuple[str, float, float]]:
    """The mean cosine of names of one concept and of different ones, before and after."""
    from embedkit.evaluation.report.term_charts import mean_cosines

    before, after = (mean_cosines(rows, view.concepts) for rows in (view.before, view.after))
    for name, old, new in zip(
        ("names of one concept", "names of different concepts"), before, after, strict=True
    ):
        if old is not None and new is not None:
            yield name, old, new
