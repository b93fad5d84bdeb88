"""An evaluation as one HTML file that loads nothing: text escaped, charts and their library inline."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from embedkit.extras import require
from embedkit.messages import language, tr
from embedkit.trainer.evaluation.leak import SEEN, UNKNOWN
from embedkit.trainer.evaluation.metrics import PRIMARY, TITLES
from embedkit.trainer.evaluation.records import Evaluation
from embedkit.trainer.evaluation.verdict import UNITS, forgetting_lines, language_lines, particle_lines, said

EXTRA = "report"
TEMPLATE = Path(__file__).parent / "page.html.jinja"


def render_page(evaluation: Evaluation) -> str:
    """The page, about 1 MB, most of it Vega.

    Raises:
        UserError: the extra `report` is not installed.
    """
    jinja2 = require("jinja2", extra=EXTRA)
    require("altair", extra=EXTRA)
    require("vl_convert", extra=EXTRA)
    from embedkit.trainer.report.charts import CONFIG, charts

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    specs = charts(evaluation)
    page: str = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        e=evaluation,
        t=tr,
        lang=language(),
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
        charts=specs,
        charts_json=_inline_json({"config": CONFIG, "specs": specs}),
        run_config=json.dumps(evaluation.run_config, ensure_ascii=False, indent=2),
        library=_library(),
    )
    return page


@cache
def _library() -> str:
    """Vega, Vega-Lite and vega-embed as one script; putting it together takes over a second."""
    import vl_convert

    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return bundle


def _inline_json(value: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c").replace("\u2028", "\\u2028")
