"""`embedkit demo`: the whole path on the shipped glossary pages, offline; each step is a command a user can type."""

from __future__ import annotations

import json
import shutil
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from embedkit.commands.child import peak_child_mib, run_embedkit
from embedkit.console import out_json, say
from embedkit.errors import EXIT_INTERRUPTED, EmbedkitError, UserError
from embedkit.extras import require
from embedkit.files import require_writable, write_text
from embedkit.models.resolve import DEFAULT_MODEL, resolve_model
from embedkit.shipped_data import data_path

RUN = Path("runs/demo")
MARKER = "demo.json"
QUESTION = "PWM이 뭐야?"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """Cost of the demo: seconds per step, peak memory of the largest step in MiB (None on Windows), the report."""

    seconds: tuple[tuple[str, float], ...]
    peak_mib: int | None
    report: str


class StepError(EmbedkitError):
    """A step failed and has printed why; the demo exits with the same code."""

    def __init__(self, step: str, code: int) -> None:
        super().__init__(
            "the demo stopped at {step!r} (exit {code})", hint="see its message above", step=step, code=code
        )
        self.exit_code = code if code > 0 else EXIT_INTERRUPTED if -code == signal.SIGINT else 1


def demo(*, as_json: bool = False) -> DemoResult:
    """Crawl, compose, train, evaluate and search under `runs/demo/`; an earlier demo there is replaced.

    Raises:
        UserError: an extra is missing, or `runs/demo/` holds files that no demo wrote.
    """
    require("sentence_transformers", extra="train,demo,report")
    resolve_model(DEFAULT_MODEL, network=False)
    _prepare_folder()
    seconds = tuple((arguments[0], _run_step(arguments)) for arguments in _steps())
    peak, total = peak_child_mib(), sum(taken for _, taken in seconds)
    result = DemoResult(
        seconds=seconds, peak_mib=None if peak is None else round(peak), report=str(RUN / "report.html")
    )
    if peak is None:
        say("demo: {seconds:.0f} s in all", seconds=total)
    else:
        say("demo: {seconds:.0f} s in all, peak memory {peak:.0f} MiB", seconds=total, peak=peak)
    say("open {report} in a browser", report=result.report)
    if as_json:
        out_json({"seconds": dict(seconds), "peak_mib": result.peak_mib, "report": result.report})
    return result


def _prepare_folder() -> None:
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


def _run_step(arguments: Sequence[str]) -> float:
    started = time.monotonic()
    code = run_embedkit(arguments)
    if code:
        raise StepError(arguments[0], code)
    taken = time.monotonic() - started
    say("  {step}: {seconds:.1f} s", step=arguments[0], seconds=taken)
    return taken
