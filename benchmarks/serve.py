"""Claims: under load `embedkit serve` answers at least 1.3 times the texts a second of infinity-emb with torch and
twice with onnx-int8, the slowest hundredth no later; and 2,000 requests leave its memory as it was.

The peers: the service that one writes first (the same HTTP libraries, `SentenceTransformer.encode` of each request's
texts in a thread, one request after the other), and infinity-emb where `--infinity` names a Python that has it:

    python -m venv build/infinity && build/infinity/bin/pip install 'infinity-emb[server,torch]'

All run as processes of their own with the same model and threads; the clients, who each ask for one text and then for
the next, run here. Rounds take turns. Texts are names and definitions of the shipped glossary. A service that does not
start, or leaves a request without an answer for `--patience` seconds, is named in the table, which goes on without it.

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
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import requests

from embedkit.models.resolve import DEFAULT_MODEL, resolve_model
from embedkit.shipped_data import data_path

PEER, INFINITY = "a request at a time", "infinity-emb"
TORCH, INT8 = "embedkit, torch", "embedkit, onnx-int8"
CROWD = 8  # clients from which on the bars hold
BARS = {TORCH: 1.3, INT8: 2.0}
REQUESTS, MOST_GROWTH_MB = 2000, 20
START_SECONDS, END_SECONDS = 120, 10


class NoAnswerError(Exception):
    """A service that does not start or does not answer; the message says which."""


@dataclass(slots=True)
class Measured:
    """What the rounds of one service gave: texts a second, milliseconds a request, seconds of processor time."""

    rates: list[float] = field(default_factory=list)
    took: list[float] = field(default_factory=list)
    cpu_s: float = 0.0
    silent: str = ""  # why it has no numbers


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
            await_answer(url, process)
            yield url, process.pid
        finally:
            end(process)


def end(process: subprocess.Popen[str]) -> None:
    """Ask the process to end, and end it where it does not."""
    process.terminate()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


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


def ask(session: requests.Session, url: str, text: str, patience: float) -> None:
    """One text, one vector. Raises `NoAnswerError`."""
    try:
        body = {"input": [text], "model": "m"}
        answer = session.post(f"{url}/v1/embeddings", json=body, timeout=patience)
        answer.raise_for_status()
    except requests.Timeout as error:
        raise NoAnswerError(f"no answer in {patience:g} s") from error
    except requests.HTTPError as error:
        raise NoAnswerError(f"HTTP {error.response.status_code}") from error
    except requests.RequestException as error:
        raise NoAnswerError(f"no answer: {type(error).__name__}") from error


def await_answer(url: str, process: subprocess.Popen[str]) -> None:
    """Return when the service answers; its port is known a little earlier. Raises `NoAnswerError`."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            return ask(requests.Session(), url, "warm", START_SECONDS / 4)
        except NoAnswerError:
            time.sleep(0.1)
    raise NoAnswerError("ended while starting" if process.poll() is not None else "does not start")


def load(
    url: str, texts: Sequence[str], *, clients: int, seconds: float, patience: float = 30
) -> tuple[float, list[float]]:
    """Texts a second, and the milliseconds that each took. Raises `NoAnswerError` when one never comes."""
    until = time.perf_counter() + seconds

    def client(number: int) -> list[float]:
        draw, took = random.Random(number), []
        with requests.Session() as session:
            while (started := time.perf_counter()) < until:
                ask(session, url, draw.choice(texts), patience)
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
    parser.add_argument("--patience", type=float, default=30, help="seconds after which a request is lost")
    parser.add_argument("--infinity", default="", help="a Python that has infinity-emb")
    wanted = parser.parse_args()
    with data_path("electronics.en.csv").open(encoding="utf-8", newline="") as handle:
        texts = [text for row in csv.DictReader(handle) for text in (row["term"], row["definition"])]
    with ExitStack() as stack:
        services = start(stack, wanted.infinity)
        missed = 0
        for clients in wanted.clients.split(","):
            found = {name: Measured() for name in services}
            measure(services, found, texts, int(clients), wanted)
            missed += print_table(found, int(clients), INFINITY if INFINITY in services else PEER)
            for name in [name for name, one in found.items() if one.silent]:
                del services[name]  # what waits there would slow the others down
        return int(missed + grow(*services[INT8], texts) > 0) if INT8 in services else 1


def start(stack: ExitStack, python: str) -> dict[str, tuple[str, int]]:
    """The address and process of each service that starts."""
    embedkit = [sys.executable, "-m", "embedkit", "serve", "--model", DEFAULT_MODEL, "--name", "m"]
    embedkit += ["--port", "0", "--backend"]
    commands = {PEER: ([sys.executable, str(Path(__file__).resolve()), "--peer"], "")}
    if python:
        port = free_port()
        commands[INFINITY] = infinity(python, port), f"http://127.0.0.1:{port}"
    commands |= {TORCH: ([*embedkit, "torch"], ""), INT8: ([*embedkit, "onnx-int8"], "")}
    services = {}
    for name, (command, url) in commands.items():
        try:
            services[name] = stack.enter_context(running(command, url))
        except (NoAnswerError, OSError) as error:
            print(f"{name}: {error}")
    return services


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def measure(
    services: Mapping[str, tuple[str, int]],
    found: Mapping[str, Measured],
    texts: Sequence[str],
    clients: int,
    wanted: argparse.Namespace,
) -> None:
    """Load the services in turns with so many clients, those left out that did not answer."""
    for _ in range(wanted.rounds):
        for name, (url, process) in services.items():
            one = found[name]
            if one.silent:
                continue
            before = cpu_s(process)
            try:
                rate, times = load(
                    url, texts, clients=clients, seconds=wanted.seconds, patience=wanted.patience
                )
            except NoAnswerError as error:
                one.silent = str(error)
                continue
            one.cpu_s += cpu_s(process) - before
            one.rates.append(rate)
            one.took += times


def slowest(times: Sequence[float]) -> tuple[float, float]:
    """What half of the requests took at most, and what all but the slowest hundredth did."""
    half, last = np.percentile(times, (50, 99))
    return float(half), float(last)


def print_table(found: Mapping[str, Measured], clients: int, peer: str) -> int:
    """One table for so many clients; how many bars were missed."""
    missed = 0
    head = f"{f'{clients} clients':<21}{'texts/s':>9}{'p50 ms':>9}{'p99 ms':>9}{'CPU ms':>9}{'ratio':>8}"
    print(f"\n{head}  to {peer}")
    other = found[peer]
    usual = statistics.mean(other.rates) if not other.silent else 0.0
    for name, one in found.items():
        if one.silent:
            print(f"{name:<21}  {one.silent}", flush=True)
            missed += name in BARS
            continue
        rate, (half, last) = statistics.mean(one.rates), slowest(one.took)
        said = ""
        if name in BARS and clients >= CROWD and peer == INFINITY and usual:
            good = rate >= BARS[name] * usual and last <= slowest(other.took)[1]
            missed += not good
            said = f"  bar {BARS[name]}: {'held' if good else 'MISSED'}"
        ratio = f"{rate / usual:.2f}" if usual else "-"
        spent = 1000 * one.cpu_s / len(one.took)
        print(f"{name:<21}{rate:>9.1f}{half:>9.1f}{last:>9.1f}{spent:>9.1f}{ratio:>8}{said}", flush=True)
    return missed


def grow(url: str, process: int, texts: Sequence[str]) -> int:
    """Whether the memory grows over many requests."""

    def ask_all(count: int) -> float:
        with requests.Session() as session:
            for place in range(count):
                ask(session, url, texts[place % len(texts)], START_SECONDS)
        return resident_mb(process)

    try:
        before = ask_all(200)
        grown = ask_all(REQUESTS) - before
    except NoAnswerError as error:
        print(f"\nmemory over {REQUESTS} requests: {error}")
        return 1
    print(f"\n{REQUESTS} requests: memory {grown:+.1f} MB (bar: under {MOST_GROWTH_MB})")
    return int(grown >= MOST_GROWTH_MB)


if __name__ == "__main__":
    sys.exit(main())
