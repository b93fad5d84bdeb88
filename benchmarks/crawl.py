"""Claim: pages/s over a loopback site of 1,000 pages are at least Scrapy's, politeness off for both.

embedkit fetches one page at a time, keeps every answer in its cache, extracts and writes the glossary; the Scrapy
spider (16 requests at a time, its default) yields `dt`/`dd` pairs to a JSON-lines feed. Whole processes are timed,
alternating, start-up included. Needs Scrapy: `pip install scrapy`, or SCRAPY_PYTHON names an interpreter with it.
Exits 1 when embedkit is slower.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.queues import Queue
from pathlib import Path

PAGES = 1000
ROUNDS = 3
TERMS = 20
SPIDER = """
import sys, scrapy
from scrapy.crawler import CrawlerProcess

class Glossaries(scrapy.Spider):
    name = "glossaries"
    start_urls = open(sys.argv[1]).read().split()

    def parse(self, response):
        for dt in response.css("dt"):
            yield {"term": "".join(dt.css("::text").getall()),
                   "definition": "".join(dt.xpath("following-sibling::dd[1]//text()").getall())}

process = CrawlerProcess({"LOG_ENABLED": False, "ROBOTSTXT_OBEY": False, "DOWNLOAD_DELAY": 0,
    "CONCURRENT_REQUESTS_PER_DOMAIN": 16, "TELNETCONSOLE_ENABLED": False,
    "FEEDS": {sys.argv[2]: {"format": "jsonlines"}}})
process.crawl(Glossaries)
process.start()
"""


class Site(BaseHTTPRequestHandler):
    """A glossary of its own at every address."""

    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16

    def do_GET(self) -> None:
        """Answer with a page, or with no robots.txt."""
        rows = "".join(
            f"<dt id=t{i}>Term {i} of {self.path[1:]}</dt><dd>What the reader should know about part {i} of it.</dd>"
            for i in range(TERMS)
        )
        body = f"<title>Glossary of subject {self.path[1:]}</title><dl>{rows}</dl>".encode()
        self.send_response(404 if self.path == "/robots.txt" else 200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def serve(ports: Queue[int]) -> None:
    """Serve for ever on a free port, which is told first."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    ports.put(server.server_port)
    server.serve_forever()


def seconds(command: list[str], folder: Path) -> float:
    """Wall time of one crawl in an empty folder with an empty cache."""
    environment = {**os.environ, "EMBEDKIT_CACHE": str(folder / "cache")}
    started = time.perf_counter()
    subprocess.run(command, check=True, cwd=folder, env=environment, capture_output=True)
    return time.perf_counter() - started


def main() -> int:
    """Print the table."""
    scrapy = os.environ.get("SCRAPY_PYTHON", sys.executable)
    if subprocess.run([scrapy, "-c", "import scrapy"], capture_output=True).returncode:
        print("Scrapy is not installed: pip install scrapy")
        return 0
    ports: Queue[int] = multiprocessing.Queue()
    server = multiprocessing.Process(target=serve, args=(ports,), daemon=True)
    server.start()
    port = ports.get()
    rounds = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "urls.txt").write_text("".join(f"http://127.0.0.1:{port}/{i}\n" for i in range(PAGES)))
            (folder / "spider.py").write_text(SPIDER)
            ours = [
                sys.executable,
                "-m",
                "embedkit",
                "crawl",
                "--url",
                "urls.txt",
                "--allow-private",
                "127.0.0.1",
            ]
            theirs = [scrapy, "spider.py", "urls.txt", "out.jsonl"]
            rounds.append((seconds(ours, folder), seconds(theirs, folder)))
            files = (folder / "data/glossary.csv", folder / "out.jsonl")
            found = tuple(file.read_text().count("\n") for file in files)
            assert found == (PAGES * TERMS + 1, PAGES * TERMS), found
    mine, peer = (PAGES / statistics.median(column) for column in zip(*rounds, strict=True))
    print(f"{'pages/s':<32}{'embedkit':>10}{'Scrapy':>10}{'ratio':>7}")
    print(f"{f'{PAGES} pages, median of {ROUNDS}':<32}{mine:>10.0f}{peer:>10.0f}{mine / peer:>7.2f}")
    server.terminate()
    return 0 if mine >= peer else 1


if __name__ == "__main__":
    sys.exit(main())
