"""`embedkit demo`: the whole path on the glossaries that ship, offline, each step the command a user would type."""

from __future__ import annotations

import json
import resource
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from embedkit.commands.child import run_embedkit
from embedkit.console import out_json, say
from embedkit.data.shipped import data_path
from embedkit.errors import EXIT_INTERRUPTED, EmbedkitError, UserError
from embedkit.extras import require
from embedkit.files import require_writable, write_text
from embedkit.models.resolve import DEFAULT_MODEL, resolve_model

RUN = Path("runs/demo")
MARKER = "demo.json"
QUESTION = "PWM이 뭐야?"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """What the demo took: seconds per step, peak memory of the largest step in MiB, the report."""

    seconds: tuple[tuple[str, float], ...]
    peak_mib: float
    report: str


class StepError(EmbedkitError):
    """A step failed and has already said why; its exit code becomes the demo's."""

    def __init__(self, step: str, code: int) -> None:
        super().__init__(
            "the demo stopped at {step!r} (exit {code})",
            hint="its message stands above",
            step=step,
            code=code,
        )
        self.exit_code = code if code > 0 else EXIT_INTERRUPTED if -code == signal.SIGINT else 1


def demo(*, as_json: bool = False) -> DemoResult:
    """Crawl, compose, train, evaluate and search under `runs/demo/`; an earlier demo there is replaced.

    Raises:
        UserError: an extra is missing, or `runs/demo/` holds something that is not a demo's.
    """
    require("sentence_transformers", extra="train,demo,report")
    resolve_model(DEFAULT_MODEL, network=False)
    _make_room()
    seconds = tuple((arguments[0], _step(arguments)) for arguments in _steps())
    usage = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    peak_mib = usage / (1024 * 1024 if sys.platform == "darwin" else 1024)
    result = DemoResult(seconds=seconds, peak_mib=peak_mib, report=str(RUN / "report.html"))
    say(
        "demo: {seconds:.0f} s in all, peak memory {peak:.0f} MiB",
        seconds=sum(taken for _, taken in seconds),
        peak=peak_mib,
    )
    say("open {report} in a browser", report=result.report)
    if as_json:
        out_json({"seconds": dict(seconds), "peak_mib": round(peak_mib), "report": result.report})
    return result


def _make_room() -> None:
    if RUN.exists():
        if not (RUN / MARKER).is_file():
            raise UserError(
                "holds something that is not a demo",
                place=str(RUN),
                hint="move it away, or work in another folder",
            )
        shutil.rmtree(RUN)
    require_writable(RUN / "data")
    write_text(RUN / MARKER, json.dumps({"made_by": "embedkit demo"}) + "\n")


def _steps() -> list[list[str]]:
    data = RUN / "data"
    run = [f"output.save_dir={RUN.parent}", f"output.save_name={RUN.name}"]
    return [
        ["crawl", "--from-file", str(data_path("pages")), "--output", str(data / "glossary.csv")],
        [
            "compose",
            "--input",
            str(data / "glossary.csv"),
            "--hard-k",
            "3",
            "--output",
            str(data / "pairs.jsonl"),
        ],
        ["config", "init", "--pairs", str(data / "pairs.jsonl"), "--output", str(data / "cfg.json")],
        ["train", "--config", str(data / "cfg.json"), *(word for item in run for word in ("--set", item))],
        ["evaluate", "--model", str(RUN), "--baseline", DEFAULT_MODEL],
        ["search", QUESTION, "--model", str(RUN)],
    ]


def _step(arguments: Sequence[str]) -> float:
    started = time.monotonic()
    code = run_embedkit(arguments)
    if code:
        raise StepError(arguments[0], code)
    taken = time.monotonic() - started
    say("  {step}: {seconds:.1f} s", step=arguments[0], seconds=taken)
    return taken
