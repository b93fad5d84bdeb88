"""Windows has neither fcntl nor resource: what needs no POSIX call still runs there."""

import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("words", [["train"], ["compare", "--losses", "mnrl"]])
def test_a_command_that_needs_torch_says_so_in_two_lines(words: list[str], tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('torch', 'sentence_transformers', 'transformers', 'safetensors'):\n"
        "            raise ModuleNotFoundError(name=name.split('.')[0])\n"
        "sys.meta_path.insert(0, Absent())\n"
        f"sys.argv = ['embedkit', *{words!r}]\n"
        "from embedkit.cli import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "pip install 'embedkit-toolkit[train" in done.stderr
    assert len(done.stderr.splitlines()) == 2
