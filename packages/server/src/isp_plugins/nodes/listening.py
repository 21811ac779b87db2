"""The connection on which a node hears the others; it comes back by itself when it is lost.

1. What was told while nobody listened is lost: whoever listens is told of every new connection, and then looks at everything.
2. A connection that is dead without saying so (a cable, a firewall) is found by asking it something now and then.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from contextvars import Context
from typing import Any

import asyncpg

from isp_plugins.db.engine import Database
from isp_plugins.db.links import CONNECT_TIMEOUT_S, connect
from isp_plugins.db.urls import dsn_of
from isp_plugins.nodes.notices import CHANNEL, Notice

SHORTEST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
ASK_EVERY_S = 5.0
_log = logging.getLogger(__name__)


class NoticeListener:
    """Hears notices from `open` to `close`; on the event loop's thread."""

    def __init__(
        self, database: Database, *, heard: Callable[[Notice], None], connected: Callable[[], None]
    ) -> None:
        self._dsn = dsn_of(database.url)
        self._heard = heard
        self._connected = connected
        self._task: asyncio.Task[None] | None = None
        self.is_listening = False
        """Whether notices arrive now, as far as it is known."""

    def open(self) -> None:
        """Begin to listen."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(
                self._run(), name="isp-plugins-nodes-listen", context=Context()
            )

    async def close(self) -> None:
        """Stop."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _run(self) -> None:
        pause = SHORTEST_PAUSE_S
        while True:
            try:
                await self._listen()
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                _log.info("Not listening to the other nodes for now: %s", error)
            pause = SHORTEST_PAUSE_S if self.is_listening else min(pause * 2, LONGEST_PAUSE_S)
            self.is_listening = False
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311  so that nodes do not come back together

    async def _listen(self) -> None:
        connection = await connect(
            self._dsn, name="isp-plugins nodes listener", command_timeout=CONNECT_TIMEOUT_S
        )
        lost = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _connection: lost.set())
            await connection.add_listener(CHANNEL, self._hear)
            self.is_listening = True
            self._connected()
            while not lost.is_set():
                try:
                    async with asyncio.timeout(ASK_EVERY_S):
                        await lost.wait()
                except TimeoutError:
                    await connection.execute("SELECT 1")
        finally:
            connection.terminate()

    def _hear(self, _connection: Any, _pid: int, _channel: str, text: str) -> None:
        if (notice := Notice.of(text)) is not None:
            self._heard(notice)
