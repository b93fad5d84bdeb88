"""The calls of `embedkit.api`: each takes what people have at hand, runs a room's work silently, answers with a record.

Rooms are imported by name when they are called: core imports none, and `import embedkit.api` loads nothing heavy.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from embedkit.api.records import FoundEntry, MetricChange, ModelVerdict, SearchHits, TrainedRun
from embedkit.api.tables import Glossary, Pairs
from embedkit.console import kept
from embedkit.errors import UserError
from embedkit.models.run_folder import curves
from embedkit.shipped_data import data_path
from embedkit.text import clean

if TYPE_CHECKING:
    from embedkit.ranking.hybrid.shares import Ranker

ModelName = str | Path | TrainedRun
Table = str | Path | Glossary
# Of a command, and of no use to a caller that gets a record.
_COMMAND_LINE_ONLY = ("as_json", "dry_run", "explain")
_FILES = ("corpus", "known", "similarity")


def crawl(
    *sources: str | Path,
    output: str | Path = "data/glossary.csv",
    force: bool = False,
    verbose: bool = False,
    **options: Any,
) -> Glossary:
    """Extract terms, definitions and other names from glossary pages, and write them to `output`.

    Args:
        sources: Addresses (https://…), saved pages, or folders of them; also under `data/` or shipped, as `pages`.
        output: The file to write.
        force: Replace a file that no crawl wrote, and accept lost terms.
        verbose: Print what the command prints.
        options: Other options of `embedkit crawl`, as `titles=["Glossary of video game terms"]`, `lang="ko"`.

    Raises:
        UserError: a bad option, a page that cannot be read, an output in the way.
        AnswerNoError: a page is not a glossary, or lost a fifth of its terms.
    """
    work, kind = _work("crawler.run.crawl", "crawl"), _work("crawler.run.options", "CrawlOptions")
    urls = [str(source) for source in sources if _is_url(source)]
    files = [_page(source) for source in sources if not _is_url(source)]
    given = {"urls": urls, "from_file": files, **options, "output": output, "force": force}
    with _silent(verbose) as messages:
        done = work(_options(kind, given, call="crawl"))
    return Glossary(entries=done.entries, path=Path(output), messages=tuple(messages))


def compose(
    glossary: Table | Sequence[Table],
    *,
    output: str | Path = "data/pairs.jsonl",
    force: bool = False,
    verbose: bool = False,
    **options: Any,
) -> Pairs:
    """Turn glossaries and two-column tables into training rows with hard negatives, split by concept.

    Args:
        glossary: One or several, each a `Glossary` that is written or the path of a table.
        output: The training rows; the parts that measure lie beside it.
        force: Replace existing rows.
        verbose: Print what the command prints.
        options: Other options of `embedkit compose`, as `hard_k=5`, `miner="lexical"`, `questions=["asked.csv"]`.

    Raises:
        UserError: an input or an option is wrong, or an output is in the way.
    """
    work, kind = _work("compose.run.compose", "compose"), _work("compose.run.options", "ComposeOptions")
    several = [glossary] if isinstance(glossary, str | Path | Glossary) else glossary
    given = {"inputs": [_file(one) for one in several], **options, "output": str(output), "force": force}
    with _silent(verbose) as messages:
        done = work(_options(kind, given, call="compose"))
    return Pairs(path=Path(output), rows=dict(done.rows), concepts=done.concepts, messages=tuple(messages))


def train(
    pairs: Pairs | str | Path,
    *,
    run: str | Path = "runs/run",
    resume: bool = False,
    force: bool = False,
    verbose: bool = False,
    **settings: Any,
) -> TrainedRun:
    """Train a model on rows; the run's folder holds it with its log and card.

    Args:
        pairs: `Pairs`, or the path of training rows of any shape.
        run: The folder to make.
        resume: Go on from the run's last checkpoint.
        force: Replace an existing run.
        verbose: Print what the command prints, with progress.
        settings: What cfg.json may hold, as `model_id="intfloat/multilingual-e5-small"`, `train={"epochs": 2}`,
            `loss="mnrl"`; the rest are the defaults. `**json.load(open("cfg.json"))` gives a whole file.

    Raises:
        UserError: a setting, the model, the rows or the folder is not right; nothing has been written then.
    """
    work, named = _work("trainer.run.train", "run_training"), Path(run)
    path = pairs.path if isinstance(pairs, Pairs) else pairs
    own = {"data.pairs_path": str(path), "output.save_dir": str(named.parent), "output.save_name": named.name}
    sets = [f"{key}={json.dumps(value)}" for key, value in {**dict(_flat(settings)), **own}.items()]
    with _silent(verbose) as messages:
        load, kind = _work("config", "load_config"), _work("trainer.config", "RunConfig")
        done = work(load(kind, None, sets=sets).config, resume=resume, force=force)
    return TrainedRun(
        folder=done.run,
        model=done.model,
        steps=done.steps,
        loss=done.loss,
        seconds=done.seconds,
        device=done.device,
        stopped_early=done.stopped_early,
        curves=curves(done.run),
        messages=tuple(messages),
    )


def evaluate(
    model: ModelName,
    *,
    baseline: ModelName | None = None,
    test: str | Path | Pairs | None = None,
    output: str | Path | None = None,
    verbose: bool = False,
    **options: Any,
) -> ModelVerdict:
    """Compare a model with its baseline on rows that training has not seen, and say whether to ship it.

    Args:
        model: A `TrainedRun`, a run, a folder or a hub id.
        baseline: The model to compare with. None: the one that the run started from.
        test: The test rows; of `Pairs` their part `test`. None: those beside the run's training rows.
        output: The folder for metrics.json, queries.jsonl and report.html. None: the run.
        verbose: Print what the command prints.
        options: Other options of `embedkit evaluate`, as `resamples=1000`, `floor=["recall@1=0.5"]`.

    Raises:
        UserError: a file or model is missing or bad.
        AnswerNoError: test rows were trained on, or the model misses a bound of `fail_under`.
    """
    work, kind = _work("evaluation.evaluate", "evaluate"), _work("evaluation.plan", "EvaluateOptions")
    rows = test.path.with_name(f"{test.path.stem}.test.jsonl") if isinstance(test, Pairs) else test
    given = {
        **{
            name: Path(value) if name in ("corpus", "known", "similarity") else value
            for name, value in options.items()
        },
        "model": _model(model),
        "baseline": None if baseline is None else _model(baseline),
        "test": None if rows is None else Path(rows),
        "output": None if output is None else Path(output),
    }
    asked = _options(kind, given, call="evaluate")
    with _silent(verbose) as messages:
        found = work(asked)
        folder = asked.output or _output_folder(asked.model)
    return ModelVerdict(
        word=found.word,
        sentence=found.sentence,
        model=found.model.name,
        baseline=found.baseline.name if found.compared else "",
        metrics=tuple(_metrics(found)),
        folder=folder,
        report=page if (page := folder / "report.html").is_file() else None,
        messages=tuple(messages),
    )


@overload
def search(  # type: ignore[overload-overlap] # a text is a sequence of texts; the first signature takes it
    query: str,
    *,
    model: ModelName | None = None,
    corpus: Table | None = None,
    top_k: int = 5,
    ranker: Ranker = "auto",
    verbose: bool = False,
) -> SearchHits: ...
@overload
def search(
    query: Sequence[str],
    *,
    model: ModelName | None = None,
    corpus: Table | None = None,
    top_k: int = 5,
    ranker: Ranker = "auto",
    verbose: bool = False,
) -> tuple[SearchHits, ...]: ...
def search(
    query: str | Sequence[str],
    *,
    model: ModelName | None = None,
    corpus: Table | None = None,
    top_k: int = 5,
    ranker: Ranker = "auto",
    verbose: bool = False,
) -> SearchHits | tuple[SearchHits, ...]:
    """Find the glossary entries nearest to a question or a term. Of several queries the model is loaded once.

    Args:
        query: A text, or several.
        model: A `TrainedRun`, a run, a folder or a hub id. None: the newest run in runs/, else the default model.
        corpus: A `Glossary` that is written, or the path of a table or pairs. None: what the run was trained on.
        top_k: How many entries.
        ranker: `dense` is the model alone, `lexical` words alone, `hybrid` both together; `auto` what the run's dev
            questions say, for each language.
        verbose: Print what the command prints.

    Raises:
        UserError: an empty query, or a model or corpus that is missing.
    """
    work, kind = _work("explore.search", "search_all"), _work("explore.search", "SearchOptions")
    queries = [clean(text) for text in ([query] if isinstance(query, str) else query)]
    given = {
        "query": "",
        "model": None if model is None else _model(model),
        "corpus": None if corpus is None else Path(_file(corpus)),
        "top_k": top_k,
        "ranker": ranker,
    }
    with _silent(verbose) as messages:
        found = work(queries, _options(kind, given, call="search"))
    results = tuple(_hits(one, tuple(messages)) for one in found)
    return results[0] if isinstance(query, str) else results


def _work(module: str, name: str) -> Any:
    """A function or class of a room, by the full path of its module: rooms export some under names of modules."""
    return getattr(import_module(f"embedkit.{module}"), name)


@contextmanager
def _silent(verbose: bool) -> Iterator[list[str]]:
    if verbose:
        yield []
        return
    with kept() as messages:
        yield messages


def _options(kind: Any, given: Mapping[str, Any], *, call: str) -> Any:
    """The room's options record. Raises `TypeError`, as Python does, for a name that it does not have."""
    known = [field.name for field in fields(kind) if field.name not in _COMMAND_LINE_ONLY]
    for name in given:
        if name not in known and name != "query":
            from difflib import get_close_matches

            near = get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join(known)}"
            raise TypeError(f"{call}() got an unexpected keyword argument {name!r}{hint}")
    return kind(**given)


def _is_url(source: str | Path) -> bool:
    return str(source).startswith(("http://", "https://"))


def _page(source: str | Path) -> str:
    """A saved page or folder: as named, under `data/`, or shipped; what is nowhere is left for crawl to refuse."""
    places = (Path(source), Path("data") / source, data_path(str(source)))
    return str(next((path for path in places if path.exists()), source))


def _file(table: Table) -> str:
    if not isinstance(table, Glossary):
        return str(table)
    if table.path is None:
        raise UserError(
            "this glossary is in no file yet", hint='glossary.write("data/glossary.csv") gives one'
        )
    return str(table.path)


def _model(model: ModelName) -> str:
    return str(model.folder if isinstance(model, TrainedRun) else model)


def _output_folder(model: str) -> Path:
    """Where evaluate writes that is told no folder."""
    run = _work("models.run_folder", "run_of")(_work("models.resolve", "resolve_model")(model, final=False))
    folder: Path = run.folder if run else _work("evaluation.plan", "DEFAULT_OUTPUT")
    return folder


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The dotted keys of nested settings."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(value) if isinstance(value, Path) else value


def _metrics(found: Any) -> Iterator[MetricChange]:
    measured: list[tuple[Any, Any]] = [("unseen", one) for one in found.metrics]
    if found.known is not None:
        measured = [*(("known", one) for one in found.known.deciding.fused), *measured]
    if found.forgetting is not None:
        measured.append(("everyday", found.forgetting.metric))
    for aspect, one in measured:
        interval = one.difference_interval
        yield MetricChange(
            aspect=aspect,
            name=one.name,
            before=one.before,
            after=one.after,
            difference=one.difference,
            low=interval.low if interval else None,
            high=interval.high if interval else None,
            bm25=one.bm25,
        )


def _hits(found: Any, messages: tuple[str, ...]) -> SearchHits:
    hits = tuple(
        FoundEntry(rank=hit.rank, score=hit.score, term=hit.term, definition=hit.text, lang=hit.lang)
        for hit in found.hits
    )
    return SearchHits(
        query=found.query,
        model=found.model,
        corpus=found.corpus,
        entries=found.entries,
        hits=hits,
        messages=messages,
    )
