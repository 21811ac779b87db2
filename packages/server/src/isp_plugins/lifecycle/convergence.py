"""Keeps this node with what the others do: hears of their changes, looks for those that it missed, and converges plugin by plugin.

1. A notice begins at once; a look, every so often and after every new connection, finds what no notice told. On SQLite there are no others.
2. Each plugin converges by itself, under its lock, one time after the other; a plugin that hangs holds up no other.
3. What cannot follow now is tried again by the looks, after pauses that grow.
4. Whoever is about to change a plugin catches up first, so that only what happens at the same moment is a conflict. Whoever is refused
   because of other plugins catches up with those, and tries again where that changed anything.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import Any, TypeVar

from isp_plugins.db.errors import DatabaseUnavailableError
from isp_plugins.lifecycle import backoff
from isp_plugins.lifecycle.converge import converge
from isp_plugins.lifecycle.dependencies import dependants, requirements
from isp_plugins.lifecycle.errors import (
    DependenciesUnsatisfiedError,
    PeerUnfitError,
    PluginChangedElsewhereError,
    PluginNameTakenError,
    PluginStillNeededError,
    VersionStillNeededError,
)
from isp_plugins.lifecycle.records import PluginRecord
from isp_plugins.lifecycle.stage import Stage
from isp_plugins.lifecycle.whole import WholeOperations
from isp_plugins.nodes.listening import NoticeListener
from isp_plugins.nodes.notices import Notice
from isp_plugins.periodic import Periodic

AT_ONCE = 16
"""How many plugins converge at a time."""
SHORTEST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
ABOUT_OTHERS = (
    DependenciesUnsatisfiedError,
    PeerUnfitError,
    PluginStillNeededError,
    VersionStillNeededError,
)
"""Refusals because of what other plugins are."""
TRIES_AGAIN = 3
"""Others may change again meanwhile."""
T = TypeVar("T")
logger = logging.getLogger(__name__)


class Convergence:
    """What this node does about the others' changes; `open` before and `close` after use."""

    def __init__(self, stage: Stage, operations: WholeOperations) -> None:
        self._stage = stage
        self._operations = operations
        self._node = stage.settings.node
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._again: set[int] = set()
        self._tries: dict[int, tuple[int, float]] = {}
        """Of what could not follow: how often it was tried, and when it is tried again (monotonic)."""
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._is_open = False
        self._listener = (
            NoticeListener(stage.database, heard=self.heard, connected=self._look_soon)
            if stage.ledger.is_shared
            else None
        )
        self._polling = Periodic(self.look, stage.settings.node_poll, name="the look for changes elsewhere")
        self._looking: set[asyncio.Task[None]] = set()
        self.on_switched: Callable[[int], Awaitable[Any]] = _nothing
        """Told of a plugin that another node gave another release."""
        self.on_gone: Callable[[], Awaitable[Any]] = _nothing
        """Told when another node deleted an installed plugin."""

    @property
    def is_listening(self) -> bool:
        """Whether other nodes' notices arrive now."""
        return self._listener is not None and self._listener.is_listening

    def open(self) -> None:
        """Begin to hear and to look, where there may be others."""
        if self._listener is not None:
            self._is_open = True
            self._listener.open()
            self._polling.start()

    async def close(self) -> None:
        """Hear and begin nothing more; what is under way ends with the other operations."""
        self._is_open = False
        if self._listener is not None:
            await self._listener.close()
        await self._polling.stop()
        if self._looking:
            await asyncio.wait(set(self._looking))

    def heard(self, notice: Notice) -> None:
        """A node has changed a plugin."""
        if notice.node != self._node:
            self._tries.pop(notice.plugin_id, None)
            self._begin(notice.plugin_id)

    async def look(self) -> None:
        """Begin whatever differs from the database; a database that is away is asked again next time."""
        if not self._is_open:
            return
        try:
            stored = await self._stage.ledger.generations()
        except DatabaseUnavailableError as error:
            logger.info("other nodes' changes are not looked for now: %s", error)
            return
        here = {record.id: record for record in self._stage.directory}
        for plugin_id in stored.keys() | here.keys():
            if self._differs(here.get(plugin_id), stored.get(plugin_id)) and self._is_due(plugin_id):
                self._begin(plugin_id)

    async def catch_up(self, plugin_id: int) -> None:
        """Come to what is stored of a plugin now, before it is changed here; a database that is away is the change's own trouble."""
        await self._catch_up(lambda _stored: {plugin_id})

    async def _catch_up(self, which: Callable[[Mapping[int, int]], set[int]]) -> bool:
        """The same for those of the stored ones; whether there was anything to do."""
        if not self._is_open:
            return False
        try:
            stored = await self._stage.ledger.generations()
        except DatabaseUnavailableError:
            return False
        tasks = [self._following(plugin_id, stored.get(plugin_id)) for plugin_id in which(stored)]
        under_way = {task for task in tasks if task is not None}
        if under_way:
            await asyncio.wait(under_way)
        return bool(under_way)

    def _following(self, plugin_id: int, stored: int | None) -> asyncio.Task[None] | None:
        here = self._stage.directory.get(plugin_id) if plugin_id in self._stage.directory else None
        if stored != (here.generation if here else None):
            return self._begin(plugin_id)
        return self._tasks.get(plugin_id)  # it may show the generation already, and still be at work

    async def new(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Do a registration; a name that another node has freed meanwhile is free here, too."""
        try:
            return await self._operations.run(work())
        except PluginNameTakenError as error:
            taken = error.fields["plugin_id"]
            if not isinstance(taken, int):  # only another node knows it yet
                raise
            await self.catch_up(taken)
            if taken in self._stage.directory:
                raise
        return await self._operations.run(work())

    async def _with_others(self, plugin_id: int, work: Callable[[], Awaitable[T]]) -> T:
        """Do it again after a refusal because of other plugins, as long as this node did not know what they are by now."""
        for _ in range(TRIES_AGAIN):
            try:
                return await work()
            except ABOUT_OTHERS as error:
                was_behind = await self._catch_up(partial(self._related, plugin_id))
                if not was_behind and not isinstance(error, PeerUnfitError):
                    raise
        return await work()

    def _related(self, plugin_id: int, stored: Mapping[int, int]) -> set[int]:
        """Those that the plugin needs or that need it, directly or through others, and those that nobody here knows."""
        directory = self._stage.directory
        unknown = {other for other in stored if other not in directory}
        if plugin_id not in directory:
            return unknown
        requires, name = directory.requires(), directory.get(plugin_id).name
        names = (*requirements(name, requires), *dependants(name, requires))
        return unknown | {directory.by_name(other).id for other in names}

    async def change(self, plugin_id: int, work: Callable[[], Awaitable[T]]) -> T:
        """Do an operation on a plugin as a whole, on what is stored of it now; after a conflict this node follows the other one."""

        async def whole() -> T:
            await self.catch_up(plugin_id)
            try:
                return await self._with_others(plugin_id, work)
            except PluginChangedElsewhereError:
                await self.catch_up(plugin_id)
                raise

        return await self._operations.run(whole())

    async def settle(
        self, plugin_id: int, work: Callable[[], Awaitable[Any]], is_done: Callable[[], bool]
    ) -> None:
        """The same for what may be asked for twice: a conflict with another node that did just that is none."""
        try:
            await self.change(plugin_id, work)
        except PluginChangedElsewhereError:
            if not is_done():
                raise

    def _look_soon(self) -> None:
        task = asyncio.get_running_loop().create_task(self.look())
        self._looking.add(task)
        task.add_done_callback(self._looking.discard)

    @staticmethod
    def _differs(here: PluginRecord | None, stored: int | None) -> bool:
        if here is None or stored is None:
            return (here is None) != (stored is None)
        return here.generation != stored or here.behind is not None

    def _is_due(self, plugin_id: int) -> bool:
        return self._tries.get(plugin_id, (0, 0.0))[1] <= self._stage.clock.monotonic()

    def _begin(self, plugin_id: int) -> asyncio.Task[None] | None:
        """Converge a plugin now, and once more if it does so already; None where nothing may begin."""
        if not self._is_open or self._operations.closing:
            return None
        self._again.add(plugin_id)
        if plugin_id not in self._tasks:
            self._tasks[plugin_id] = self._operations.begin(self._work(plugin_id))
        return self._tasks[plugin_id]

    async def _work(self, plugin_id: int) -> None:
        try:
            while plugin_id in self._again and not self._operations.closing:
                self._again.discard(plugin_id)
                await self._others_first(plugin_id)
                async with self._turns:
                    await self._once(plugin_id)
        finally:
            self._tasks.pop(plugin_id, None)
            self._again.discard(plugin_id)

    async def _once(self, plugin_id: int) -> None:
        directory = self._stage.directory
        try:
            async with self._stage.locks.of(plugin_id):
                before = directory.get(plugin_id) if plugin_id in directory else None
                await converge(self._stage, plugin_id)
                after = directory.get(plugin_id) if plugin_id in directory else None
            await self._tell_of_releases(before, after)
        except DatabaseUnavailableError as error:
            logger.info("plugin %d does not follow the other nodes now: %s", plugin_id, error)
        except Exception:
            logger.exception("plugin %d could not follow the other nodes; it is tried again", plugin_id)
            self._later(plugin_id)
        else:
            if after is not None and after.behind is not None:
                self._later(plugin_id)
            else:
                self._tries.pop(plugin_id, None)

    async def _others_first(self, plugin_id: int) -> None:
        """Wait for the plugins that it requires, where they are on their way up."""
        directory = self._stage.directory
        required = directory.get(plugin_id).required if plugin_id in directory else ()
        before = [task for name in required if (task := self._task_of(name)) is not None]
        if before:
            await asyncio.wait(before, timeout=self._stage.settings.initialize_timeout)

    def _task_of(self, name: str) -> asyncio.Task[None] | None:
        record = self._stage.directory.find(name)
        return self._tasks.get(record.id) if record is not None else None

    def _later(self, plugin_id: int) -> None:
        tries = self._tries.get(plugin_id, (0, 0.0))[0] + 1
        pause = backoff.pause(
            tries,
            shortest=SHORTEST_PAUSE_S,
            longest=LONGEST_PAUSE_S,
            roll=random.random(),  # noqa: S311  a jitter
        )
        self._tries[plugin_id] = (tries, self._stage.clock.monotonic() + pause)

    async def _tell_of_releases(self, before: PluginRecord | None, after: PluginRecord | None) -> None:
        was = before.release if before else None
        now = after.release if after else None
        if after is not None and was is not None and was != now:
            await self.on_switched(after.id)
        elif after is None and was is not None:
            await self.on_gone()


async def _nothing(_plugin_id: int = 0) -> None:
    """Nobody is told."""
