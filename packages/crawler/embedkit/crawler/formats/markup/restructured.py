"""reStructuredText to HTML by docutils, with Sphinx's `glossary` directive; files and raw HTML are not included."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from embedkit.crawler.formats.content import Content
from embedkit.extras import require

_ROLE = re.compile(r":([\w:+.-]+):`")
_DIRECTIVE = re.compile(r"^\s*\.\.\s+([\w:-]+)::", re.MULTILINE)
_TARGET = re.compile(r"^(.*?)\s*<[^<>]+>$", re.DOTALL)
_KNOWN = (
    "glossary",
    "admonition",
    "note",
    "warning",
    "list-table",
    "csv-table",
    "table",
    "contents",
    "container",
    "topic",
)
_SETTINGS = {
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "report_level": 5,
    "halt_level": 5,
    "embed_stylesheet": False,
    "doctitle_xform": True,
    "input_encoding": "unicode",
    "output_encoding": "unicode",
    "_disable_config": True,
    "smart_quotes": False,
}


def read(text: str) -> Content:
    """The page that docutils makes; roles and directives that only Sphinx knows show their text."""
    core = require("docutils.core", extra="formats")
    _register(text)
    html = core.publish_string(text, writer="html5", settings_overrides=_SETTINGS)
    return Content(html=html if isinstance(html, str) else html.decode("utf-8"))


def _register(text: str) -> None:
    """Teach docutils the roles and directives of a text that it does not know."""
    from docutils import nodes
    from docutils.parsers.rst import Directive, directives, roles

    def role(
        name: str, raw: str, shown: str, line: int, inliner: Any, *_: Any
    ) -> tuple[list[Any], list[Any]]:
        match = _TARGET.match(shown)
        return [nodes.inline(raw, (match[1] if match else shown).lstrip("!~"))], []

    class GlossaryDirective(Directive):  # type: ignore[misc]
        """A definition list of the class glossary; several terms in a row share a definition."""

        has_content = True
        option_spec: ClassVar[dict[str, Any]] = {"sorted": directives.flag}

        def run(self) -> list[Any]:
            lines = [line for line in self.content if not line.startswith(".. ")]
            node = nodes.container()
            self.state.nested_parse(type(self.content)(_runs(lines), "glossary"), self.content_offset, node)
            for found in node.findall(nodes.definition_list):
                found["classes"].append("glossary")
            return list(node.children)

    class Ignored(Directive):  # type: ignore[misc]
        """A directive of Sphinx: its content is text."""

        has_content = True
        optional_arguments = 100
        final_argument_whitespace = True

        def run(self) -> list[Any]:
            node = nodes.container()
            self.state.nested_parse(self.content, self.content_offset, node)
            return list(node.children)

    for name in set(_ROLE.findall(text)):
        if name not in ("math", "sub", "sup", "code", "emphasis", "strong", "literal"):
            roles.register_local_role(name, role)
    directives.register_directive("glossary", GlossaryDirective)
    for name in set(_DIRECTIVE.findall(text)) - set(_KNOWN):
        directives.register_directive(name, Ignored)


def _runs(lines: list[str]) -> list[str]:
    """Terms in a row get the definition of the last one: docutils knows one term for each definition."""
    out: list[str] = []
    for at, line in enumerate(lines):
        following = next((x for x in lines[at + 1 :] if x.strip()), "")
        blank = at + 1 < len(lines) and not lines[at + 1].strip()
        if line.strip() and not line[:1].isspace():
            out.append(_term(line))
            if following and not following[:1].isspace() and not blank:
                out += [f"   See {_term(following).strip()}.", ""]
        else:
            out.append(line)
    return out


def _term(line: str) -> str:
    """A line of terms without the key that it is sorted by."""
    return re.sub(r"\s+:\s.*$", "", line)
