"""The prompts: TOML files with a version, checked, filled in for one entry and hashed for the cache of answers."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedkit.compose.llm.records import STYLES, Call, Style, Subject
from embedkit.errors import UserError
from embedkit.files import read_bytes
from embedkit.shipped_data import data_path
from embedkit.text import dumps

FOLDER = "prompts"
SHOWN_CHARS = 2000  # of a definition: what a model needs of it to ask for it
_FIELDS = {
    "questions": ("entry", "language", "count", "styles"),
    "round_trip": ("entry",),
    "synonyms": ("entry",),
}
_FIELD = re.compile(r"\{(\w+)\}")
_NUMBER = {"type": "integer"}
_TEXT = {"type": "string"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A prompt file. `styles` and `languages` are those of questions."""

    path: Path
    version: str
    system: str
    user: str
    styles: Mapping[str, str]
    languages: Mapping[str, str]

    def filled(self, **values: object) -> str:
        """The user's part with its fields filled in, in one pass: braces in an entry stay what they are."""
        return _FIELD.sub(lambda field: str(values.get(field[1], field[0])), self.user)


def read_prompt(name: str, own: str = "") -> Prompt:
    """The prompt that ships under a name, or a person's own file for it, whose gaps that one fills.

    Raises:
        UserError: the file cannot be read, is no TOML, or lacks what a prompt needs.
    """
    shipped = _toml(data_path(FOLDER) / f"{name}.toml")
    path = Path(own) if own else data_path(FOLDER) / f"{name}.toml"
    value = _toml(path) if own else shipped
    for key in ("version", "system", "user"):
        if not isinstance(value.get(key), str) or not value[key].strip():
            raise UserError(
                "the prompt has no {key}",
                place=str(path),
                hint="a prompt is TOML with version, system and user: {shipped} is one",
                key=key,
                shipped=data_path(FOLDER) / f"{name}.toml",
            )
    missing = [field for field in _FIELDS[name] if "{" + field + "}" not in value["user"]]
    if missing:
        raise UserError(
            "user has no {fields}",
            place=str(path),
            hint="each is filled in once for every call",
            fields=", ".join("{" + field + "}" for field in missing),
        )
    return Prompt(
        path=path,
        version=value["version"].strip(),
        system=value["system"].strip(),
        user=value["user"].strip(),
        styles={**shipped.get("styles", {}), **_texts(value.get("styles"), path)},
        languages={**shipped.get("languages", {}), **_texts(value.get("languages"), path)},
    )


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read_bytes(path).decode("utf-8-sig"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(
            "is no TOML ({error})",
            place=str(path),
            hint="a prompt is TOML with version, system and user",
            error=error,
        ) from None


def _texts(value: object, path: Path) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise UserError("styles and languages are tables of texts", place=str(path))
    return value


def question_call(prompt: Prompt, subject: Subject, *, shape: str, seed: int) -> Call:
    """The call that asks for a subject's questions. `shape` is what else an answer depends on (model, temperature)."""
    entry = subject.entry
    shown = entry_object(entry.term, entry.definition, subject.names)
    wanted = (f"{number}. {prompt.styles[style]}" for number, style in enumerate(subject.styles, start=1))
    user = prompt.filled(
        language=prompt.languages.get(subject.lang.partition("-")[0], subject.lang),
        count=len(subject.styles),
        styles="\n".join(wanted),
        entry=dumps(shown),
    )
    item = _object(number=_NUMBER, question=_TEXT)
    exactly = {"minItems": len(subject.styles), "maxItems": len(subject.styles)}
    schema = _object(questions={"type": "array", "items": item, **exactly})
    return make_call(prompt.system, user, schema, shape=shape, seed=seed)


def choice_call(
    prompt: Prompt, question: str, entries: Sequence[Mapping[str, object]], *, shape: str
) -> Call:
    """The call that asks which of some entries a question means; the answer is a number from 1, or 0."""
    numbered = [{"number": number, **entry} for number, entry in enumerate(entries, start=1)]
    user = prompt.filled(entry=dumps({"question": question, "entries": numbered}))
    return make_call(prompt.system, user, _object(answer=_NUMBER), shape=shape, seed=0)


def synonym_call(prompt: Prompt, sides: Sequence[Mapping[str, object]], *, shape: str, seed: int) -> Call:
    """The call that asks whether two texts name one thing."""
    answers = {"type": "string", "enum": ["same", "different", "unsure"]}
    user = prompt.filled(entry=dumps({"a": sides[0], "b": sides[1]}))
    return make_call(prompt.system, user, _object(answer=answers, reason=_TEXT), shape=shape, seed=seed)


def entry_object(term: str, definition: str, names: Sequence[str] = ()) -> dict[str, object]:
    """An entry as a model is shown it."""
    others = [name for name in names if name != term]
    return {
        "term": term,
        **({"other_names": others} if others else {}),
        **({"definition": definition[:SHOWN_CHARS]} if definition else {}),
    }


def make_call(system: str, user: str, schema: Mapping[str, Any], *, shape: str, seed: int) -> Call:
    """A call and the key that its answer is kept under: all that the answer depends on."""
    told = json.dumps([shape, system, user, schema, seed], ensure_ascii=False)
    key = hashlib.sha256(told.encode()).hexdigest()[:32]
    return Call(key=key, system=system, user=user, schema=schema, seed=seed)


def _object(**fields: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": fields,
        "required": list(fields),
        "additionalProperties": False,
    }


def styles_for(count: int, wanted: Sequence[Style], *, has_other_names: bool) -> tuple[Style, ...]:
    """The styles of so many questions, in turn; none by another name for what has none."""
    fitting = [style for style in wanted if has_other_names or style != "other_name"]
    return tuple(fitting[place % len(fitting)] for place in range(count)) if fitting else ()


def parse_styles(text: str) -> tuple[Style, ...]:
    """`--styles keyword,problem`, by name or number; all of them where nothing is named. Raises `UserError`."""
    if not text:
        return STYLES
    named: dict[str, Style] = {style: style for style in STYLES}
    named.update((str(number), style) for number, style in enumerate(STYLES, start=1))
    found: list[Style] = []
    for word in text.split(","):
        style = named.get(word.strip())
        if style is None:
            raise UserError(
                "--styles has no style {word!r}",
                hint="styles: {styles}",
                word=word.strip(),
                styles=", ".join(f"{n} {style}" for n, style in enumerate(STYLES, start=1)),
            )
        found.append(style)
    return tuple(dict.fromkeys(found))
