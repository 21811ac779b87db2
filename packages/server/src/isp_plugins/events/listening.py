"""What nodes on one PostgreSQL tell each other about events; SQLite has one node, which tells nobody.

`written NODE HOOKS`: events were written. `released IDS`: their dispatches have ended. `changed`: an operator changed a cursor.
What is not heard (a connection that is down) is found by the deliverer's look every second.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from contextvars import Context
from typing import Any, Protocol

import asyncpg

from isp_plugins.db.engine import Database
from isp_plugins.db.links import CONNECT_TIMEOUT_S, connect
from isp_plugins.db.urls import dsn_of
from isp_plugins.events.lines import CHANNEL, MAX_TOLD

AGAIN_S = 1.0
PAUSE_S = 0.02
"""Between two tellings: after a quiet moment the first goes at once, and what comes in a rush goes together."""
_log = logging.getLogger(__name__)


class Hears(Protocol):
    """What is done about it (`events.deliverer.Deliverer`)."""

    def written(self, hooks: Any) -> None:
        """Events were written."""
        ...

    def release_foreign(self, event_ids: Sequence[int]) -> None:
        """Dispatches have ended."""
        ...

    def changed(self) -> None:
        """An operator changed something."""
        ...


class Listening:
    """The connection that listens; does nothing on SQLite."""

    def __init__(self, database: Database, node: str, hears: Hears) -> None:
        self._dsn = dsn_of(database.url) if database.dialect == "postgresql" else None
        self._node = node
        self._hears = hears
        self._connection: Any = None
        self._telling: list[str] = []
        self._task: asyncio.Task[None] | None = None
        self._tell = asyncio.Event()

    def open(self) -> None:
        """Begin to listen."""
        if self._dsn is not None:
            self._task = asyncio.get_running_loop().create_task(
                self._run(self._dsn), name="isp-plugins-events-listen", context=Context()
            )

    async def close(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def released(self, event_id: int) -> None:
        """Tell the others that a dispatch has ended."""
        self._say(f"released {event_id}")

    def changed(self) -> None:
        """Tell the others that an operator changed something."""
        self._say("changed")

    def _say(self, message: str) -> None:
        if self._task is not None:
            self._telling.append(message)
            self._tell.set()

    async def _run(self, dsn: str) -> None:
        while True:
            try:
                await self._listen(dsn)
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                _log.info("Not listening to the other nodes for now: %s", error)
            await asyncio.sleep(AGAIN_S)

    async def _listen(self, dsn: str) -> None:
        connection = await connect(
            dsn,
            name="isp-plugins events listener",
            command_timeout=CONNECT_TIMEOUT_S,
            synchronous_commit="off",
        )
        try:
            await connection.add_listener(CHANNEL, self._heard)
            self._hears.changed()
            while not connection.is_closed():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(5.0):
                        await self._tell.wait()
                self._tell.clear()
                telling, self._telling = self._telling, []
                for message in _joined(telling) or ["alive"]:
                    await connection.execute("SELECT pg_notify($1, $2)", CHANNEL, message)
                await asyncio.sleep(PAUSE_S)
        finally:
            connection.terminate()

    def _heard(self, _connection: Any, _pid: int, _channel: str, message: str) -> None:
        kind, _, rest = message.partition(" ")
        if kind == "written":
            node, _, hooks = rest.partition(" ")
            if node != self._node:
                self._hears.written(None if hooks == "*" else frozenset(hooks.split(",")))
        elif kind == "released":
            self._hears.release_foreign([int(one) for one in rest.split(",") if one.isdecimal()])
        elif kind == "changed":
            self._hears.changed()


def _joined(messages: Sequence[str]) -> list[str]:
    """The same in few notifications."""
    released = [message.partition(" ")[2] for message in messages if message.startswith("released ")]
    joined = ["changed"] if "changed" in messages else []
    size = MAX_TOLD // 20
    joined += [
        f"released {','.join(released[start : start + size])}" for start in range(0, len(released), size)
    ]
    return joined
