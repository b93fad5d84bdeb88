"""An OpenAI-compatible endpoint: which models it has, and an answer to a prompt in whatever form it can be asked.

The client follows no redirect and, to this machine and private networks, uses no proxy: texts go to the host that was
named and nowhere else.
"""

from __future__ import annotations

import math
import os
import ssl
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from functools import partial
from random import Random
from types import ModuleType
from typing import Any, Literal
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from embedkit.compose.llm.records import KEY_VARIABLE, Answer, Call, EndpointOptions
from embedkit.compose.llm.server.address import Address
from embedkit.compose.llm.server.completion import answer_in, parse_completion
from embedkit.console import say
from embedkit.errors import UserError
from embedkit.extras import require
from embedkit.messages import Phrase, tr
from embedkit.text import clean, dumps, shorten

MOST_MB = 8  # of what a server sends for one call
MOST_WAIT_S = 600.0
FIRST_WAIT_S, LONGEST_BACK_OFF_S = 0.5, 30.0
SHOWN_MODELS = 12
NO_LLM = "answers, but is no OpenAI-compatible endpoint"
NO_LLM_HINT = "its address usually ends in /v1"
MODEL_HINT = "--llm names a model that it has"
AGAIN = (408, 409, 425, 429)
_OPTIONAL = ("response_format", "temperature", "seed", "max_tokens", "max_completion_tokens")
_SPENT = ("insufficient_quota", "insufficient credit", "insufficient balance")
Format = Literal["json_schema", "json_object with schema", "json_object", ""]
_SIMPLER: dict[Format, Format] = {
    "json_schema": "json_object with schema",
    "json_object with schema": "json_object",
    "json_object": "",
}


class NoAnswerError(Exception):
    """A call that got no answer, as often as it was made; `reason` is why."""

    def __init__(self, reason: Phrase, *, last: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.last = reason, last  # `last`: no other call would get one either


class _PassingError(Exception):
    """A failure that may pass: the reason, and the seconds that the server asks to wait."""

    def __init__(self, reason: Phrase, after: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.after = reason, after


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """How a call is worded: what a server refuses is left out."""

    format: Format = "json_schema"
    limit: str = "max_tokens"
    sampling: tuple[str, ...] = ("temperature", "seed")

    def simpler(self, complaint: str) -> _Form | None:
        """The form without what a server complains of, else with a simpler response format; None: there is none."""
        if self.limit == "max_tokens" and "max_completion_tokens" in complaint:
            return replace(self, limit="max_completion_tokens")
        if kept := [name for name in self.sampling if name in complaint]:
            return replace(self, sampling=tuple(name for name in self.sampling if name not in kept))
        if self.format:
            return replace(self, format=_SIMPLER[self.format])
        bare = _Form(format="", limit="", sampling=())
        return None if self == bare else bare

    def arguments(self, call: Call, options: EndpointOptions) -> dict[str, Any]:
        """The optional arguments of the call."""
        values = {"temperature": options.temperature, "seed": call.seed}
        named: dict[str, Any] = {name: values[name] for name in self.sampling}
        if self.limit and options.max_tokens:
            named[self.limit] = options.max_tokens
        if self.format == "json_schema":
            shape = {"name": "answer", "strict": True, "schema": call.schema}
            named["response_format"] = {"type": "json_schema", "json_schema": shape}
        elif self.format:
            more = {"schema": call.schema} if self.format == "json_object with schema" else {}
            named["response_format"] = {"type": "json_object", **more}
        return named


@dataclass(slots=True)
class Endpoint:
    """A client of one endpoint, for several threads. `stop` ends all waiting."""

    address: Address
    options: EndpointOptions
    _openai: ModuleType
    _client: Any
    _http_error: type[Exception]
    stop: threading.Event = field(default_factory=threading.Event)
    _form: _Form = field(default_factory=_Form)
    _not_before: float = 0.0
    _has_answered: bool = False
    _jitter: Random = field(default_factory=lambda: Random(0))

    def choose_model(self, name: str) -> str:
        """The model of that name, or the only one that the server has.

        Raises:
            UserError: no server answers, it refuses the key, is no LLM endpoint, or does not have the model.
        """
        try:
            models = self._models()
        except self._openai.APIStatusError as error:
            self._refuse(error)
            if error.status_code < 500 and error.status_code not in (404, 405):
                raise self._unusable(error) from None
            models = ()  # some servers have no list of models
        except (self._openai.APIConnectionError, self._http_error, _PassingError) as error:
            raise self._silent(error) from None
        if not name and len(models) == 1:
            return models[0]
        if not name:
            raise UserError("--llm names no model", place=self.address.host, hint=_models_hint(models, ""))
        if not models or name in models:
            return name
        if f"{name}:latest" in models:
            return f"{name}:latest"
        raise UserError(
            "has no model {name!r}", place=self.address.host, hint=_models_hint(models, name), name=name
        )

    def _models(self) -> tuple[str, ...]:
        with self._client.models.with_streaming_response.list() as raw:
            value = parse_completion(self._text(raw, time.monotonic()))
        found = value.get("data") if isinstance(value, dict) else None
        if not isinstance(found, list):
            raise UserError(NO_LLM, place=self.address.url, hint=NO_LLM_HINT)
        return tuple(str(item["id"]) for item in found if isinstance(item, dict) and item.get("id"))

    def answer(self, llm: str, call: Call, options: EndpointOptions) -> Answer:
        """The answer to a call, which is made again while it fails for reasons that may pass.

        Raises:
            UserError: no call can succeed: the key is refused, the model is unknown, or it is no LLM.
            NoAnswerError: this one did not.
        """
        for attempt in range(options.retries + 1):
            self._wait(max(0.0, self._not_before - time.monotonic()))
            try:
                return self._in_a_form_that_is_taken(llm, call, options)
            except _PassingError as again:
                if attempt == options.retries:
                    raise NoAnswerError(again.reason) from None
                back_off = min(FIRST_WAIT_S * 2**attempt, LONGEST_BACK_OFF_S) * self._jitter.uniform(0.75, 1)
                if again.after is None:
                    self._wait(back_off)
                elif again.after > MOST_WAIT_S:
                    asked = Phrase("the server asks to wait {seconds} s", seconds=round(again.after))
                    raise NoAnswerError(asked, last=True) from None
                else:
                    if again.after > LONGEST_BACK_OFF_S:
                        say("the server asks to wait {seconds} s", seconds=round(again.after))
                    self._not_before = max(self._not_before, time.monotonic() + again.after)
        raise NoAnswerError(Phrase("stopped"), last=True)

    def _wait(self, seconds: float) -> None:
        if self.stop.wait(seconds) if seconds > 0 else self.stop.is_set():
            raise NoAnswerError(Phrase("stopped"), last=True)

    def _in_a_form_that_is_taken(self, llm: str, call: Call, options: EndpointOptions) -> Answer:
        form: _Form | None = self._form
        while form is not None:
            try:
                answer = self._once(llm, call, form.arguments(call, options))
            except self._openai.APIStatusError as error:
                said = str(error.message).casefold()
                # llama-cpp-python answers 500 where others answer 422.
                odd = error.status_code == 500 and any(name in said for name in _OPTIONAL)
                if error.status_code not in (400, 422) and not odd:
                    raise self._failure(error) from None
                form, complaint = form.simpler(said), error
            else:
                self._form = form
                return answer
        raise NoAnswerError(_said(complaint))

    def _once(self, llm: str, call: Call, arguments: Mapping[str, Any]) -> Answer:
        start = time.monotonic()
        chat = self._client.chat.completions.with_streaming_response
        try:
            with chat.create(model=llm, messages=call.messages, **arguments) as raw:
                text, kind = self._text(raw, start), raw.headers.get("content-type", "")
        except self._openai.APITimeoutError:
            raise self._too_slow() from None
        except (self._openai.APIConnectionError, self._http_error) as error:
            raise _PassingError(Phrase("the connection failed ({reason})", reason=_cause(error))) from None
        value = parse_completion(text)
        if value is None and "html" in kind and not self._has_answered:
            raise UserError(NO_LLM, place=self.address.url, hint=NO_LLM_HINT)
        answer = answer_in(value, call, seconds=time.monotonic() - start)
        if answer is None:
            said = value.get("error") if isinstance(value, dict) else None
            reason = Phrase("what the server sends is no answer of a model")
            raise _PassingError(
                Phrase("the server says {text}", text=shorten(dumps(said), 160)) if said else reason
            )
        self._has_answered = True
        return answer

    def _text(self, raw: Any, start: float) -> str:
        """What a server sends, in as much time and room as one call may take."""
        data = bytearray()
        for chunk in raw.iter_bytes():
            data += chunk
            if len(data) > MOST_MB * 1_000_000:
                raise NoAnswerError(Phrase("its answer is longer than {size} MB", size=MOST_MB))
            if self.options.timeout and time.monotonic() - start > self.options.timeout:
                raise self._too_slow()
            if self.stop.is_set():
                raise NoAnswerError(Phrase("stopped"), last=True)
        return data.decode("utf-8", "replace").removeprefix("\ufeff")

    def _too_slow(self) -> _PassingError:
        return _PassingError(Phrase("no answer within {seconds:g} s", seconds=self.options.timeout))

    def _failure(self, error: Any) -> Exception:
        """What an HTTP error means for the call."""
        self._refuse(error)
        status, said = error.status_code, _said(error)
        if status == 404 or status == 405:
            return self._unusable(error)
        if status == 402 or (
            status == 429 and any(mark in error.response.text.casefold() for mark in _SPENT)
        ):
            return NoAnswerError(said, last=True)
        if status in AGAIN or status >= 500:
            return _PassingError(said, _retry_after(error.response.headers))
        return NoAnswerError(said)

    def _refuse(self, error: Any) -> None:
        """Raise `UserError` for what concerns every call: a refused key, a redirect."""
        status = error.status_code
        if status in (401, 403):
            has_key = "the key in {variable} was refused ({status})"
            raise UserError(
                has_key if _key() else "asks for a key ({status}), and {variable} is not set",
                place=self.address.host,
                hint="set {variable} to the key of this endpoint",
                variable=KEY_VARIABLE,
                status=status,
            )
        if 300 <= status < 400:
            raise UserError(
                "sends its callers to {target}",
                place=self.address.host,
                hint="no text was sent there; name that address with --endpoint if you trust it",
                target=error.response.headers.get("location", "-"),
            )

    def _unusable(self, error: Any) -> UserError:
        said = _said(error)
        hint = MODEL_HINT if "model" in said.casefold() else NO_LLM_HINT
        return UserError("cannot be asked: {reason}", place=self.address.url, hint=hint, reason=tr(said))

    def _silent(self, error: Any) -> UserError:
        cause = _cause(error)
        if "CERTIFICATE_VERIFY" in cause:
            return UserError(
                "its certificate is not trusted ({reason})",
                place=self.address.host,
                hint="SSL_CERT_FILE=FILE names the certificate of its issuer, or its own",
                reason=cause.partition("]")[2].partition("(_ssl")[0].strip(),
            )
        if proxy := proxy_to(self.address):
            return UserError(
                "no server answers through the proxy {proxy} ({reason})",
                place=self.address.url,
                hint="NO_PROXY={host} goes there without it",
                proxy=proxy,
                reason=cause,
                host=urlsplit(self.address.url).hostname,
            )
        return UserError(
            "no server answers ({reason})",
            place=self.address.url,
            hint="start it (`ollama serve`, `llama-server`, `vllm serve`), or check the address",
            reason=cause,
        )


@contextmanager
def open_endpoint(address: Address, options: EndpointOptions) -> Iterator[Endpoint]:
    """A client of the endpoint. Raises `UserError` where the extra `llm` is missing, or key or proxy cannot be used."""
    openai = require("openai", extra="llm")
    nothing = openai.Omit()  # else the environment's account would be told to whatever endpoint
    with openai.OpenAI(
        api_key=_key() or "none",
        base_url=address.url,
        max_retries=0,
        timeout=options.timeout or None,
        http_client=_http_client(openai, address, options.timeout),
        default_headers={"OpenAI-Organization": nothing, "OpenAI-Project": nothing},
    ) as client:
        yield Endpoint(address, options, openai, client, _httpx(openai).HTTPError)


def _httpx(openai: ModuleType) -> Any:
    """The HTTP library of the client."""
    return sys.modules[openai.DefaultHttpxClient.__base__.__module__]


def _key() -> str:
    """The key of the environment. Raises `UserError` where it is none, without showing it."""
    key = os.environ.get(KEY_VARIABLE, "").strip()
    if not (key.isascii() and key.isprintable()):
        raise UserError(
            "{variable} holds what no key has: a line break, or a letter that is not ASCII",
            hint="set {variable} to the key of this endpoint",
            variable=KEY_VARIABLE,
        )
    return key


def _http_client(openai: ModuleType, address: Address, timeout: float) -> Any:
    """A client that follows nothing, takes a proxy to public hosts only, and reads errors as long as a call lasts."""
    trusted = os.environ.get("SSL_CERT_FILE")
    try:
        more = {"verify": ssl.create_default_context(cafile=trusted)} if trusted else {}
    except OSError as error:
        raise UserError("SSL_CERT_FILE is no certificate", place=str(trusted)) from error
    try:
        return openai.DefaultHttpxClient(
            follow_redirects=False,
            trust_env=address.reach == "public",
            event_hooks={"response": [partial(_bound_error, _httpx(openai), timeout=timeout)]},
            **more,
        )
    except (ImportError, ValueError) as error:
        raise UserError(
            "the proxy of the environment cannot be used ({reason})",
            place=address.host,
            hint="NO_PROXY={host} goes there without it",
            reason=shorten(clean(str(error)), 120),
            host=urlsplit(address.url).hostname,
        ) from None


def _bound_error(httpx: Any, response: Any, *, timeout: float) -> None:
    """Let an error's text, which the client reads whole, end with the time and room of a call."""

    class Bound(httpx.SyncByteStream):  # type: ignore[misc]
        def __iter__(self) -> Iterator[bytes]:
            start, size = time.monotonic(), 0
            for part in whole:
                size += len(part)
                if size > MOST_MB * 1_000_000:
                    raise httpx.ReadError(f"an error of more than {MOST_MB} MB", request=response.request)
                if timeout and time.monotonic() - start > timeout:
                    raise httpx.ReadTimeout(f"an error of more than {timeout:g} s", request=response.request)
                yield part

        def close(self) -> None:
            whole.close()

    if response.is_error:
        whole, response.stream = response.stream, Bound()


def proxy_to(address: Address) -> str:
    """The host and port of the proxy that the environment names for an endpoint; nothing where there is none."""
    parts = urlsplit(address.url)
    if address.reach != "public" or proxy_bypass(parts.hostname or ""):
        return ""
    proxies = getproxies()
    return urlsplit(proxies.get(parts.scheme) or proxies.get("all") or "").netloc.rpartition("@")[2]


def _said(error: Any) -> Phrase:
    """An HTTP error in few words: its status and what the server says of it."""
    body = error.body if isinstance(error.body, dict) else {}
    said = body.get("message") or error.response.reason_phrase or ""
    return Phrase("HTTP {status} {text}", status=error.status_code, text=shorten(clean(str(said)), 160))


def _cause(error: BaseException) -> str:
    """The innermost reason of a failed connection."""
    while error.__cause__ is not None:
        error = error.__cause__
    return shorten(clean(str(error)) or type(error).__name__, 160)


def _retry_after(headers: Any) -> float | None:
    """The seconds that a server asks to wait, as a number or a date; None where it does not say."""
    for name, unit in (("retry-after-ms", 1000), ("retry-after", 1)):
        with suppress(ValueError):
            seconds = float(headers.get(name, "")) / unit
            return max(0.0, seconds) if math.isfinite(seconds) else None
    with suppress(ValueError, TypeError, OverflowError):
        return max(0.0, parsedate_to_datetime(str(headers.get("retry-after", ""))).timestamp() - time.time())
    return None


def _models_hint(models: tuple[str, ...], name: str) -> str:
    if not models:
        return "it lists no models: --llm NAME says which to ask"
    from rapidfuzz import process

    near = [found[0] for found in process.extract(name, models, limit=SHOWN_MODELS)] if name else models
    shown = ", ".join(near[:SHOWN_MODELS]) + (", …" if len(models) > SHOWN_MODELS else "")
    return tr("its models: {models}", models=shown)
