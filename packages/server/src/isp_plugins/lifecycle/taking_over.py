"""Lets another release of an installed plugin take over: the plugin is locked, switched, brought out of quarantine, and told of.

1. What the switch itself does, and what becomes of a plugin whose new release fails, is `lifecycle.switching`.
2. Another release has not failed yet: what was quarantined or waits for its next try is tried at once.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from isp_plugins.actors import Actor
from isp_plugins.contracts.vocabulary import Desired, State
from isp_plugins.lifecycle import migrating, switching
from isp_plugins.lifecycle.convergence import Convergence
from isp_plugins.lifecycle.records import PluginRecord
from isp_plugins.lifecycle.recovering import mended
from isp_plugins.lifecycle.stage import Stage
from isp_plugins.lifecycle.whole import WholeOperations


class Takeovers:
    """What the manager does with releases."""

    def __init__(
        self,
        stage: Stage,
        operations: WholeOperations,
        convergence: Convergence,
        look_at_singletons: Callable[[], None],
    ) -> None:
        self._stage = stage
        self._operations = operations
        self._convergence = convergence
        self._look_at_singletons = look_at_singletons
        self.on_switched: Callable[[int], Awaitable[Any]] = _nobody
        """Told of a plugin with another release."""

    async def migrated(
        self, before: PluginRecord, after: PluginRecord, sent: Mapping[str, Any]
    ) -> migrating.Migration:
        """What a new release makes of the plugin's configuration; nothing is written. `MigrateFailedError`, `MigratedConfigurationInvalidError`."""
        must_run = before.desired is Desired.ENABLED
        return await self._operations.run(
            migrating.migrate(self._stage, before, after, sent, must_run=must_run)
        )

    async def upgrade(self, plugin_id: int, wanted: switching.Upgrade, actor: Actor) -> PluginRecord:
        """Let a new release take over; errors of `lifecycle.switching.upgrade`, and then nothing was changed."""
        return await self._switched(
            plugin_id, lambda record: switching.upgrade(self._stage, record, wanted, actor)
        )

    async def take_back(self, plugin_id: int, wanted: switching.Return, actor: Actor) -> PluginRecord:
        """Let a kept release take over again; `RollbackFailedError`, and then nothing was changed."""
        return await self._switched(
            plugin_id, lambda record: switching.take_back(self._stage, record, wanted, actor)
        )

    async def _switched(
        self, plugin_id: int, switch: Callable[[PluginRecord], Awaitable[PluginRecord]]
    ) -> PluginRecord:
        directory = self._stage.directory

        async def work() -> PluginRecord:
            async with self._stage.locks.of(plugin_id):
                await switch(directory.get(plugin_id))
                if directory.get(plugin_id).state is State.QUARANTINED:
                    await self._out_of_quarantine(plugin_id)
                mended(self._stage, plugin_id)
            self._look_at_singletons()  # where it runs may have been changed
            return directory.get(plugin_id)

        after = await self._convergence.change(plugin_id, work)
        await self.on_switched(plugin_id)
        return after

    async def _out_of_quarantine(self, plugin_id: int) -> None:
        record = self._stage.directory.get(plugin_id)
        await self._stage.ledger.commit(
            record.moved(State.FAILED, self._stage.clock.now(), cause=record.cause, failures=1)
        )
        if record.desired is Desired.ENABLED:
            self._stage.recovery.expect(plugin_id, 0.0)


async def _nobody(_plugin_id: int) -> None:
    """Nobody watches new releases here."""
