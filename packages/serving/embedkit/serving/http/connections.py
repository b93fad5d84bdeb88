"""Connections that keep nobody waiting: a head has to arrive in time, an answer has to be read in time.

When all places are taken, the oldest connection that has not finished asking makes way for a new one.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field

from uvicorn.protocols.http.h11_impl import H11Protocol

_SPARE_FILES = 256  # of the model, the log, the listening socket
_STOP_SECONDS = 0.2  # for what is on its way when the service stops
_BUSY_BODY = b'{"error":{"message":"too many connections","type":"server_error","param":null,"code":null}}'
_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n"
_BUSY += b"Connection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(_BUSY_BODY), _BUSY_BODY)


@dataclass(slots=True)
class ConnectionLimits:
    """How many connections there may be, how long a client may take, and who is asking at the moment."""

    connections: int
    timeout_s: float
    asking: dict[LimitedConnection, None] = field(default_factory=dict)  # by age
    open: int = 0


class LimitedConnection(H11Protocol):
    """A connection that is cut off when a head is not there, or an answer is not read, in time."""

    limits: ConnectionLimits
    _clock: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Make room for itself, or say that there is none."""
        super().connection_made(transport)
        self.limits.open += 1
        if self.limits.open > self.limits.connections:
            oldest = next(iter(self.limits.asking), None)
            if oldest is None:
                transport.write(_BUSY)
                transport.close()
                return
            self.limits.asking.pop(oldest)
            oldest.transport.abort()
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Stop the clock when the head is there."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_clock()
            self.limits.asking.pop(self, None)
        elif self not in self.limits.asking:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave."""
        self.limits.open -= 1
        self.limits.asking.pop(self, None)
        self._stop_clock()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client reads more slowly than the service writes: it has some time to catch up."""
        super().pause_writing()
        self._start_clock()

    def resume_writing(self) -> None:
        """It has caught up."""
        super().resume_writing()
        self._stop_clock()

    def timeout_keep_alive_handler(self) -> None:
        """Close, even when the client never reads the rest."""
        super().timeout_keep_alive_handler()
        self._start_clock()

    def shutdown(self) -> None:
        """Close, after what is already on its way has been answered."""
        self.loop.call_later(_STOP_SECONDS, super().shutdown)

    def _await_head(self) -> None:
        self.limits.asking[self] = None
        self._start_clock()

    def _start_clock(self) -> None:
        self._stop_clock()
        self._clock = self.loop.call_later(self.limits.timeout_s, self.transport.abort)

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None


def protocol(limits: ConnectionLimits) -> type[asyncio.Protocol]:
    """The class of a connection for uvicorn."""
    return type("Connection", (LimitedConnection,), {"limits": limits})


def allow_files(connections: int) -> int:
    """Raise the process's limit of open files for so many connections; how many it allows."""
    if os.name != "posix":
        return connections
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return min(connections, max(soft - _SPARE_FILES, 16)) if soft != resource.RLIM_INFINITY else connections
