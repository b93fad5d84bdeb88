"""The composer: glossaries and two-column tables to `pairs.jsonl`, split by concept, with hard negatives.

    from embedkit.compose import ComposeOptions, compose

    result = compose(ComposeOptions(inputs=["glossary.csv"], hard_k=3))

What stands in `__all__` is the Python API; it is imported at its first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from embedkit.compose.encode.records import EmbedOptions, EmbedResult
    from embedkit.compose.encode.run import embed
    from embedkit.compose.export.convert import ConvertOptions, ConvertResult, convert
    from embedkit.compose.run.compose import compose
    from embedkit.compose.run.options import ComposeOptions
    from embedkit.compose.run.result import ComposeResult
    from embedkit.compose.templates.records import SynthOptions, SynthResult
    from embedkit.compose.templates.run import synth

__all__ = [
    "ComposeOptions",
    "ComposeResult",
    "ConvertOptions",
    "ConvertResult",
    "EmbedOptions",
    "EmbedResult",
    "SynthOptions",
    "SynthResult",
    "compose",
    "convert",
    "embed",
    "synth",
]
# A folder imports only itself and those before it.
FOLDERS = ("concepts", "rows", "mine", "export", "encode", "templates", "check", "run")
_MODULES = {
    "ComposeOptions": "run.options",
    "ComposeResult": "run.result",
    "ConvertOptions": "export.convert",
    "ConvertResult": "export.convert",
    "EmbedOptions": "encode.records",
    "EmbedResult": "encode.records",
    "SynthOptions": "templates.records",
    "SynthResult": "templates.records",
    "compose": "run.compose",
    "convert": "export.convert",
    "embed": "encode.run",
    "synth": "templates.run",
}


def __getattr__(name: str) -> object:
    """Import a name of the API from the module that it stands in."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
