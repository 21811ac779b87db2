"""`SingletonKeeper`: sees to it that singletons run here exactly while this node holds their leases; told by the membership.

One piece of work on a plugin at a time: what is under way is not begun again by the next look.
"""

import logging
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

from isp_plugins.lifecycle import placing
from isp_plugins.lifecycle.instances import Instance
from isp_plugins.lifecycle.records import PluginRecord
from isp_plugins.lifecycle.stage import Stage

Begin = Callable[[Coroutine[Any, Any, None]], object]
"""Runs work to its end, whatever becomes of whoever asked."""
_log = logging.getLogger(__name__)


class SingletonKeeper:
    """The singletons of one node."""

    def __init__(self, stage: Stage, begin: Begin, grace_s: float) -> None:
        self._stage = stage
        self._begin = begin
        self._grace_s = grace_s
        self._working: set[int] = set()

    def lapsed(self) -> None:
        """The leases are over: stop what ran under them before anybody else begins; no lock is waited for."""
        for instance in placing.to_stop(self._stage):
            self._begin(placing.stop_now(self._stage, instance, self._grace_s))

    def look(self) -> None:
        """Compare what runs with the leases, as of now."""
        for instance in placing.to_stop(self._stage):
            self._work(instance.record.id, partial(self._settle, instance))
        for record in placing.to_begin(self._stage):
            self._stage.recovery.expect(record.id, 0.0)
        for record in placing.moved(self._stage):
            self._work(record.id, partial(self._stand_by, record))

    def _work(self, plugin_id: int, work: Callable[[], Awaitable[None]]) -> None:
        if plugin_id not in self._working:
            self._working.add(plugin_id)
            self._begin(self._locked(plugin_id, work))

    async def _locked(self, plugin_id: int, work: Callable[[], Awaitable[None]]) -> None:
        try:
            async with self._stage.locks.of(plugin_id):
                await work()
        except Exception:
            _log.exception(
                "The singleton %d could not be brought to where it belongs; it is tried again.", plugin_id
            )
        finally:
            self._working.discard(plugin_id)

    async def _settle(self, instance: Instance) -> None:
        await placing.settle(self._stage, instance)

    async def _stand_by(self, record: PluginRecord) -> None:
        now = self._stage.directory.get(record.id) if record.id in self._stage.directory else None
        if now is not None and now in placing.moved(self._stage):
            await placing.stand_by(self._stage, now)
