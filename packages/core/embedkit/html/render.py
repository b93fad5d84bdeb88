"""A page as one HTML file that loads nothing: text escaped, charts and their library inline."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from embedkit.extras import require
from embedkit.messages import language, tr

EXTRA = "report"
FOLDER = Path(__file__).parent
FONT = "system-ui, 'Noto Sans KR', 'Malgun Gothic', 'Apple SD Gothic Neo', sans-serif"
CHART_STYLE: Mapping[str, Any] = {
    "background": "transparent",
    "font": FONT,
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--soft)",
        "titleColor": "var(--soft)",
        "gridColor": "var(--line)",
        "domainColor": "var(--line)",
        "tickColor": "var(--line)",
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "labelLimit": 220,
    },
    "legend": {
        "labelColor": "var(--ink)",
        "labelFontSize": 12,
        "orient": "top",
        "title": None,
        "symbolType": "square",
    },
}


def require_charts() -> None:
    """Raise `UserError` when the extra `report` is not installed."""
    for module in ("jinja2", "altair", "vl_convert"):
        require(module, extra=EXTRA)


def render(template: Path, *, charts: Mapping[str, Any], **values: Any) -> str:
    """Fill in a template, which may include those of its folder and of this one.

    `charts` are Vega-Lite specifications by the id of their place.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([template.parent, FOLDER]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page: str = environment.get_template(template.name).render(
        t=tr,
        lang=language(),
        charts=charts,
        charts_json=inline_json({"config": CHART_STYLE, "specs": charts}),
        library=_library(),
        **values,
    )
    return page


@cache
def _library() -> str:
    """Vega, Vega-Lite and vega-embed as one script; putting it together takes over a second."""
    import vl_convert

    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return bundle


def inline_json(value: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c").replace("\u2028", "\\u2028")
