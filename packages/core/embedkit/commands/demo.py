"""`embedkit demo`: the whole path on the shipped glossary pages, offline; each step is a command a user can type."""

from __future__ import annotations

import json
import shutil
import signal
import time
from collections.abc import Iterable
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
ASKED = RUN / "data" / "questions.txt"
# So long may each of two trainings take: the demo is to end within eight minutes on two cores.
MINUTES = 2.5
QUESTIONS = (
    "PWM이 뭐야?",
    "what is a schotky diode good for",
    "tiny glass tube with two metal strips that touch when the door magnet comes near",
    "도체도 부도체도 아닌데 불순물 조금 넣으면 성질이 확 바뀌는 재료",
    "다리를 구멍에 끼워서 뒷면에서 납땜하는 옛날식 부품류",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """Cost of the demo: seconds per step, peak memory of the largest step in MiB (None on Windows), the report."""

    seconds: tuple[tuple[str, float], ...]
    peak_mib: int | None
    report: str


@dataclass(frozen=True, slots=True)
class DemoStep:
    """An embedkit command, and the file that it reads as stdin."""

    arguments: tuple[str, ...]
    read: Path | None = None


class StepError(EmbedkitError):
    """A step failed and has printed why; the demo exits with the same code."""

    def __init__(self, step: str, code: int) -> None:
        super().__init__(
            "the demo stopped at {step!r} (exit {code})", hint="see its message above", step=step, code=code
        )
        self.exit_code = code if code > 0 else EXIT_INTERRUPTED if -code == signal.SIGINT else 1


def demo(*, as_json: bool = False) -> DemoResult:
    """Crawl, compose, train, evaluate, finalize and search under `runs/demo/`; an earlier demo there is replaced.

    Raises:
        UserError: an extra is missing, or `runs/demo/` holds files that no demo wrote.
    """
    require("sentence_transformers", extra="train,demo,report")
    resolve_model(DEFAULT_MODEL, network=False)
    _prepare_folder()
    seconds = tuple((step.arguments[0], _run_step(step)) for step in _steps())
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
        by_step: dict[str, float] = {}
        for name, taken in seconds:
            by_step[name] = by_step.get(name, 0.0) + taken
        out_json({"seconds": by_step, "peak_mib": result.peak_mib, "report": result.report})
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
    write_text(ASKED, "".join(f"{question}\n" for question in QUESTIONS))


def _steps() -> list[DemoStep]:
    data = RUN / "data"
    glossary, pairs, config = (str(data / name) for name in ("glossary.csv", "pairs.jsonl", "cfg.json"))
    run = (f"output.save_dir={RUN.parent}", f"output.save_name={RUN.name}", f"train.max_minutes={MINUTES}")
    questions = (str(data_path(f"questions.{lang}.jsonl")) for lang in ("en", "ko"))
    search = ("search", "-", "--top-k", "1", "--corpus", glossary, "--model")
    return [
        DemoStep(("crawl", "--from-file", str(data_path("pages")), "--output", glossary)),
        DemoStep(("compose", "--input", glossary, *_each("--questions", questions), "--output", pairs)),
        DemoStep(("config", "init", "--pairs", pairs, "--output", config)),
        DemoStep(("train", "--config", config, *_each("--set", run))),
        DemoStep(("evaluate", "--model", str(RUN), "--baseline", DEFAULT_MODEL)),
        DemoStep(("finalize", str(RUN))),
        DemoStep((*search, DEFAULT_MODEL), read=ASKED),
        DemoStep((*search, str(RUN)), read=ASKED),
    ]


def _each(option: str, values: Iterable[str]) -> tuple[str, ...]:
    return tuple(word for value in values for word in (option, value))


def _run_step(step: DemoStep) -> float:
    started, name = time.monotonic(), step.arguments[0]
    code = run_embedkit(step.arguments, read=step.read)
    if code:
        raise StepError(name, code)
    taken = time.monotonic() - started
    say("  {step}: {seconds:.1f} s", step=name, seconds=taken)
    return taken
