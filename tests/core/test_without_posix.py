"""Windows has neither fcntl nor resource: what needs no POSIX call still runs there."""

import subprocess
import sys
from pathlib import Path

BLOCKED = "import sys; sys.modules['fcntl'] = sys.modules['resource'] = None\n"


def run(code: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", BLOCKED + code]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120)


def test_the_commands_of_core_are_imported(tmp_path: Path) -> None:
    done = run(
        "import embedkit.commands.cache, embedkit.commands.demo, embedkit.commands.doctor\n"
        "from embedkit.commands.child import peak_child_mib\n"
        "assert peak_child_mib() is None\n",
        tmp_path,
    )
    assert done.returncode == 0, done.stderr


def test_a_page_is_crawled(tmp_path: Path) -> None:
    page = "<title>Glossary</title><dl><dt>Aft<dd>At the back of a boat.<dt>Bow<dd>In front on a boat.</dl>"
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    done = run(
        "from embedkit.crawler import CrawlOptions, crawl\n"
        "assert len(crawl(CrawlOptions(from_file=['page.html'])).entries) == 2\n",
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "data" / "glossary.csv").is_file()
