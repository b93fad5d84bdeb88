"""`embedkit ui`: listen on this machine alone, open the browser, and answer until Ctrl-C or SIGTERM."""

from __future__ import annotations

import os
import socket
import sys
import webbrowser
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from embedkit.console import out, say
from embedkit.errors import ReportedInterrupt, UserError
from embedkit.extras import require

HOST = "127.0.0.1"
_PACKAGES = ("jinja2", "starlette", "uvicorn")


@dataclass(frozen=True, slots=True, kw_only=True)
class UiOptions:
    """The options of `embedkit ui`; its help describes each."""

    folder: Path = Path()
    port: int = 0
    browser: bool = True


def run_ui(options: UiOptions) -> None:
    """Serve the page over a folder, which becomes the working directory.

    Raises:
        UserError: there is no such folder, a package is missing, or the port is taken.
    """
    for package in _PACKAGES:
        require(package, extra="serve")
    try:
        os.chdir(options.folder)
    except OSError as error:
        raise UserError(
            "is no folder that can be opened ({reason})", place=str(options.folder), reason=error.strerror
        ) from error
    with _listen(options.port) as listening:
        _serve(listening, options)


def _listen(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, port))
        listening.listen()
    except OSError as error:
        listening.close()
        raise UserError(
            "cannot listen on {host}:{port} ({reason})",
            hint="--port 0 takes a free port",
            host=HOST,
            port=port,
            reason=error.strerror or error,
        ) from error
    return listening


def _serve(listening: socket.socket, options: UiOptions) -> None:
    import uvicorn

    from embedkit.serving.ui.app import make_page
    from embedkit.serving.ui.guard import PageSecrets

    secrets = PageSecrets(port=listening.getsockname()[1])

    class PageServer(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            say("the page is open until Ctrl-C; whoever has this address may use it:")
            out(secrets.address(secrets.token))
            if options.browser and _has_browser():
                # Other people of this machine see what programs are started with: this token works once.
                once = secrets.address(next(iter(secrets.once)))
                Thread(target=webbrowser.open, args=(once,), daemon=True).start()

    config = uvicorn.Config(
        make_page(secrets),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    try:
        PageServer(config).run(sockets=[listening])
    except KeyboardInterrupt:
        say("stopped; every decision is in its file")
        raise ReportedInterrupt from None


def _has_browser() -> bool:
    """Whether there is a screen; without one `webbrowser` would start a browser in the terminal."""
    return sys.platform in ("win32", "darwin") or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))
