"""Claims: under load `embedkit serve` answers at least 1.3 times the texts a second of infinity-emb with torch and
twice with onnx-int8, the slowest hundredth no later; and 2,000 requests leave its memory as it was.

The peers: the service that one writes first (the same HTTP libraries, `SentenceTransformer.encode` of each request's
texts in a thread, one request after the other), and infinity-emb where `--infinity` names a Python that has it:

    python -m venv build/infinity && build/infinity/bin/pip install 'infinity-emb[server,torch]'

All run as processes of their own with the same model and threads; the clients, who each ask for one text and then for
the next, run here. Rounds take turns. Texts are names and definitions of the shipped glossary.

    python benchmarks/serve.py [--clients 1,8,32,128] [--seconds 8] [--rounds 2] [--infinity build/infinity/bin/python]
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import requests

from embedkit.models.resolve import DEFAULT_MODEL, resolve_model
from embedkit.shipped_data import data_path

PEER, INFINITY = "a request at a time", "infinity-emb"
TORCH, INT8 = "embedkit, torch", "embedkit, onnx-int8"
CROWD = 8  # clients from which on the bars hold
BARS = {TORCH: 1.3, INT8: 2.0}
REQUESTS, MOST_GROWTH_MB = 2000, 20


def peer() -> None:
    """The peer's process: print the address, then answer."""
    import asyncio

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
def running(command: Sequence[str], url: str = "") -> Iterator[tuple[str, int]]:
    """The address and process of a service, while it runs; `url` where it does not print it."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            url = url or process.stdout.readline().strip()
            await_answer(url)
            yield url, process.pid
        finally:
            process.terminate()


def infinity(python: str, port: int) -> list[str]:
    """The command of infinity-emb with torch on the processor."""
    path = resolve_model(DEFAULT_MODEL).path
    options = ["--model-id", path, "--port", str(port), "--url-prefix", "/v1", "--engine", "torch"]
    options += ["--device", "cpu", "--no-bettertransformer", "--served-model-name", "m", "--batch-size", "32"]
    return [str(Path(python).with_name("infinity_emb")), "v2", *options]


def cpu_s(process: int) -> float:
    """Seconds of processor time of a process: what is left of a difference when the machine is busy with others."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(process: int) -> float:
    """The memory of a process."""
    pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 1e6


def ask(session: requests.Session, url: str, text: str) -> None:
    """One text, one vector."""
    answer = session.post(f"{url}/v1/embeddings", json={"input": [text], "model": "m"}, timeout=300)
    answer.raise_for_status()


def await_answer(url: str) -> None:
    """Return when the service answers; its port is known a little earlier."""
    for _ in range(1200):
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
    parser.add_argument("--clients", default="1,8,32,128")
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--infinity", default="", help="a Python that has infinity-emb")
    wanted = parser.parse_args()
    with data_path("electronics.en.csv").open(encoding="utf-8", newline="") as handle:
        texts = [text for row in csv.DictReader(handle) for text in (row["term"], row["definition"])]
    with ExitStack() as stack:
        bare = [sys.executable, str(Path(__file__).resolve()), "--peer"]
        services = {PEER: stack.enter_context(running(bare))}
        if wanted.infinity:
            port = free_port()
            url = f"http://127.0.0.1:{port}"
            services[INFINITY] = stack.enter_context(running(infinity(wanted.infinity, port), url))
        for name, backend in ((TORCH, "torch"), (INT8, "onnx-int8")):
            command = [sys.executable, "-m", "embedkit", "serve", "--model", DEFAULT_MODEL, "--name", "m"]
            command += ["--port", "0", "--backend", backend]
            services[name] = stack.enter_context(running(command))
        missed = sum(compare(services, texts, int(clients), wanted) for clients in wanted.clients.split(","))
        return int(missed + grow(*services[INT8], texts) > 0)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def compare(
    services: Mapping[str, tuple[str, int]], texts: Sequence[str], clients: int, wanted: argparse.Namespace
) -> int:
    """One table for so many clients; how many bars were missed."""
    rates, took = {name: [] for name in services}, {name: [] for name in services}
    cpu = dict.fromkeys(services, 0.0)
    for _ in range(wanted.rounds):
        for name, (url, process) in services.items():
            before = cpu_s(process)
            rate, times = load(url, texts, clients=clients, seconds=wanted.seconds)
            cpu[name] += cpu_s(process) - before
            rates[name].append(rate)
            took[name] += times
    peer, missed = INFINITY if INFINITY in services else PEER, 0
    late = {name: statistics.quantiles(times, n=100) for name, times in took.items()}
    print(
        f"\n{f'{clients} clients':<21}{'texts/s':>9}{'p50 ms':>9}{'p99 ms':>9}{'CPU ms':>9}{'ratio':>8}  to {peer}"
    )
    for name in services:
        rate = statistics.mean(rates[name])
        ratio = rate / statistics.mean(rates[peer])
        bar = BARS.get(name, 0) if clients >= CROWD and peer == INFINITY else 0
        good = ratio >= bar and (not bar or late[name][98] <= late[peer][98])
        missed += not good
        said = f"  bar {bar}: {'held' if good else 'MISSED'}" if bar else ""
        spent = 1000 * cpu[name] / len(took[name])
        print(
            f"{name:<21}{rate:>9.1f}{late[name][49]:>9.1f}{late[name][98]:>9.1f}{spent:>9.1f}{ratio:>8.2f}{said}"
        )
    return missed


def grow(url: str, process: int, texts: Sequence[str]) -> int:
    """Whether the memory grows over many requests."""
    with requests.Session() as session:
        for place in range(200):
            ask(session, url, texts[place % len(texts)])
        before = resident_mb(process)
        for place in range(REQUESTS):
            ask(session, url, texts[place % len(texts)])
    grown = resident_mb(process) - before
    print(f"\n{REQUESTS} requests: memory {grown:+.1f} MB (bar: under {MOST_GROWTH_MB})")
    return int(grown >= MOST_GROWTH_MB)


if __name__ == "__main__":
    sys.exit(main())
