"""The composer: glossaries and two-column tables to `pairs.jsonl`, split by concept, with hard negatives.

    from embedkit.compose import ComposeOptions, compose

    result = compose(ComposeOptions(inputs=["glossary.csv"], hard_k=3))

`API` names what else there is. A module is imported when one of its names is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from embedkit.compose.encode.records import EmbedOptions as EmbedOptions
    from embedkit.compose.encode.records import EmbedResult as EmbedResult
    from embedkit.compose.encode.run import embed as embed
    from embedkit.compose.export.convert import ConvertOptions as ConvertOptions
    from embedkit.compose.export.convert import ConvertResult as ConvertResult
    from embedkit.compose.export.convert import convert as convert
    from embedkit.compose.llm.ask import ask as ask
    from embedkit.compose.llm.judge import judge as judge
    from embedkit.compose.llm.records import AskOptions as AskOptions
    from embedkit.compose.llm.records import AskResult as AskResult
    from embedkit.compose.llm.records import JudgeOptions as JudgeOptions
    from embedkit.compose.llm.records import JudgeResult as JudgeResult
    from embedkit.compose.run.compose import compose as compose
    from embedkit.compose.run.options import ComposeOptions as ComposeOptions
    from embedkit.compose.run.result import ComposeResult as ComposeResult
    from embedkit.compose.templates.records import SynthOptions as SynthOptions
    from embedkit.compose.templates.records import SynthResult as SynthResult
    from embedkit.compose.templates.run import synth as synth

# A folder imports only itself and those before it.
FOLDERS = ("concepts", "rows", "mine", "export", "encode", "templates", "known", "llm", "check", "run")
API = {
    "llm.judge": ("judge",),
    "llm.records": ("AskOptions", "AskResult", "JudgeOptions", "JudgeResult"),
    "llm.ask": ("ask",),
    "encode.records": ("EmbedOptions", "EmbedResult"),
    "encode.run": ("embed",),
    "export.convert": ("ConvertOptions", "ConvertResult", "convert"),
    "run.compose": ("compose",),
    "run.options": ("ComposeOptions",),
    "run.result": ("ComposeResult",),
    "templates.records": ("SynthOptions", "SynthResult"),
    "templates.run": ("synth",),
}


def __getattr__(name: str) -> object:
    """Import a name of the API from the module that it stands in."""
    for module, names in API.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
