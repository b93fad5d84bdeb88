"""Claim: with many clients `embedkit serve` answers more texts a second than a service that encodes by request.

The peer is the service that one writes first: the same HTTP libraries, `SentenceTransformer.encode` of each request's
texts in a thread, one request after the other. Both run as processes of their own with the same model and threads; the
clients, who each ask for one text and then for the next, run here. Rounds alternate between the two. Texts are names
and definitions of the shipped glossary.

    python benchmarks/serve.py [--clients 1,8,32] [--seconds 8] [--rounds 2]
"""

from __future__ import annotations

import argparse
import csv
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import requests

from embedkit.models.resolve import DEFAULT_MODEL, resolve_model
from embedkit.shipped_data import data_path

PEER = "a request at a time"
OURS = "embedkit serve"
CROWD, BAR = 32, 1.0


def peer() -> None:
    """The peer's process: print the address, then answer."""
    import asyncio
    import socket

    import orjson
    import uvicorn
    from sentence_transformers import SentenceTransformer
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    model = SentenceTransformer(resolve_model(DEFAULT_MODEL).path, device="cpu")
    turn = asyncio.Lock()

    async def embeddings(request: Request) -> Response:
        texts = orjson.loads(await request.body())["input"]
        async with turn:
            vectors = await asyncio.to_thread(
                model.encode, texts, normalize_embeddings=True, show_progress_bar=False
            )
        rows = [{"object": "embedding", "index": n, "embedding": v} for n, v in enumerate(vectors)]
        answer = {"object": "list", "data": rows}
        return Response(
            orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json"
        )

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    app = Starlette(routes=[Route("/v1/embeddings", embeddings, methods=["POST"])])
    print(f"http://127.0.0.1:{port}", flush=True)
    uvicorn.run(app, port=port, log_config=None, access_log=False)


@contextmanager
def running(command: Sequence[str]) -> Iterator[str]:
    """The address of a service, while it runs."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            await_answer(url)
            yield url
        finally:
            process.terminate()


def ask(session: requests.Session, url: str, text: str) -> None:
    """One text, one vector."""
    answer = session.post(f"{url}/v1/embeddings", json={"input": [text]}, timeout=60)
    answer.raise_for_status()


def await_answer(url: str) -> None:
    """Return when the service answers; its port is known a little earlier."""
    for _ in range(100):
        try:
            return ask(requests.Session(), url, "warm")
        except requests.ConnectionError:
            time.sleep(0.1)
    sys.exit(f"{url} does not answer")


def load(url: str, texts: Sequence[str], *, clients: int, seconds: float) -> tuple[float, list[float]]:
    """Texts a second, and the milliseconds that each took."""
    until = time.perf_counter() + seconds

    def client(number: int) -> list[float]:
        draw, took = random.Random(number), []
        with requests.Session() as session:
            while (started := time.perf_counter()) < until:
                ask(session, url, draw.choice(texts))
                took.append(1000 * (time.perf_counter() - started))
        return took

    started = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        took = [ms for one in pool.map(client, range(clients)) for ms in one]
    return len(took) / (time.perf_counter() - started), took


def main() -> int:
    """Measure both in turns and print the table."""
    if sys.argv[1:] == ["--peer"]:
        peer()
        return 0
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", default="1,8,32")
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--rounds", type=int, default=2)
    wanted = parser.parse_args()
    with data_path("electronics.en.csv").open(encoding="utf-8", newline="") as handle:
        texts = [text for row in csv.DictReader(handle) for text in (row["term"], row["definition"])]
    ours = [sys.executable, "-m", "embedkit", "serve", "--model", DEFAULT_MODEL, "--port", "0"]
    print(f"{'service':<22}{'clients':>8}{'texts/s':>9}{'p50 ms':>8}{'p99 ms':>8}")
    kept: dict[tuple[str, int], tuple[list[float], list[float]]] = {}
    counts = [int(count) for count in wanted.clients.split(",")]
    peers = [sys.executable, str(Path(__file__).resolve()), "--peer"]
    with running(ours) as our_url, running(peers) as peer_url:
        for clients in counts:
            for _ in range(wanted.rounds):
                for name, url in ((PEER, peer_url), (OURS, our_url)):
                    rate, took = load(url, texts, clients=clients, seconds=wanted.seconds)
                    rates, all_took = kept.setdefault((name, clients), ([], []))
                    rates.append(rate)
                    all_took += took
            for name in (PEER, OURS):
                rates, all_took = kept[name, clients]
                cuts = statistics.quantiles(all_took, n=100)
                print(f"{name:<22}{clients:>8}{statistics.mean(rates):>9.1f}{cuts[49]:>8.1f}{cuts[98]:>8.1f}")
    missed = 0
    for clients in counts:
        ratio = statistics.mean(kept[OURS, clients][0]) / statistics.mean(kept[PEER, clients][0])
        verdict = "" if clients < CROWD else "  (bar: more)"
        missed += clients >= CROWD and ratio <= BAR
        print(f"{clients} clients: {ratio:.2f} times the texts a second{verdict}")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
