"""Judge: a language model says of mined candidates whether the two names are one thing; a person can overrule it.

The decision column is what counts: a model fills it where it is empty, and says why in the column beside it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from embedkit.compose.llm.ask import say_where
from embedkit.compose.llm.parse import Verdict, parse_verdict
from embedkit.compose.llm.prompt import Prompt, entry_object, read_prompt, synonym_call
from embedkit.compose.llm.records import Answer, Call, JudgeOptions, JudgeResult
from embedkit.compose.llm.server.address import parse_endpoint
from embedkit.compose.llm.server.answers import open_answers
from embedkit.compose.llm.server.caller import Caller, check_prices, plan_calls, print_plan, shape_of
from embedkit.compose.llm.server.endpoint import open_endpoint
from embedkit.console import out_json, say
from embedkit.data.candidates import JUDGEMENT, Candidate, read_candidates
from embedkit.data.entries import Entry
from embedkit.data.reading import locate, read_columns, read_entries
from embedkit.errors import UserError
from embedkit.files import STDIO, atomic, refuse_existing, refuse_folder
from embedkit.messages import tr
from embedkit.text import fold

TOKENS_A_JUDGEMENT = 40
_Pair = tuple[
    str, str
]  # the two texts of a candidate: a person may move, add and decide rows while a model judges
SAMPLES = 3


@dataclass(frozen=True, slots=True)
class _Open:
    """The candidates of a table, and the places of those that nobody has decided yet."""

    rows: list[Candidate]
    places: list[int]


def judge(options: JudgeOptions) -> JudgeResult | None:
    """Fill in accept or reject for each undecided candidate, with the reason beside it; None with `dry_run`.

    Raises:
        UserError: an option, the table or the endpoint is wrong; nothing is written.
        AnswerNoError: some candidates got no answer (the others are filled in).
    """
    address = parse_endpoint(options.endpoint, allow_plain=options.allow_plain)
    check_prices(options)
    prompt = read_prompt("synonyms", options.prompt)
    if options.dry_run:
        say_where(address, "", dry_run=True)
        _print_plan(options, prompt)
        return None
    with open_endpoint(address, options) as endpoint, open_answers() as store:
        llm = endpoint.choose_model(options.llm)
        say_where(address, llm)
        found = _read(options)
        caller = Caller(endpoint, store, llm, options)
        answers = caller.answers(
            _calls(options, prompt, found, llm),
            worth=lambda text: parse_verdict(text) is not None,
            label=tr("candidates"),
        )
        caller.require_answers(answers)
    return _finish(options, found, answers, caller)


def _read(options: JudgeOptions) -> _Open:
    path = Path(options.candidates)
    if not options.candidates:
        raise UserError(
            "no candidates", hint="--candidates names the synonym_candidates.csv beside your pairs"
        )
    if not options.output and path.suffix.casefold() not in (".csv", ".tsv", ".txt"):
        raise UserError(
            "cannot be filled in where it is: what is written is CSV",
            place=options.candidates,
            hint="--output FILE.csv takes the table",
        )
    if options.candidates == STDIO:
        raise UserError("the candidates are read twice, and stdin can be read once", hint="name a file")
    if options.output:
        refuse_folder(options.output)
        if Path(options.output) != path:
            refuse_existing(options.output, force=options.force)
    rows = read_candidates(path)
    places = [place for place, row in enumerate(rows) if not row.decision]
    return _Open(rows, places[: options.limit or None])


def _calls(options: JudgeOptions, prompt: Prompt, found: _Open, llm: str) -> list[Call]:
    entries = [entry for name in options.inputs for entry in read_entries(locate(name))]
    by_text: dict[str, Entry] = {}
    for entry in entries:
        for text in entry.texts:
            by_text.setdefault(fold(text), entry)
    shape = shape_of(llm, options)
    rows = [found.rows[place] for place in found.places]
    return [synonym_call(prompt, list(_sides(row, by_text)), shape=shape, seed=options.seed) for row in rows]


def _sides(row: Candidate, by_text: dict[str, Entry]) -> Iterator[dict[str, object]]:
    for text, term in ((row.text_a, row.term_a), (row.text_b, row.term_b)):
        entry = by_text.get(fold(text)) or by_text.get(fold(term))
        known = entry_object(entry.term, entry.definition, entry.names) if entry else {"term": term}
        yield {"text": text, **known}


def _print_plan(options: JudgeOptions, prompt: Prompt) -> None:
    calls = _calls(options, prompt, _read(options), options.llm)
    with open_answers() as store:
        plan = plan_calls(calls, store, options.llm, options, tokens_each=TOKENS_A_JUDGEMENT)
    if options.as_json:
        out_json(plan.to_object())
    else:
        print_plan(plan, calls[:SAMPLES])


def _finish(
    options: JudgeOptions, found: _Open, answers: Sequence[Answer | None], caller: Caller
) -> JudgeResult:
    judged: dict[_Pair, tuple[Verdict, str]] = {}
    for place, answer in zip(found.places, answers, strict=True):
        if answer is not None:
            verdict = parse_verdict(answer.text) or ("unsure", tr("its answer was none"))
            judged[found.rows[place].text_a, found.rows[place].text_b] = verdict
    output = options.output or options.candidates
    decisions = _write(Path(options.candidates), Path(output), judged, caller.llm)
    unsure = decisions.count("unsure")
    result = JudgeResult(
        llm=caller.llm,
        candidates=len(found.rows),
        decided_before=sum(bool(row.decision) for row in found.rows),
        accepted=decisions.count("accept"),
        rejected=decisions.count("reject"),
        unsure=unsure,
        usage=caller.usage,
        output=output,
    )
    caller.print_usage()
    say(
        "judge: {accepted} accepted, {rejected} rejected, {unsure} left open, {before} decided before",
        accepted=result.accepted,
        rejected=result.rejected,
        unsure=result.unsure,
        before=result.decided_before,
    )
    say("wrote {outputs}", outputs=output)
    say("look through it: what you write into decision counts; then compose --synonyms {path}", path=output)
    if options.as_json:
        out_json(result.to_object())
    caller.require_all_answers(answers)
    return result


def _write(path: Path, output: Path, judged: dict[_Pair, tuple[Verdict, str]], llm: str) -> list[Verdict]:
    """The table as it is by now, its empty decisions filled in; the verdicts that found such a row."""
    table = read_columns(path)
    names = [*table.names, *([JUDGEMENT] if JUDGEMENT not in table.names else [])]
    written: list[Verdict] = []
    with atomic(output, newline="") as handle:
        handle.write("\ufeff")
        writer = csv.writer(handle)
        writer.writerow(names)
        for row in table.rows:
            cells = dict(zip(table.names, row.cells, strict=True))
            found = judged.get((cells["text_a"].strip(), cells["text_b"].strip()))
            if found and not cells["decision"].strip():
                verdict, reason = found
                written.append(verdict)
                cells["decision"] = "" if verdict == "unsure" else verdict
                cells[JUDGEMENT] = f"{llm}: {verdict}" + (f" ({reason})" if reason else "")
            writer.writerow([cells.get(name, "") for name in names])
    return written
