"""The one ASGI application, made from the settings, and the server process around it.

1. `run` is what `isp-plugins serve` does: it binds the port first, opens the system, serves, and closes the system when it is told to stop.
2. `Application` is the same for another ASGI server: it opens the system in its lifespan.
3. The first start creates the admin key, shows it once, and keeps it in `<data-dir>/admin.key` (0600); it is never created again.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from isp_plugins.access import ensure_admin_key
from isp_plugins.access.bootstrap import FILE_NAME as ADMIN_KEY_FILE
from isp_plugins.api.factory import create_app
from isp_plugins.errors import StartupError
from isp_plugins.settings import Settings
from isp_plugins.system import PluginSystem

SHUTDOWN_WITHIN_S = 10
"""How long requests in flight may take once the server was told to stop, in seconds."""
BACKLOG = 2048


class PortUnusableError(StartupError):
    """The address {host}:{port} cannot be listened on: {cause}. Stop what uses it, or choose another with --port (ISP_PLUGINS_PORT)."""


class Application:
    """The ASGI application for a server of your own: `Application(Settings(...))`; the system is open while it runs."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Open and close the system in the lifespan, hand everything else on."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if self._app is None:
            raise RuntimeError(
                "The system is not open: run this application in a server that speaks the ASGI lifespan protocol."
            )
        await self._app(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        async with contextlib.AsyncExitStack() as stack:
            try:
                system = await stack.enter_async_context(PluginSystem.open(self._settings))
            except StartupError as error:
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            self._app = create_app(system)
            await send({"type": "lifespan.startup.complete"})
            await receive()
            self._app = None
        await send({"type": "lifespan.shutdown.complete"})


def from_environment() -> Application:
    """The application with the settings of the environment, for `uvicorn --factory isp_plugins.asgi:from_environment`."""
    return Application(Settings.from_environment(os.environ))


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; raises a `StartupError` that says what to mend."""
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)-8s %(name)s: %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells of every start, migration or not
    listener = bind(settings.host, settings.port)
    with contextlib.closing(listener), asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_serve(settings, listener))


def bind(host: str, port: int) -> socket.socket:
    """The socket to listen on; `PortUnusableError`."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise PortUnusableError(host=host, port=port, cause=error.strerror) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise PortUnusableError(host=host, port=port, cause=error.strerror) from error
    return listener


def url_of(listener: socket.socket) -> str:
    """Where a socket is reached, in a browser's words."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  what a client writes for "all addresses"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def loop_factory() -> Any:
    """Uvloop's loop where it is installed, else asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def uvicorn_config(app: ASGIApp) -> uvicorn.Config:
    """How we let uvicorn serve; the benchmarks' bare applications are served just so."""
    return uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=SHUTDOWN_WITHIN_S,
    )


class Server(uvicorn.Server):
    """uvicorn's server, which leaves the process alive after a signal, so that the system is closed in good order."""

    def __init__(self, config: uvicorn.Config, *, end_streams: Callable[[], None] = lambda: None) -> None:
        super().__init__(config)
        self._end_streams = end_streams

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End what would never end by itself, then wait for the other requests in flight."""
        self._end_streams()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop serving at SIGINT and SIGTERM; a second SIGINT does not wait for requests in flight."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)


async def _serve(settings: Settings, listener: socket.socket) -> None:
    """Open the system, serve, close it."""
    async with PluginSystem.open(settings) as system:
        token = await ensure_admin_key(system.keys, settings.data_dir)
        if token is not None:
            _say(
                f"This first start made the admin key {token}\nIt is kept in {settings.data_dir / ADMIN_KEY_FILE} and not shown again."
            )
        url = url_of(listener)
        system.announce(url)
        _say(f"Listening on {url}; documentation at {url}/api/v1/docs")
        server = Server(uvicorn_config(create_app(system)), end_streams=system.end_streams)
        await server.serve(sockets=[listener])


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
