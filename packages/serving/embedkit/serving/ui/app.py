"""The page: three views (review, ask, runs) rendered here, and the few changes that their script posts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, get_args

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from embedkit.data.jsonl import BadLineError, parse_object, require_whole_characters
from embedkit.data.manifest import manifest_path, read_manifest
from embedkit.errors import UserError
from embedkit.messages import language, tr
from embedkit.models.corpus import composed_corpus
from embedkit.ranking.hybrid.shares import Ranker
from embedkit.serving.ui.ask import AskedModels, find_entry
from embedkit.serving.ui.guard import PageGuard, PageSecrets
from embedkit.serving.ui.negatives import NegativeQueue
from embedkit.serving.ui.questions import AskedBeforeError, OwnQuestions
from embedkit.serving.ui.review import (
    DecisionFile,
    EntryTexts,
    ReviewQueue,
    StaleDecisionError,
    SynonymQueue,
    undecided,
)
from embedkit.serving.ui.runs import RunRow, list_runs, report_of
from embedkit.serving.ui.work import WorkFiles, find_work, state_of
from embedkit.text import clean, language_of

_PAGES = Path(__file__).with_name("pages")
_ASSETS = {"ui.css": "text/css", "ui.js": "text/javascript"}
# A report is somebody's file: its scripts run, but not as this page.
_REPORT_POLICY = "; ".join(
    (
        "sandbox allow-scripts",
        "default-src 'none'",
        "script-src 'unsafe-inline'",
        "style-src 'unsafe-inline'",
        "img-src data:",
    )
)
_MOST_BODY = 1 << 16
_MOST_TERMS = 5000
_SHOWN_DECIDED = 200
RANKERS: tuple[Ranker, ...] = get_args(Ranker)
KINDS = ("synonyms", "negatives")
Answer = Callable[[Request], Awaitable[Response]]


@dataclass
class _Desk:
    """The work of one pair of files: read when it is first needed, and again when the training rows change."""

    files: WorkFiles
    seen: object = None
    table: DecisionFile = field(init=False)

    def __post_init__(self) -> None:
        self.table = DecisionFile(self.files.candidates)

    @cached_property
    def texts(self) -> EntryTexts:
        """The entries of the glossaries that the training rows were made of."""
        if self.files.pairs is None:
            return EntryTexts(())
        try:
            return EntryTexts(composed_corpus(self.files.pairs)[0])
        except UserError:
            return EntryTexts(())  # what is wrong with the rows is told where they are read

    @cached_property
    def synonyms(self) -> ReviewQueue:
        """What compose proposed."""
        return SynonymQueue(self.table, self.texts)

    @cached_property
    def negatives(self) -> ReviewQueue:
        """The hard negatives of the training rows."""
        assert self.files.pairs is not None  # noqa: S101 (asked for where there are rows)
        return NegativeQueue(self.files.pairs, self.table, self.texts)

    def has(self, kind: str) -> bool:
        """Whether there is anything of a kind to decide on."""
        return self.files.candidates.is_file() if kind == "synonyms" else self.files.pairs is not None

    def queue(self, kind: str) -> ReviewQueue:
        """The pairs of a kind."""
        return self.synonyms if kind == "synonyms" else self.negatives


class LocalPage:
    """The views and changes of one folder, which is the working directory."""

    def __init__(self, secrets: PageSecrets) -> None:
        import jinja2

        self._secrets, self._models, self._desk = secrets, AskedModels(), _Desk(find_work())
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_PAGES),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def _html(self, template: str, **values: Any) -> HTMLResponse:
        page = self._templates.get_template(template)
        return HTMLResponse(
            page.render(
                t=tr,
                lang=language(),
                lang_of=language_of,
                token=self._secrets.header,
                folder=Path.cwd(),
                **values,
            )
        )

    def _work(self) -> _Desk:
        """The desk of the files that are here now."""
        files = find_work()
        seen = (files, state_of(files.pairs))
        if self._desk.seen != seen:
            self._desk = _Desk(files, seen)
        return self._desk

    def review(self, kind: str, request: Request) -> Response:
        """`GET /review/KIND`: the pair of `?at=KEY`, else the first that nobody decided."""
        desk = self._work()
        shared = {
            "view": "review",
            "kind": kind,
            "files": desk.files,
            "command": _compose_command(desk.files),
        }
        if not desk.has(kind):
            return self._html("review.html.jinja", **shared, absent=True, problem="")
        try:
            items = desk.queue(kind).items()
        except UserError as error:
            return self._html("review.html.jinja", **shared, absent=False, problem=str(error))
        at = request.query_params.get("at", "")
        item = next((one for one in items if one.key == at), None) or next(undecided(items), None)
        following = next(undecided(items, item.key), None) if item else None
        decided = [one for one in items if one.decision]
        return self._html(
            "review.html.jinja",
            **shared,
            absent=False,
            problem="",
            item=item,
            number=items.index(item) + 1 if item else 0,
            following=following.key if following else "",
            total=len(items),
            accepted=sum(one.decision == "accept" for one in decided),
            decided=len(decided),
            shown=decided[:_SHOWN_DECIDED],
            version=desk.table.version,
        )

    def decide(self, kind: str, body: Mapping[str, str]) -> Response:
        """`POST /review/KIND`: `{key, decision, expected, version}`."""
        desk = self._work()
        if not desk.has(kind):
            return _refusal(UserError("there is nothing to decide on here"))
        key, decision = _text(body, "key"), _text(body, "decision")
        reread = _text(body, "version") != desk.table.version
        try:
            desk.queue(kind).decide(key, decision, expected=_text(body, "expected"))
            following = next(undecided(desk.queue(kind).items(), key), None)
        except StaleDecisionError as error:
            told = {
                "accept": tr("Somebody accepted this pair meanwhile; nothing was written."),
                "reject": tr("Somebody rejected this pair meanwhile; nothing was written."),
            }
            message = told.get(error.decision) or tr("Somebody took the decision back; nothing was written.")
            return JSONResponse({"error": message, "reload": True}, 409)
        except UserError as error:
            return _refusal(error)
        notice = (
            tr("{file} had changed and was read again.", file=desk.files.candidates.name) if reread else ""
        )
        return JSONResponse({"following": following.key if following else "", "notice": notice})

    def ask(self, request: Request) -> Response:
        """`GET /ask?run=…&q=…&ranker=…`."""
        runs = [run for run in list_runs() if run.trained]
        chosen = _chosen(runs, request.query_params.get("run", ""))
        question = clean(request.query_params.get("q", ""))
        ranker = _ranker(request.query_params.get("ranker"))
        desk, found, problem = self._work(), None, ""
        terms: Sequence[str] = ()
        if chosen and question:
            try:
                found = self._models.ask(chosen.folder, question, ranker=ranker, pairs=desk.files.pairs)
                entries = self._models.entries(chosen.folder, desk.files.pairs)
                terms = sorted({entry.term for entry in entries})[:_MOST_TERMS]
            except UserError as error:
                problem = str(error)
        return self._html(
            "ask.html.jinja",
            view="ask",
            runs=runs,
            chosen=chosen,
            question=question,
            ranker=ranker,
            found=found,
            problem=problem,
            terms=terms,
            files=desk.files,
            command=_compose_command(desk.files, questions=True),
        )

    def add_question(self, body: Mapping[str, str]) -> Response:
        """`POST /questions`: `{run, question, key}` or `{run, question, term}`."""
        files = self._work().files
        chosen = _chosen([run for run in list_runs() if run.trained], _text(body, "run"))
        if chosen is None:
            return _refusal(UserError("there is no run here"))
        try:
            entries = self._models.entries(chosen.folder, files.pairs)
            entry = find_entry(entries, _text(body, "key"), clean(_text(body, "term")))
            count = OwnQuestions(files.questions).add(_text(body, "question"), entry, entries)
        except AskedBeforeError as error:
            text = "{file} has this question already, for {entry}; nothing was added."
            return JSONResponse({"error": tr(text, file=files.questions, entry=error.entry)}, 409)
        except UserError as error:
            return _refusal(error)
        text = "Added for {entry}: {file} has {count} questions now."
        return JSONResponse({"message": tr(text, entry=entry.term, file=files.questions, count=count)})

    def runs(self, _: Request) -> Response:
        """`GET /runs`."""
        return self._html("runs.html.jinja", view="runs", runs=list_runs())

    def report(self, request: Request) -> Response:
        """`GET /runs/{name}/report.html`, as somebody else's page."""
        path = report_of(request.path_params["name"])
        if path is None:
            return self.missing()
        return FileResponse(path, media_type="text/html", headers={"content-security-policy": _REPORT_POLICY})

    def missing(self) -> Response:
        """What is nowhere."""
        page = self._html("missing.html.jinja", view="")
        page.status_code = 404
        return page


def make_page(secrets: PageSecrets) -> Starlette:
    """The ASGI app over the working directory."""
    page = LocalPage(secrets)
    routes = [
        Route("/", _redirect),
        Route("/review", _redirect),
        *(Route(f"/review/{kind}", _threaded(partial(page.review, kind))) for kind in KINDS),
        *(Route(f"/review/{kind}", _posted(partial(page.decide, kind)), methods=["POST"]) for kind in KINDS),
        Route("/ask", _threaded(page.ask)),
        Route("/questions", _posted(page.add_question), methods=["POST"]),
        Route("/runs", _threaded(page.runs)),
        Route("/runs/{name}/report.html", _threaded(page.report)),
        Route("/assets/{name}", _asset),
    ]

    async def missing(request: Request, error: Exception) -> Response:
        return page.missing()

    return Starlette(
        routes=routes,
        middleware=[Middleware(PageGuard, secrets=secrets)],
        exception_handlers={404: missing},
    )


def _threaded(view: Callable[[Request], Response]) -> Answer:
    async def answer(request: Request) -> Response:
        return await run_in_threadpool(view, request)

    return answer


def _posted(change: Callable[[Mapping[str, str]], Response]) -> Answer:
    async def answer(request: Request) -> Response:
        raw = b""
        async for chunk in request.stream():
            raw += chunk
            if len(raw) > _MOST_BODY:
                return JSONResponse({"error": tr("The text is too long.")}, 413)
        try:
            body = parse_object(raw)
            require_whole_characters(body)
        except BadLineError:
            body = {}
        if not body or not all(isinstance(value, str) for value in body.values()):
            return JSONResponse({"error": tr("This is not allowed.")}, 400)  # our own script sends none such
        return await run_in_threadpool(change, body)

    return answer


async def _redirect(_: Request) -> Response:
    return RedirectResponse(f"/review/{KINDS[0]}", 303)


async def _asset(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _ASSETS:
        return JSONResponse({"error": "unknown"}, 404)
    return FileResponse(_PAGES / name, media_type=_ASSETS[name])


def _text(body: Mapping[str, str], name: str) -> str:
    return body.get(name, "")


def _ranker(name: str | None) -> Ranker:
    return next((ranker for ranker in RANKERS if ranker == name), RANKERS[0])


def _chosen(runs: Sequence[RunRow], name: str) -> RunRow | None:
    """The run of that name, else the newest."""
    return next((run for run in runs if run.name == name), next(iter(runs), None))


def _refusal(error: UserError) -> Response:
    return JSONResponse({"error": str(error)}, 422)


def _compose_command(files: WorkFiles, *, questions: bool = False) -> str:
    """The command that reads what was decided or asked."""
    inputs: tuple[str, ...] = ()
    if files.pairs is not None and manifest_path(files.pairs).is_file():
        try:
            inputs = tuple(read_manifest(manifest_path(files.pairs)).inputs)
        except UserError:
            inputs = ()
    tables = [name for name in inputs if Path(name).name not in (files.candidates.name, files.questions.name)]
    words = ["embedkit compose", *(f"--input {_shown(name)}" for name in tables or ["glossary.csv"])]
    if questions:
        words.append(f"--questions {files.questions}")
    if not questions or files.candidates.is_file():
        words.append(f"--synonyms {files.candidates}")
    if files.pairs is not None and str(files.pairs) != "data/pairs.jsonl":
        words.append(f"--output {files.pairs}")
    return " ".join([*words, "--force"])


def _shown(name: str) -> str:
    """A path as a person types it: shipped tables by their name."""
    from embedkit.shipped_data import data_path

    path = Path(name)
    short = path.name if path == data_path(path.name) else name
    return f'"{short}"' if " " in short else short
