"""What a check finds: a place in a file, and what is wrong there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from embedkit.messages import Phrase, tr


@dataclass(frozen=True, slots=True)
class DeployProblem:
    """One thing that is wrong in a folder; `place` is a file of it, with a key where there is one."""

    place: str
    text: Phrase

    def __str__(self) -> str:
        return f"{self.place}: {tr(self.text)}"


def at(place: str, problem: Phrase | None) -> Iterator[DeployProblem]:
    """The problem at its place, if there is one."""
    if problem is not None:
        yield DeployProblem(place, problem)


# What stands under a key wherever it occurs: keys and values, a list of those, or several with names.
_MAPPINGS = frozenset(
    [
        "code_configuration",
        "distribution",
        "environment_variables",
        "httpGet",
        "inputs",
        "labels",
        "limits",
        "livenessProbe",
        "matchLabels",
        "metadata",
        "metric",
        "on",
        "outputs",
        "pods",
        "podSelector",
        "predictor",
        "push",
        "readinessProbe",
        "request_settings",
        "requests",
        "resources",
        "scaleTargetRef",
        "securityContext",
        "selector",
        "spec",
        "template",
        "with",
    ]
)
_LISTS_OF_MAPPINGS = frozenset({"containers", "metrics", "steps"})
_LISTS = _LISTS_OF_MAPPINGS | {"dependencies", "pip"}
_NAMED_MAPPINGS = frozenset({"jobs", "services"})


def _shape_problem(key: str, value: object) -> Phrase | None:
    if value is None:
        return None
    if key in _NAMED_MAPPINGS and isinstance(value, dict):
        wrong = next((name for name, each in value.items() if not isinstance(each, dict)), None)
        return None if wrong is None else Phrase("{name!r} is no mapping of keys to values", name=wrong)
    if key in _MAPPINGS | _NAMED_MAPPINGS and not isinstance(value, dict):
        return Phrase("is no mapping of keys to values")
    if key in _LISTS and not isinstance(value, list):
        return Phrase("is no list")
    if key in _LISTS_OF_MAPPINGS and not all(isinstance(each, dict) for each in value):  # type: ignore[attr-defined]
        return Phrase("is no list of mappings")
    return None


class DeployFiles:
    """The files of a folder as its checks read them; what cannot be read is a problem, once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.unreadable: list[DeployProblem] = []

    def text(self, name: str) -> str:
        """A file's text, empty where it cannot be read."""
        try:
            return (self.folder / name).read_text(encoding="utf-8")
        except FileNotFoundError:
            self.unreadable.append(DeployProblem(name, Phrase("is missing")))
        except (OSError, ValueError):
            self.unreadable.append(DeployProblem(name, Phrase("cannot be read as text")))
        return ""

    def is_missing(self, name: str) -> bool:
        """Whether there is no such file, which is a problem of its own."""
        return not (self.folder / name).is_file()

    def documents(self, name: str) -> list[dict[str, Any]]:
        """The mappings of a YAML file; `on` stays the text that GitHub means."""
        text = self.text(name)
        try:
            found = list(yaml.load_all(text, Loader=_Loader))
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = f":{mark.line + 1}" if mark else ""
            reason = getattr(error, "problem", None) or "?"
            self.unreadable.append(
                DeployProblem(f"{name}{line}", Phrase("is not YAML: {reason}", reason=reason))
            )
            return []
        if text and not all(isinstance(each, dict) for each in found):
            self.unreadable.append(DeployProblem(name, Phrase("is no mapping of keys to values")))
        return [self._shaped(each, name, "") for each in found if isinstance(each, dict)]

    def _shaped(self, value: Any, name: str, path: str) -> Any:
        """The value without what has another shape than its key says, each of which is a problem."""
        if isinstance(value, list):
            return [self._shaped(each, name, f"{path}[{place}]") for place, each in enumerate(value)]
        if not isinstance(value, dict):
            return value
        kept = {}
        for key, inner in value.items():
            place = f"{path}.{key}" if path else str(key)
            problem = _shape_problem(str(key), inner)
            if problem is None:
                kept[key] = self._shaped(inner, name, place)
            elif DeployProblem(f"{name}: {place}", problem) not in self.unreadable:
                self.unreadable.append(DeployProblem(f"{name}: {place}", problem))
        return kept

    def mapping(self, name: str) -> dict[str, Any]:
        """The one mapping of a YAML file, empty where there is none."""
        return next(iter(self.documents(name)), {})

    def json(self, name: str) -> Any:
        """A JSON file's value, None where it cannot be read."""
        text = self.text(name)
        try:
            return json.loads(text) if text else None
        except ValueError as error:
            self.unreadable.append(DeployProblem(name, Phrase("not JSON: {error}", error=error)))
            return None


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """YAML 1.1 without its on, off, yes and no."""


_Loader.yaml_implicit_resolvers = {
    letter: [
        (tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool" or letter in "tTfF"
    ]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def walk(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Every value of nested mappings and lists with its dotted path."""
    yield path, value
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from walk(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from walk(inner, f"{path}[{place}]")
