"""Sources to documents, in order: hosts in parallel, the pages of one host one after another."""

from __future__ import annotations

import hashlib
import queue
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence

from embedkit.console import warn
from embedkit.crawler.fetch import cache, urls
from embedkit.crawler.fetch.client import Fetcher
from embedkit.crawler.sources import mediawiki
from embedkit.crawler.sources.documents import Document, PageSource
from embedkit.crawler.sources.kinds import kind_of
from embedkit.errors import UserError

_Result = tuple[int, list[Document] | BaseException]


def documents(planned: Sequence[PageSource], fetcher: Fetcher) -> Iterator[Document]:
    """Yield the pages in order. An interrupted run continues: pages it had checked are not requested again.

    Raises:
        UserError: a page that cannot be read, unless it is one of a folder or category.
    """
    key = hashlib.sha256("\n".join(sorted(s.request for s in planned)).encode()).hexdigest()
    online = not all(kind_of(s).local for s in planned)
    if online:
        fetcher.since = cache.begin(key)
    wanted = [page for source in planned for page in mediawiki.expand(source, fetcher)]
    try:
        yield from _in_order(wanted, fetcher)
    except BaseException:
        fetcher.stopped = True
        raise
    if online:
        cache.finish(key)


def _in_order(wanted: Sequence[PageSource], fetcher: Fetcher) -> Iterator[Document]:
    fetched = _fetched([(i, s) for i, s in enumerate(wanted) if not kind_of(s).local], fetcher)
    early: dict[int, list[Document] | BaseException] = {}
    for index, source in enumerate(wanted):
        if kind_of(source).local:
            yield from _tolerant(source, kind_of(source).load(source, fetcher))
            continue
        while index not in early:
            number, result = next(fetched)
            early[number] = result
        yield from _tolerant(source, _opened(early.pop(index)))


def _opened(result: list[Document] | BaseException) -> Iterator[Document]:
    if isinstance(result, BaseException):
        raise result
    yield from result


def _tolerant(source: PageSource, pages: Iterator[Document]) -> Iterator[Document]:
    try:
        yield from pages
    except UserError as error:
        if not source.optional or source.kind == "dump":
            raise
        warn("{error}", error=error)


def _fetched(pages: Sequence[tuple[int, PageSource]], fetcher: Fetcher) -> Iterator[_Result]:
    """Results as they arrive, one thread per host. Daemon threads: Ctrl-C does not wait for them."""
    hosts: dict[str, list[tuple[int, PageSource]]] = defaultdict(list)
    for index, source in pages:
        hosts[urls.host_of(source.request)].append((index, source))
    results: queue.SimpleQueue[_Result] = queue.SimpleQueue()
    for host, mine in hosts.items():
        threading.Thread(target=_ask_host, args=(mine, fetcher, results), name=host, daemon=True).start()
    for _ in pages:
        yield results.get()


def _ask_host(
    pages: Sequence[tuple[int, PageSource]], fetcher: Fetcher, results: queue.SimpleQueue[_Result]
) -> None:
    failed: BaseException | None = None
    current: list[PageSource] = []
    try:
        current = mediawiki.with_latest([s for _, s in pages], fetcher)
    except Exception as error:  # noqa: BLE001 (raised again where the results are read)
        failed = error
    for position, (index, _) in enumerate(pages):
        try:
            results.put((index, failed or list(kind_of(current[position]).load(current[position], fetcher))))
        except Exception as error:  # noqa: BLE001 (raised again where the results are read)
            results.put((index, error))
    cache.close()
