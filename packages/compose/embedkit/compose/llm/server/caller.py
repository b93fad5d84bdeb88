"""Many calls at once: each answer kept as it comes, a broken one asked for again once, a stop at the budget."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue

from embedkit.compose.llm.prompt import make_call
from embedkit.compose.llm.records import Answer, Call, EndpointOptions, Usage
from embedkit.compose.llm.server.answers import AnswerStore
from embedkit.compose.llm.server.completion import tokens_in
from embedkit.compose.llm.server.endpoint import Endpoint, NoAnswerError
from embedkit.console import out, say, track
from embedkit.errors import AnswerNoError, ReportedInterrupt, UserError
from embedkit.messages import Phrase, tr

_Result = tuple[int, "Answer | Exception | None"]  # the place of a call, and its answer or what went wrong
FAILURES_IN_A_ROW = (
    5  # calls without an answer, each made again as often as --retries says: the server is gone
)
GRACE_S = 2.0  # for the other calls on their way, when one of them says that no call can succeed
AGAIN = "\n\nYour last answer was no JSON of that form. Answer with the JSON alone."
BUDGET = Phrase("the budget is spent")
TOKENS_A_SECOND = 30.0  # what a small model writes on a laptop; only until there are answers to measure
MILLION = 1_000_000


def shape_of(llm: str, options: EndpointOptions) -> str:
    """What an answer depends on beside prompt and seed: the model, the temperature and the limit of its length."""
    return f"{llm}\x1f{options.temperature:g}\x1f{options.max_tokens}"


def again(call: Call, shape: str) -> Call:
    """The call that is made once more when the answer to the first is broken."""
    return make_call(call.system, call.user + AGAIN, call.schema, shape=shape, seed=call.seed + 1)


@dataclass(slots=True)
class Caller:
    """Makes calls to one model. `usage` adds up what they cost."""

    endpoint: Endpoint
    store: AnswerStore
    llm: str
    options: EndpointOptions
    usage: Usage = field(default_factory=Usage)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _reserved: float = 0.0
    _dearest: float = 0.0
    _failed: int = 0

    def answers(
        self, calls: Sequence[Call], *, worth: Callable[[str], int], label: str
    ) -> list[Answer | None]:
        """The answer to each call; None where none was got, which `usage` counts by reason.

        `worth` says how much of an answer can be used; of nothing, or of one that was cut off, the call is made again
        once, and the better answer is taken.

        Raises:
            UserError: no call can succeed.
            ReportedInterrupt: Ctrl-C; what was answered is kept.
        """
        found: list[Answer | None] = [None] * len(calls)
        done, threads = self._start(calls, worth)
        try:
            for _ in track(range(len(calls)), label=label, total=len(calls)):
                place, result = done.get()
                if isinstance(result, BaseException):
                    raise result
                found[place] = result
        except BaseException as error:
            self.endpoint.stop.set()
            if isinstance(error, KeyboardInterrupt):
                text = "interrupted: {count} answers are kept; the same command goes on"
                say(text, count=self.usage.calls + self.usage.kept)
                raise ReportedInterrupt from None
            if isinstance(error, UserError) and self.usage.calls:
                say(
                    "{count} answers are kept; the same command goes on",
                    count=self.usage.calls + self.usage.kept,
                )
            for thread in threads:
                thread.join(GRACE_S)
            raise
        return found

    def _start(
        self, calls: Sequence[Call], worth: Callable[[str], int]
    ) -> tuple[SimpleQueue[_Result], list[threading.Thread]]:
        """Make the calls in threads that end with the process: Ctrl-C waits for no answer."""
        done: SimpleQueue[_Result] = SimpleQueue()
        left, taking = iter(enumerate(calls)), threading.Lock()

        def work() -> None:
            while True:
                with taking:
                    item = next(left, None)
                if item is None:
                    return
                try:
                    done.put((item[0], self._one(item[1], worth)))
                except Exception as error:  # noqa: BLE001 (raised again where the answers are awaited)
                    done.put((item[0], error))

        threads = [
            threading.Thread(target=work, daemon=True)
            for _ in range(min(self.options.concurrency, len(calls)))
        ]
        for thread in threads:
            thread.start()
        return done, threads

    def _one(self, call: Call, worth: Callable[[str], int]) -> Answer | None:
        first = self._answer(call)
        if first is None or (first.finished and worth(first.text)):
            return first
        second = self._answer(again(call, shape_of(self.llm, self.options)))
        if second is None or worth(second.text) < worth(first.text):
            return first
        return second

    def _answer(self, call: Call) -> Answer | None:
        """The kept answer, else a new one; None where none can be had."""
        if kept := self.store.get(call.key):
            with self._lock:
                self.usage.kept += 1
            return kept
        with self.store.claimed(call.key, self.endpoint.stop):
            if kept := self.store.get(call.key):  # another process has asked for it meanwhile
                with self._lock:
                    self.usage.kept += 1
                return kept
            return self._new_answer(call)

    def _new_answer(self, call: Call) -> Answer | None:
        """A new answer, kept and counted; None where none can be had."""
        most = self._most(call)
        if not self._reserve(most):
            return None
        try:
            answer = self.endpoint.answer(self.llm, call, self.options)
        except NoAnswerError as error:
            self._count_failure(error, most)
            return None
        self.store.put(call.key, self.llm, answer)
        with self._lock:
            self._failed = 0
            self._reserved -= most
            self.usage.calls += 1
            self.usage.tokens_in += answer.tokens_in
            self.usage.tokens_out += answer.tokens_out
            self.usage.price += price(answer.tokens_in, answer.tokens_out, self.options)
        return answer

    def _most(self, call: Call) -> float:
        """The most that a call can cost."""
        return price(tokens_in(call), self.options.max_tokens, self.options)

    def _reserve(self, most: float) -> bool:
        """Set aside what a call may cost; False where the run has stopped or the budget does not allow it."""
        with self._lock:
            budget = self.options.budget
            self._dearest = max(self._dearest, most)
            spent = self.usage.price + self._reserved + most
            if not self.usage.stopped and budget is not None and spent > budget + 1e-12:
                self.usage.stopped = BUDGET
            if self.usage.stopped:
                return False
            self._reserved += most
            return True

    def _count_failure(self, error: NoAnswerError, most: float) -> None:
        with self._lock:
            self._reserved -= most
            self._failed += 1
            reasons = self.usage.unanswered
            if not (self.usage.stopped and self.endpoint.stop.is_set()):
                reasons[error.reason] = reasons.get(error.reason, 0) + 1
            if error.last or self._failed >= FAILURES_IN_A_ROW:
                self.usage.stopped = self.usage.stopped or error.reason
                self.endpoint.stop.set()

    def require_answers(self, found: Sequence[Answer | None]) -> None:
        """Raise `UserError` where not one call got an answer."""
        if any(found) or not found:
            return
        reasons = Counter(self.usage.unanswered).most_common(1)
        reason = reasons[0][0] if reasons else self.usage.stopped
        if reason == BUDGET:
            raise UserError(
                "--budget {budget:g} allows no call: one may cost {price:.4f}",
                hint="a larger --budget, or a smaller --max-tokens",
                budget=self.options.budget,
                price=self._dearest,
            )
        raise UserError(
            "no call got an answer: {reason}",
            place=self.endpoint.address.host,
            hint="try it when the server can answer; --timeout and --retries give it more time",
            reason=tr(reason),
        )

    def require_all_answers(self, found: Sequence[Answer | None]) -> None:
        """Raise `AnswerNoError` where calls failed: how many have no answer, those that were not made among them."""
        if self.usage.unanswered:
            raise AnswerNoError(
                "{count} of {total} calls have no answer",
                hint="the same command asks for these alone",
                count=sum(answer is None for answer in found),
                total=len(found),
            )

    def print_usage(self) -> None:
        """Say what the calls cost, and why some have no answer."""
        usage = self.usage
        text = (
            "{llm}: {calls} calls, {tokens_in} tokens in, {tokens_out} out; {kept} answers were there already"
        )
        fields = {"calls": usage.calls, "kept": usage.kept, "llm": self.llm}
        say(text, **fields, tokens_in=usage.tokens_in, tokens_out=usage.tokens_out)
        if self.options.price_in or self.options.price_out:
            say("price: {price:.4f}", price=usage.price)
        for reason, count in sorted(usage.unanswered.items()):
            say("  {count} without an answer: {reason}", count=count, reason=tr(reason))
        if usage.stopped:
            say("stopped early: {reason}; the same command goes on from here", reason=tr(usage.stopped))


def price(tokens_read: int, tokens_written: int, options: EndpointOptions) -> float:
    """What so many tokens cost."""
    return (tokens_read * options.price_in + tokens_written * options.price_out) / MILLION


def check_prices(options: EndpointOptions) -> None:
    """Raise `UserError` for a budget that nothing is counted against."""
    if options.budget is not None and not (options.price_in or options.price_out):
        raise UserError(
            "--budget needs the prices that it is counted in",
            hint="--price-in and --price-out, each for a million tokens",
        )
    if options.budget is not None and not options.max_tokens and options.price_out:
        raise UserError("--budget needs a limit of --max-tokens", hint="leave it out: it is 1000")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPlan:
    """What calls would cost, of which `kept` have their answers."""

    calls: int
    kept: int
    tokens_in: int
    tokens_out: int
    minutes: float
    measured: bool
    price: float | None

    def to_object(self) -> dict[str, object]:
        """For `--json`."""
        names = ("calls", "kept", "tokens_in", "tokens_out", "minutes", "price")
        return {name: getattr(self, name) for name in names}


def plan_calls(
    calls: Sequence[Call], store: AnswerStore, llm: str, options: EndpointOptions, *, tokens_each: int
) -> CallPlan:
    """What the calls would cost that have no answer yet, if each is answered in so many tokens."""
    missing = [call for call in calls if store.get(call.key) is None]
    read, written = sum(map(tokens_in, missing)), tokens_each * len(missing)
    rate = store.seconds_a_token(llm)
    seconds = written * (rate or 1 / TOKENS_A_SECOND) / max(1, options.concurrency)
    has_price = bool(options.price_in or options.price_out)
    return CallPlan(
        calls=len(missing),
        kept=len(calls) - len(missing),
        tokens_in=read,
        tokens_out=written,
        minutes=round(seconds / 60, 1),
        measured=rate is not None,
        price=round(price(read, written, options), 4) if has_price else None,
    )


def print_plan(plan: CallPlan, samples: Sequence[Call]) -> None:
    """Print what would be asked on stdout: the numbers, and the first prompts as they would be sent."""
    out(tr("{calls} calls; {kept} answers are there already", calls=plan.calls, kept=plan.kept))
    out(
        tr(
            "about {tokens_in} tokens in and {tokens_out} out",
            tokens_in=plan.tokens_in,
            tokens_out=plan.tokens_out,
        )
    )
    how = "about {minutes} minutes, as fast as this model answered before"
    if not plan.measured:
        how = "about {minutes} minutes, if it writes {rate:g} tokens a second"
    out(
        tr(how, minutes=plan.minutes, rate=TOKENS_A_SECOND)
        if not plan.measured
        else tr(how, minutes=plan.minutes)
    )
    out(
        tr("price: {price:.4f}", price=plan.price)
        if plan.price is not None
        else tr("price: --price-in and --price-out say it")
    )
    for number, call in enumerate(samples, start=1):
        out("")
        out(tr("--- prompt {number} of {count} ---", number=number, count=len(samples)))
        out(call.system)
        out("")
        out(call.user)
