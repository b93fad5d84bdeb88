"""Write docs/cli.md, docs/configuration.md and the shipped JSON Schemas from the code that they describe.

`--check` writes nothing and exits 1 when a file on disk differs.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel
from typer.testing import CliRunner

from embedkit.cli import app
from embedkit.crawler.run.settings import CrawlConfig
from embedkit.data.shapes import FOLDER, FORMATS, NAMES, row_schema
from embedkit.trainer.config import RunConfig
from embedkit.trainer.losses.registry import LOSSES, SECTIONS
from embedkit.trainer.rows.fit import losses_for

ROOT = Path(__file__).resolve().parents[1]
CLI_HEAD = """# Commands

Generated from `--help` by `make docs`. Data goes to stdout, everything else to stderr. Exit codes: 0 done, 1 the work
ran and the answer is no, 2 usage, configuration, bad input or environment, 130 Ctrl-C, 143 SIGTERM after a checkpoint.
"""
CONFIG_HEAD = """# cfg.json

Generated from the configuration classes by `make docs`. Every key is optional; an unknown key is an error. A flag
`--set train.epochs=2` beats the environment variable `EMBEDKIT_TRAIN__EPOCHS=2`, which beats the file, which beats the
default. `embedkit config show --origin` says which won.

| key | type | default | meaning |
|---|---|---|---|
"""
LOSSES_HEAD = """
## Losses

`{{"loss": {{"name": "mnrl", "temperature": 0.1}}}}` in cfg.json, `--set loss.name=mnrl --set loss.temperature=0.1`, or
`EMBEDKIT_LOSS__NAME=mnrl`. The name alone may also stand as `{{"loss": "mnrl"}}` or `{{"train": {{"loss": "mnrl"}}}}`.
A setting that the loss does not have is an error. This release also reads the settings where they stood before, in
section `train`, with a note: {old}, the others under the same names.

| loss | rows | settings | what it does |
|---|---|---|---|
"""
CRAWL_HEAD = """
# crawl --config

The file that `embedkit crawl --config FILE` reads, as strict as cfg.json. An option, or `EMBEDKIT_CONTACT` for the
contact, beats it.

| key | type | default | meaning |
|---|---|---|---|
"""


def main() -> int:
    """Write or check every generated file."""
    os.environ["COLUMNS"] = "100"
    stale = []
    for path, text in generated():
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(path)
        if "--check" not in sys.argv:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for path in stale:
        print(path.relative_to(ROOT))
    return 1 if stale and "--check" in sys.argv else 0


def generated() -> Iterator[tuple[Path, str]]:
    """Each generated file and its text."""
    yield ROOT / "docs" / "cli.md", cli_page()
    yield ROOT / "docs" / "configuration.md", configuration_page()
    for name in FORMATS:
        yield FOLDER / f"{name}.schema.json", _json(row_schema(name))
    yield FOLDER / "config.schema.json", _json(RunConfig.model_json_schema())


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def cli_page() -> str:
    """The help text of the command and every subcommand."""
    runner = CliRunner()
    blocks = []
    for words in [[], *_commands(typer.main.get_command(app), [])]:
        result = runner.invoke(app, [*words, "--help"], prog_name="embedkit", terminal_width=100)
        title = " ".join(["embedkit", *words])
        text = "\n".join(line.rstrip() for line in result.stdout.strip().splitlines())
        blocks.append(f"\n## {title}\n\n```text\n{text}\n```\n")
    return CLI_HEAD + "".join(blocks)


def _commands(group: Any, words: list[str]) -> Iterator[list[str]]:
    for name, command in sorted(group.commands.items()):
        yield [*words, name]
        if hasattr(command, "commands"):
            yield from _commands(command, [*words, name])


def configuration_page() -> str:
    """One table row per key, in the order of the classes."""
    return CONFIG_HEAD + _table(RunConfig) + _losses() + CRAWL_HEAD + _table(CrawlConfig)


def _losses() -> str:
    """One table row per loss, and every loss that fits each shape of rows."""
    renamed = [
        (old, new) for old, new in RunConfig.OLD_KEYS.items() if old.split(".")[1] != new.split(".")[1]
    ]
    old = ", ".join(f"`{old}` is now `{new}`" for old, new in renamed)
    lines = []
    for name, loss in LOSSES.items():
        rows = ", ".join(NAMES[shape] for shape in NAMES if name in losses_for(shape))
        settings = ", ".join(f"`{key}`" for key in SECTIONS[name].model_fields if key != "name") or "none"
        lines.append(f"| `{name}` | {rows} | {settings} | {loss.summary} |\n")
    return LOSSES_HEAD.format(old=old) + "".join(lines)


def _table(model: type[BaseModel]) -> str:
    schema = model.model_json_schema()
    return "".join(f"| {' | '.join(cells)} |\n" for cells in _keys(schema, schema, ""))


def _keys(schema: dict[str, Any], whole: dict[str, Any], prefix: str) -> Iterator[tuple[str, str, str, str]]:
    for name, field in schema["properties"].items():
        kinds = [whole["$defs"][reference] for reference in _references(field)]
        if len(kinds) > 1 and prefix:
            yield f"`{prefix}{name}`", "string \\| section loss \\| null", "`null`", field["description"]
            continue
        if kinds[1:]:
            yield from _settings(kinds, f"{prefix}{name}.")
            continue
        reference = next((r for r in _references(field)), None)
        if reference:
            yield from _keys(whole["$defs"][reference], whole, f"{prefix}{name}.")
            continue
        item = next((r for r in _item_references(field)), None)
        default = json.dumps(field.get("default"), ensure_ascii=False) if "default" in field else ""
        meaning = field.get("description", "").replace("|", "\\|").replace("\n", " ")
        yield f"`{prefix}{name}`", _type(field), f"`{default}`" if default else "", meaning
        if item:
            yield from _keys(whole["$defs"][item], whole, f"{prefix}{name}[].")


def _settings(kinds: list[dict[str, Any]], prefix: str) -> Iterator[tuple[str, str, str, str]]:
    """A row for the name of the loss, and one for each setting with the losses that have it."""
    names = [kind["properties"]["name"]["const"] for kind in kinds]
    default = f'`"{names[0]}"`'
    yield f"`{prefix}name`", " \\| ".join(f"`{name}`" for name in names), default, "The loss: see below."
    for key in dict.fromkeys(key for kind in kinds for key in kind["properties"] if key != "name"):
        having = [kind for kind in kinds if key in kind["properties"]]
        field = having[0]["properties"][key]
        losses = ", ".join(kind["properties"]["name"]["const"] for kind in having)
        everywhere = "Every loss but " + ", ".join(sorted(set(names) - set(losses.split(", "))))
        where = everywhere if len(having) > len(names) / 2 else losses
        default = f"`{json.dumps(field['default'], ensure_ascii=False)}`" if "default" in field else ""
        yield f"`{prefix}{key}`", _type(field), default, f"{where}: {field['description']}"


def _references(field: dict[str, Any]) -> Iterator[str]:
    for option in (field, *field.get("allOf", ()), *field.get("anyOf", ())):
        if "$ref" in option:
            yield option["$ref"].rsplit("/", 1)[-1]


def _item_references(field: dict[str, Any]) -> Iterator[str]:
    for option in (field, *field.get("anyOf", ())):
        yield from _references(option.get("items", {}))


def _type(field: dict[str, Any]) -> str:
    if "$ref" in field:
        return "object"
    if "enum" in field:
        return " \\| ".join(f"`{value}`" for value in field["enum"])
    if "anyOf" in field:
        return " \\| ".join(_type(option) for option in field["anyOf"])
    if field.get("type") == "array":
        return f"list of {_type(field['items'])}"
    return str(field.get("type", field.get("const", "any")))


if __name__ == "__main__":
    sys.exit(main())
