"""The app in a browser: textual-serve, with a page that loads nothing from anywhere else."""

from __future__ import annotations

import shlex
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web
from textual_serve.server import Server

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
#: Seconds that sessions have to end when the server does.
_GRACE = 2.0


class AppServer(Server):
    """One app per browser tab, each a process of its own.

    Args:
        listener: where to listen.
        arguments: what to give to `nablascope`.

    Attributes:
        loopback: whether only this machine can reach it.
    """

    def __init__(self, listener: socket.socket, arguments: Sequence[str]) -> None:
        self._listener = listener
        host, port = listener.getsockname()[:2]
        # Whatever the server's own terminal is: the browser's knows every character.
        settings = ["env", "LC_ALL=C.UTF-8"]
        program = [sys.executable, "-P", "-m", "tui.main", *arguments]
        super().__init__(
            shlex.join([*settings, *program]),
            host=host,
            port=port,
            title="nablascope",
            templates_path=Path(__file__).parent,
        )
        self.loopback = host in _LOOPBACK

    @property
    def url(self) -> str:
        """Where a browser on this machine finds it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/"

    def run(self) -> None:
        """Serve until interrupted."""
        web.run_app(
            self._make_app(),
            sock=self._listener,
            print=lambda *_: None,
            access_log=None,
            shutdown_timeout=_GRACE,
        )

    async def _make_app(self) -> web.Application:
        app = await super()._make_app()
        app.middlewares.append(self._only_own_pages)
        return app

    async def on_startup(self, app: web.Application) -> None:
        """Say where it is."""
        print(f"{self.url}  (Ctrl+C ends it)", flush=True)

    @web.middleware
    async def _only_own_pages(
        self,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        """Refuse what another site's page asks for in the same browser, under whatever name."""
        name = urlsplit(f"//{request.host}").hostname
        origin = request.headers.get("Origin")
        if self.loopback and name not in _LOOPBACK:
            raise web.HTTPForbidden(text=f"not served under the name {name}\n")
        if origin is not None and urlsplit(origin).netloc != request.host:
            raise web.HTTPForbidden(text=f"not served to pages of {origin}\n")
        # The page finds its way back by the name it was asked for.
        self.public_url = f"{request.scheme}://{request.host}"
        return await handler(request)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 takes a free one. Raises OSError."""
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    return socket.create_server((host, port), family=family)
