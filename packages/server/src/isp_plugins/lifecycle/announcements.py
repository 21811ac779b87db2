"""Tells subscribers what happened to plugins (`plugin_enabled` and its siblings), after the fact and in order, without holding anybody up."""

import asyncio
import logging
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from isp_plugins.actors import Actor
from isp_plugins.contracts.hooks import Dispatcher
from isp_plugins.lifecycle.records import PluginRecord

MOST_WAITING = 10_000
"""Announcements kept while a slow subscriber holds up the rest; more are dropped, and logged."""

logger = logging.getLogger(__name__)


class Announcement(StrEnum):
    """The hooks about plugins that the lifecycle dispatches."""

    INSTALLED = "plugin_installed"
    """A plugin was registered."""
    UPGRADED = "plugin_upgraded"
    """Another version took over: a newer one, or one that was kept."""
    ENABLED = "plugin_enabled"
    """The operator's enable succeeded."""
    DISABLED = "plugin_disabled"
    """The operator's disable succeeded."""
    UNINSTALLED = "plugin_uninstalled"
    """A plugin was deleted."""
    CONFIGURED = "plugin_configured"
    """A configuration was saved; names keys, never values."""
    QUARANTINED = "plugin_quarantined"
    """A plugin was taken out because it did harm."""
    HEALTH_CHANGED = "plugin_health_changed"
    """A plugin's health changed."""


class Announcer:
    """Dispatches announcements one after the other from a task of its own; a failure stays in the log."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._waiting: asyncio.Queue[tuple[Announcement, dict[str, Any]]] = asyncio.Queue(MOST_WAITING)
        self._task: asyncio.Task[None] | None = None

    def announce(
        self, what: Announcement, record: PluginRecord, actor: Actor, extra: Mapping[str, Any] | None = None
    ) -> None:
        """Queue one announcement; returns at once."""
        who = {"type": actor.type.value, "id": actor.id, "name": actor.name}
        payload = {
            "id": record.id,
            "plugin": record.name,
            "version": record.version,
            "actor": who,
            **(extra or {}),
        }
        try:
            self._waiting.put_nowait((what, payload))
        except asyncio.QueueFull:
            logger.warning(
                "%s of plugin %s was not announced: %d announcements are waiting",
                what,
                record.name,
                MOST_WAITING,
            )
            return
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="plugin announcements")

    async def flush(self, limit_s: float) -> None:
        """Wait until everything announced so far was dispatched, at most so many seconds."""
        if self._task is None:
            return
        try:
            async with asyncio.timeout(limit_s):
                await self._waiting.join()
        except TimeoutError:
            logger.warning(
                "%d announcements about plugins were not dispatched before the end", self._waiting.qsize()
            )

    async def close(self, limit_s: float) -> None:
        """Dispatch what waits, at most so many seconds, and end."""
        await self.flush(limit_s)
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None

    async def _run(self) -> None:
        while True:
            what, payload = await self._waiting.get()
            try:
                await self._dispatcher.dispatch(what.value, payload, internal=True)
            except Exception:
                logger.exception("announcing %s of plugin %s failed", what, payload["plugin"])
            finally:
                self._waiting.task_done()
