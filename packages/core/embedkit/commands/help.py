"""What help says of each command: its group, a summary of one line, two examples; and what was meant by a wrong value.

A command that is not in `GROUPS` stands under More with the first line of its own help: rooms need not know this table.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

import typer
from typer.core import TyperGroup

from embedkit.messages import language, tr

UsageError: type[typer.BadParameter] = typer.BadParameter.__mro__[1]  # private in Typer


class CommandHelp(NamedTuple):
    """The line of a command in the list, and what a person may type."""

    summary: str
    examples: tuple[str, ...] = ()


GROUPS: Mapping[str, Mapping[str, CommandHelp]] = {
    "Prepare": {
        "crawl": CommandHelp(
            "Extract terms and definitions from glossary pages.",
            ("crawl --from-file pages/ --dry-run", 'crawl --title "Glossary of video game terms" --lang en'),
        ),
        "compose": CommandHelp(
            "Turn a glossary into training and test rows.",
            ("compose --input electronics.en.csv", "compose -i mine.csv --map term=용어 --map definition=뜻"),
        ),
        "validate": CommandHelp(
            "Check a glossary or training rows, line by line.",
            ("validate data/glossary.csv", "validate data/pairs.jsonl --format github"),
        ),
        "synth": CommandHelp(
            "Make rows from lists of terms through templates.",
            ("synth --dry-run", "synth --pairs-per-term 4 --output data/synth.jsonl"),
        ),
        "ask": CommandHelp(
            "Have a language model write questions for each concept.",
            (
                "ask -i glossary.csv --endpoint http://localhost:11434/v1 --dry-run",
                "ask -i glossary.csv --endpoint http://localhost:11434/v1 --lang ko",
            ),
        ),
        "judge": CommandHelp(
            "Have a language model accept or reject synonyms.",
            (
                "judge --candidates data/synonym_candidates.csv --dry-run",
                "judge -i glossary.csv --endpoint http://localhost:11434/v1",
            ),
        ),
        "embed": CommandHelp(
            "Encode texts to vectors, in shards for several machines.",
            ("embed --input data/glossary.csv", "embed --input data/pairs.jsonl --output data/vectors"),
        ),
        "convert": CommandHelp(
            "Convert rows from and to other projects' formats.",
            (
                "convert --to sentence-transformers --output theirs.jsonl",
                "convert -i theirs.jsonl --from flagembedding --output pairs.jsonl",
            ),
        ),
    },
    "Train": {
        "label": CommandHelp(
            "Have a cross-encoder grade pairs of texts, to train on.",
            (
                "label --input pairs.jsonl --teacher cross-encoder/stsb-roberta-base",
                "label --input pairs.jsonl --teacher my-teacher --force",
            ),
        ),
        "config": CommandHelp("Write, check and explain cfg.json.", ("config init", "config show --origin")),
        "config init": CommandHelp(
            "Write a config that suits the rows.",
            ("config init", "config init --pairs data/pairs.jsonl --force"),
        ),
        "config validate": CommandHelp(
            "Check a config: every problem with its line.",
            ("config validate cfg.json", "config validate cfg.json --json"),
        ),
        "config show": CommandHelp(
            "Print the config that would be used.",
            ("config show", "config show --set train.epochs=2 --origin"),
        ),
        "config schema": CommandHelp(
            "Print the JSON Schema of cfg.json.", ("config schema", "config schema > cfg.schema.json")
        ),
        "train": CommandHelp(
            "Train a model on the rows; the result is runs/NAME/.",
            ("train --dry-run", "train --config cfg.json --set train.epochs=2"),
        ),
        "finalize": CommandHelp(
            "Train a measured recipe again on all rows, to ship it.",
            ("finalize runs/cfg", "finalize runs/cfg --resume"),
        ),
        "compare": CommandHelp(
            "Train with several losses and put them side by side.",
            ("compare --losses mnrl,cosine", "compare --losses mnrl,softmax --set train.epochs=1"),
        ),
        "distill": CommandHelp(
            "Make a small fast model from a tuned one.",
            (
                "distill --model runs/cfg --to static",
                "distill --model runs/cfg --output runs/fast --dimensions 256",
            ),
        ),
    },
    "Prove": {
        "evaluate": CommandHelp(
            "Say whether the model is better: SHIP or not.",
            (
                "evaluate --model runs/cfg",
                "evaluate --model runs/cfg --fail-under ndcg@10=0.6",
            ),
        ),
        "report": CommandHelp(
            "Render an evaluation again, or compare runs.",
            ("report runs/cfg --force", "report runs/first runs/second --format md"),
        ),
    },
    "Use": {
        "search": CommandHelp(
            "Find the entries nearest to a question.",
            ('search "what is PWM used for"', 'search "PWM이 뭐야?" --model runs/cfg --top-k 3'),
        ),
        "similarity": CommandHelp(
            "Compare texts with each other.",
            ('similarity "cat" "dog"', "similarity --file words.txt --function cosine"),
        ),
        "odd-one-out": CommandHelp(
            "Say which of several words belongs least.",
            ("odd-one-out diode transistor banana", "odd-one-out --file words.txt --json"),
        ),
        "classify": CommandHelp(
            "Label texts after the example of a few labelled ones.",
            ("classify --labelled labelled.csv", 'classify "a text" --labelled labelled.csv --method knn'),
        ),
        "cluster": CommandHelp(
            "Put texts into groups.",
            (
                "cluster --input texts.txt --k 5",
                "cluster --input texts.csv --threshold 0.6 --output groups.csv",
            ),
        ),
        "recommend": CommandHelp(
            "Find the terms nearest to a term.",
            ("recommend PWM", "recommend 다이오드 --corpus electronics.ko.csv --top-k 3"),
        ),
        "graph": CommandHelp(
            "Draw the glossary as a map of concepts.",
            ("graph --model runs/cfg", "graph --corpus electronics.en.csv --output map.html"),
        ),
        "faq": CommandHelp(
            "Match questions to answers.",
            (
                "faq --questions asked.txt --answers answers.csv",
                "faq --questions asked.txt --answers answers.csv --top-k 3",
            ),
        ),
    },
    "Serve": {
        "serve": CommandHelp(
            "Answer over HTTP, as OpenAI's embeddings API does.",
            ("serve --model runs/cfg", "serve --model runs/cfg --host 0.0.0.0 --port 8080"),
        ),
        "export": CommandHelp(
            "Convert a model to ONNX or OpenVINO.",
            ("export --model runs/cfg", "export --model runs/cfg --to onnx-int8 --output exports/small"),
        ),
        "deploy": CommandHelp(
            "Write a folder that runs a model in a cloud.",
            ("deploy azure --model runs/cfg", "deploy check deploy/azure"),
        ),
        "deploy azure": CommandHelp(
            "Azure ML: job, endpoint, notebook, workflow.",
            (
                "deploy azure --model runs/cfg",
                "deploy azure --model runs/cfg --output infra --endpoint my-search",
            ),
        ),
        "deploy docker": CommandHelp(
            "Images without torch and for a GPU; compose file.",
            ("deploy docker --model runs/cfg", "deploy docker --model runs/cfg --output image"),
        ),
        "deploy kserve": CommandHelp(
            "Kubernetes and KServe manifests, the image.",
            ("deploy kserve --model runs/cfg", "deploy kserve --model runs/cfg --output k8s"),
        ),
        "deploy hf-endpoint": CommandHelp(
            "A model repository with its handler.",
            ("deploy hf-endpoint --model runs/cfg", "deploy hf-endpoint --model runs/cfg --output endpoint"),
        ),
        "deploy check": CommandHelp(
            "Say what in such a folder would be refused.",
            ("deploy check deploy/azure", "deploy check deploy/docker --json"),
        ),
    },
    "Look after": {
        "ui": CommandHelp(
            "Review, ask and compare runs on a page in the browser.",
            ("ui", "ui --folder project --port 8321 --no-browser"),
        ),
        "demo": CommandHelp("Run the whole path on shipped pages, offline.", ("demo", "demo --json")),
        "doctor": CommandHelp("Check this machine: versions, extras, devices.", ("doctor", "doctor --json")),
        "cache": CommandHelp("See what the cache holds, and clear it.", ("cache info", "cache clear http")),
        "cache info": CommandHelp("List what the cache holds.", ("cache info", "cache info --json")),
        "cache clear": CommandHelp(
            "Remove files from the cache.", ("cache clear", "cache clear vectors --older-than 30 --yes")
        ),
    },
}
_ENTRIES = {name: entry for group in GROUPS.values() for name, entry in group.items()}
# Typer's own words, here so that the catalogue of translations may hold them.
TYPER_WORDS = (
    "Install completion for the current shell.",
    "Show completion for the current shell, to copy it or customize the installation.",
    "Show this message and exit.",
)
HEADINGS = ("Usage:", "Options:", "Arguments:", "Commands:", "[OPTIONS]", TYPER_WORDS[2])
EXTRAS = ("[default:", "[required]", "[env var:", "; default:")  # behind an option's text
# The same for wrong use, the longer of two that begin alike first.
USAGE_WORDS = (
    "No such option: {option} (Possible options: {near})",
    "No such option: {option}",
    "No such command {name}. Did you mean {near}?",
    "No such command {name}.",
    "Invalid value for {option}: {problem}",
    "Missing option {option}. Choose from:\n\t{choices}",
    "Missing option {option}.",
    "Missing argument {option}.",
    "Missing command.",
    "Option {option} requires an argument.",
    "Option {option} does not take a value.",
    "Got unexpected extra argument(s) ({extra})",
    "{value} is not one of {choices}. {near}",
    "{value} is not one of {choices}.",
    "{value} is not a valid {kind}.",
    "{value} is not in the range {limits}.",
    "int range",
    "float range",
    "integer",
    "float",
)
_QUOTED = re.compile(r"'([^']*)'")


class RootGroup(TyperGroup):
    """The command `embedkit`: help in groups, and a suggestion where a value is nearly one of those that there are."""

    def get_command(self, ctx, cmd_name):  # type: ignore[no-untyped-def] # Typer's types are private
        """The command with its examples under its help."""
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            _add_examples(command, cmd_name)
            _translate(command, cmd_name)
            for name, inner in getattr(command, "commands", {}).items():
                _add_examples(inner, f"{cmd_name} {name}")
                _translate(inner, f"{cmd_name} {name}")
        return command

    def format_usage(self, ctx, formatter):  # type: ignore[no-untyped-def]
        """The usage line, in the person's language."""
        formatter.write_usage(ctx.command_path, tr("[OPTIONS] COMMAND [ARGS]..."), prefix=f"{tr('Usage:')} ")

    def format_help_text(self, ctx, formatter):  # type: ignore[no-untyped-def]
        """What embedkit is for, in one line."""
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write(f"{' ' * formatter.current_indent}{tr(self.help or '')}\n")

    def format_options(self, ctx, formatter):  # type: ignore[no-untyped-def]
        """The commands by group, the options, and where to read on."""
        for title, rows in self._grouped():
            with formatter.section(tr(title)):
                formatter.write_dl([(name.ljust(11), summary) for name, summary in rows])
        options = [record for one in self.get_params(ctx) if (record := one.get_help_record(ctx))]
        with formatter.section(tr("Options")):
            formatter.write_dl([(name, tr(text)) for name, text in options])
        formatter.write_paragraph()
        formatter.write(
            tr("`embedkit` alone says what to do next; `embedkit COMMAND -h` gives examples.") + "\n"
        )

    def _grouped(self) -> Iterator[tuple[str, list[tuple[str, str]]]]:
        """Each group that has commands, with (name, summary)."""
        for title, entries in GROUPS.items():
            if rows := [
                (name, tr(entry.summary)) for name, entry in entries.items() if name in self.commands
            ]:
                yield title, rows
        hidden = [name for name, command in self.commands.items() if command.hidden]
        others = [name for name in self.commands if name not in _ENTRIES and name not in hidden]
        if others:
            yield "More", [(name, self.commands[name].get_short_help_str(64)) for name in others]

    def make_context(self, info_name, args, parent=None, **extra):  # type: ignore[no-untyped-def]
        """Read the options of `embedkit` itself."""
        with _helpful():
            return super().make_context(info_name, args, parent=parent, **extra)

    def invoke(self, ctx):  # type: ignore[no-untyped-def]
        """Run the command."""
        with _helpful():
            return super().invoke(ctx)


@contextmanager
def _helpful() -> Iterator[None]:
    """A usage error names the value that was nearly meant, and is in the person's language."""
    try:
        yield
    except UsageError as error:
        if near := meant_value(error.message):
            error.message = f"{error.message} {tr('Did you mean {value}?', value=repr(near))}"
        if language() == "ko":
            error.show = partial(_show, error)  # type: ignore[method-assign]
        raise


def _show(error: typer.BadParameter, file: object = None) -> None:
    """Print a usage error in Korean, as Typer prints it in English."""
    from embedkit.console import say

    if error.ctx is not None:
        path = error.ctx.command_path
        say("{text}", text=error.ctx.get_usage().replace("Usage:", tr("Usage:")))
        say("Try '{command} --help' for help.", command=path)
        say("")
    say("Error: {problem}", problem=translated(error.format_message()))


def translated(text: str) -> str:
    """What Typer says of a wrong use, in the person's language; unknown words stay as they are."""
    for template in USAGE_WORDS:
        pattern = re.escape(template).replace(r"\{", "(?P<").replace(r"\}", ">.+?)")
        if found := re.fullmatch(pattern, text, re.DOTALL):
            return tr(template, **{name: translated(value) for name, value in found.groupdict().items()})
    return text


def _add_examples(command, name: str) -> None:  # type: ignore[no-untyped-def]
    entry = _ENTRIES.get(name)
    if entry is not None and " " in name:
        command.short_help = tr(entry.summary)
    if entry is not None and entry.examples and not command.epilog:
        lines = "\n".join(f"  embedkit {line}" for line in entry.examples)
        command.epilog = f"\b\n{tr('Examples:')}\n{lines}"


def _translate(command, name: str) -> None:  # type: ignore[no-untyped-def]
    """In Korean a command's help, its options' texts and its headings are Korean."""
    entry = _ENTRIES.get(name)
    if language() != "ko" or "get_help" in vars(command):
        return
    original, english = command.get_help, command.help or ""
    summary = tr(entry.summary) if entry and entry.summary else ""

    def get_help(ctx):  # type: ignore[no-untyped-def]
        ctx.formatter_class = _korean_formatter(type(ctx.make_formatter()))  # type: ignore[no-untyped-call]
        korean = tr(english)
        command.help = korean if korean != english else "\n\n".join(filter(None, (summary, english)))
        text = original(ctx)
        command.help = english
        for word in HEADINGS:
            text = text.replace(word, tr(word))
        return text

    command.get_help = get_help


def _korean_formatter(base):  # type: ignore[no-untyped-def]
    """Typer's formatter, with translated texts that are wrapped by columns: a Hangul syllable takes two."""

    class KoreanFormatter(base):  # type: ignore[misc, valid-type]
        def write_dl(self, rows, col_max=30, col_spacing=2):  # type: ignore[no-untyped-def]
            first = min(max((len(name) for name, _ in rows), default=0), col_max) + col_spacing
            columns = max(self.width - first - 2, 10)
            wrapped = [(name, _in_lines(_option_text(text), columns)) for name, text in rows]
            super().write_dl(wrapped, col_max, col_spacing)

        def write_text(self, text):  # type: ignore[no-untyped-def]
            columns = self.width - self.current_indent
            super().write_text("\n\n".join(_in_lines(part, columns) for part in text.split("\n\n")))

    return KoreanFormatter


def _option_text(text: str) -> str:
    """An option's text translated, with Typer's `[default: 5]` behind it."""
    plain, sign, extra = text.rpartition("  [")
    if not sign:
        return tr(text)
    extra = sign + extra
    for word in EXTRAS:
        extra = extra.replace(word, tr(word))
    return tr(plain) + extra


def _in_lines(text: str, columns: int) -> str:
    """A paragraph that Typer leaves as it is, no line wider than `columns` unless one word is."""
    if text.startswith("\b"):
        return text
    from embedkit.text import width

    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if width(longer) > columns and lines[-1]:
            lines.append(word)
        else:
            lines[-1] = longer
    return "\b\n" + "\n".join(lines)


def meant_value(message: str) -> str | None:
    """The choice that a wrong value is nearly, from a message like "'lexcal' is not one of 'auto', 'lexical'."."""
    wrong, sign, choices = message.partition(" is not one of ")
    value = _QUOTED.fullmatch(wrong)
    if not sign or value is None:
        return None
    from difflib import get_close_matches

    near = get_close_matches(value[1].lower(), _QUOTED.findall(choices), n=1, cutoff=0.5)
    return near[0] if near else None
