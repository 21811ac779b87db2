"""`PluginManager` conducts: each operation reads as a paragraph, each step is one specialist's.

1. Operations on one plugin come one after the other; those on several lock them in the order of ids.
2. An operation that began ends, whatever becomes of the caller who asked for it: nothing is half made.
3. What is answered is committed; what is announced to subscribers is announced after that, and cannot fail the answer.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from isp_plugins.actors import Actor
from isp_plugins.configuration.schema import ConfigSchema
from isp_plugins.configuration.values import Candidate, ConfigChange, ConfigEntry
from isp_plugins.contracts.hooks import Subscription
from isp_plugins.contracts.vocabulary import Desired, State
from isp_plugins.contracts.worker import Death
from isp_plugins.db.paging import Page
from isp_plugins.lifecycle import (
    calling,
    configuring,
    dying,
    enabling,
    placing,
    registering,
    reloading,
    removing,
    updating,
)
from isp_plugins.lifecycle.abandonment import Abandonment
from isp_plugins.lifecycle.announcements import Announcement
from isp_plugins.lifecycle.closing import stop_all
from isp_plugins.lifecycle.convergence import Convergence
from isp_plugins.lifecycle.history import HealthEntry
from isp_plugins.lifecycle.kept import Part
from isp_plugins.lifecycle.probing import Prober, probe
from isp_plugins.lifecycle.reconcile import load, reconcile
from isp_plugins.lifecycle.records import (
    ExecuteResult,
    HealthReport,
    PluginChanges,
    PluginDraft,
    PluginRecord,
)
from isp_plugins.lifecycle.recovering import mended, recover
from isp_plugins.lifecycle.releases import ReleaseDraft
from isp_plugins.lifecycle.scheduled import ScheduledMethod, run_scheduled, scheduled
from isp_plugins.lifecycle.singletons import SingletonKeeper
from isp_plugins.lifecycle.stage import Stage
from isp_plugins.lifecycle.states import not_active
from isp_plugins.lifecycle.straining import look_at_strain
from isp_plugins.lifecycle.subscriptions import Subscriptions
from isp_plugins.lifecycle.taking_over import Takeovers
from isp_plugins.lifecycle.tripping import breaker_changed
from isp_plugins.lifecycle.views import BreakerView
from isp_plugins.lifecycle.whole import WholeOperations
from isp_plugins.lifecycle.workers import Workers

T = TypeVar("T")


class PluginManager:
    """Everything that can be done with plugins; what is shown of them is in its `PluginDirectory`."""

    def __init__(self, stage: Stage, *, grace_s: float = 2.0) -> None:
        self._stage = stage
        self._stage.breakers.on_change = partial(breaker_changed, self._stage)
        self._stage.supervisor.on_look = partial(look_at_strain, self._stage)
        self.workers = Workers(self._stage)
        """What is shown of plugins' workers, and of their deaths."""
        self._prober = Prober(self._stage, self._probe)
        self._directory = stage.directory
        self._operations = WholeOperations()
        self._whole = self._operations.run
        self.convergence = Convergence(self._stage, self._operations)
        """How this node follows the others."""
        self._change = self.convergence.change
        self.subscriptions = Subscriptions(self._stage, self.convergence)
        """What operators bind to hooks."""
        self.releases = Takeovers(self._stage, self._operations, self.convergence, self.look_at_singletons)
        """How another release of an installed plugin takes over."""
        self._singletons = SingletonKeeper(self._stage, self._operations.begin, grace_s)
        self._abandonment = Abandonment(self._stage, self._operations)
        self.on_uninstalled: Callable[[], Awaitable[Any]] = _nothing
        """Drops the files of an installed plugin that is gone."""
        self.on_death: Callable[[int, str], None] = lambda _plugin_id, _cause: None
        """Told of a plugin whose worker died while it served, and how."""
        self._loaded = False

    # --- registration ---

    async def register(self, draft: PluginDraft, actor: Actor) -> PluginRecord:
        """Make a plugin known, with its subscriptions; `PluginNameTakenError`, `DependencyCycleError`, errors of the hooks' room."""
        return await self.convergence.new(lambda: registering.register(self._stage, draft, actor))

    async def install(
        self, draft: PluginDraft, release: ReleaseDraft, candidate: Candidate, actor: Actor
    ) -> PluginRecord:
        """Make a plugin known that was installed, with its release and configuration; errors as of `register`."""
        work = partial(registering.install, self._stage, draft, release, candidate, actor)
        return await self.convergence.new(work)

    async def update(self, plugin_id: int, changes: PluginChanges, actor: Actor) -> PluginRecord:
        """Change a plugin's description; an active one is reloaded where needed, or nothing changes (`PluginUpdateFailedError`)."""

        async def work() -> PluginRecord:
            async with self._stage.locks.of(plugin_id):
                await updating.update(self._stage, self._directory.get(plugin_id), changes, actor)
                mended(self._stage, plugin_id)
            self.look_at_singletons()  # where it runs may have been changed
            return self._directory.get(plugin_id)

        return await self._change(plugin_id, work)

    async def delete(
        self, plugin_id: int, actor: Actor, *, cascade: bool = False, keep: frozenset[Part] = frozenset()
    ) -> None:
        """Disable a plugin and drop everything of it but logs, audit and these parts; `PluginStillNeededError` with the names of those that need it."""

        async def work() -> None:
            record = await removing.delete(self._stage, plugin_id, actor, cascade=cascade, keep=keep)
            if record.release is not None:
                await self.on_uninstalled()

        await self.convergence.settle(plugin_id, work, lambda: plugin_id not in self._directory)

    # --- lifecycle ---

    async def enable(self, plugin_id: int, actor: Actor) -> PluginRecord:
        """Bring a plugin up; one that is active stays as it is. `DependenciesUnsatisfiedError`, `ConfigurationIncompleteError`, `PluginEnableFailedError`."""
        forgive = self._abandonment.forgive
        await self.convergence.settle(
            plugin_id,
            lambda: enabling.enable(self._stage, plugin_id, actor, forgive=forgive),
            lambda: self._directory.get(plugin_id).state in {State.ACTIVE, State.STANDBY},
        )
        return self._directory.get(plugin_id)

    async def disable(self, plugin_id: int, actor: Actor, *, cascade: bool = False) -> PluginRecord:
        """Take a plugin down; afterwards it is not called again. `PluginStillNeededError` with the names of those that need it."""
        await self.convergence.settle(
            plugin_id,
            lambda: removing.disable(self._stage, plugin_id, actor, cascade=cascade),
            lambda: self._directory.get(plugin_id).state is State.DISABLED,
        )
        return self._directory.get(plugin_id)

    async def reload(self, plugin_id: int, actor: Actor) -> PluginRecord:
        """Replace code and configuration without dropping a call; `PluginReloadFailedError` where the new one does not work."""

        async def work() -> PluginRecord:
            async with self._stage.locks.of(plugin_id):
                await reloading.reload(self._stage, self._active(plugin_id, "reload"), actor)
                return self._directory.get(plugin_id)

        return await self._change(plugin_id, work)

    # --- calls ---

    async def execute(self, plugin_id: int, method: str, parameters: Any, actor: Actor) -> ExecuteResult:
        """Call a public method of an active plugin's own class; errors of `runtime.errors`."""

        async def work() -> ExecuteResult:
            try:
                return await calling.execute(self._stage, plugin_id, method, parameters, actor)
            finally:
                self._abandonment.count(plugin_id)

        return await self._whole(work())

    async def health(self, plugin_id: int) -> HealthReport:
        """Ask a plugin how it does, now; it counts as a probe."""
        try:
            return await calling.health(self._stage, plugin_id)
        finally:
            self._abandonment.count(plugin_id)

    def last_health(self, plugin_id: int) -> HealthReport:
        """How a plugin did when it was asked last, and what the host knows by now; nothing is asked."""
        return calling.last_health(self._stage, plugin_id)

    async def health_history(self, plugin_id: int, *, page: int = 1, size: int = 50) -> Page[HealthEntry]:
        """What was found about a plugin's health, newest first."""
        self._directory.get(plugin_id)
        return await self._stage.history.page(plugin_id, page=page, size=size)

    def breaker(self, plugin_id: int) -> BreakerView:
        """A plugin's circuit breaker."""
        return self._stage.breakers.view(plugin_id)

    def on_died(self, death: Death) -> None:
        """Told by the runtime, on the loop's thread, of a worker that ended although nobody asked it to."""
        serves = dying.served(self._stage, death) is not None
        noticed = dying.notice(self._stage, death)
        if serves:
            self.on_death(death.plugin_id, dying.cause_of_death(noticed))
        if not self._operations.closing:
            self._operations.begin(dying.conduct(self._stage, noticed))

    def on_failed(self, subscription: Subscription, error: BaseException) -> None:
        """Told by the engine's observer, from any thread, of a call by a hook that failed."""
        self._stage.breakers.failed(subscription, error)

    async def test_connection(self, plugin_id: int) -> Mapping[str, Any]:
        """Let an active plugin try its peers: `{ok, message, ...}`; `TestConnectionUnsupportedError`."""
        return await calling.test_connection(self._stage, plugin_id)

    def scheduled(self) -> list[ScheduledMethod]:
        """What the plugins that run here want run by the clock."""
        return scheduled(self._stage)

    async def run_scheduled(self, one: ScheduledMethod, slot: Mapping[str, Any]) -> None:
        """Run a plugin's scheduled method for one slot."""
        await self._whole(run_scheduled(self._stage, one, slot))

    # --- singletons ---

    def on_lapsed(self) -> None:
        """Told by the membership, on the loop's thread, that this node holds its leases no more."""
        self._singletons.lapsed()

    def look_at_singletons(self) -> None:
        """Told by the membership after every heartbeat; stops, begins and shows what is to be."""
        if self._loaded and not self._operations.closing:
            self._singletons.look()

    # --- configuration ---

    async def configure(self, plugin_id: int, change: ConfigChange, actor: Actor) -> list[ConfigEntry]:
        """Try a change on the running plugin, then save it; `ConfigurationRefusedError`, `RequiredKeyMissingError`, errors of the configuration's room."""

        async def work() -> list[ConfigEntry]:
            async with self._stage.locks.of(plugin_id):
                record = self._directory.get(plugin_id)
                candidate = await configuring.configure(self._stage, record, change, actor)
                mended(self._stage, plugin_id)
                if candidate.changed_keys:
                    extra = {"changed_keys": list(candidate.changed_keys)}
                    self._stage.announcer.announce(Announcement.CONFIGURED, record, actor, extra)
                return await self._stage.configuration.entries(
                    plugin_id, ConfigSchema.of(record.config_schema)
                )

        return await self._change(plugin_id, work)

    # --- the node ---

    async def load(self) -> None:
        """Fill the directory, once; nothing is started. For a host that only looks."""
        if not self._loaded:
            await load(self._stage)
            self._loaded = True

    async def reconcile(self) -> None:
        """Bring every wanted plugin up and begin to retry those that fail; a plugin that fails stops nothing."""
        await self.load()
        self.convergence.open()
        await reconcile(self._stage)
        for record in self._directory:
            if record.state is State.QUARANTINED and record.desired is Desired.ENABLED:
                at = record.retry_at or self._stage.recovery.wall(self._stage.settings.quarantine_pause)
                self._stage.recovery.expect_at(record.id, at, patient=True)
        self._stage.recovery.start(self._retry)
        self._prober.start()
        self._stage.supervisor.start()
        self._stage.history.start()

    async def recover(self) -> None:
        """Retry now what is due now, and wait for it; the ticker does this by itself."""
        await self._stage.recovery.tick(self._retry)

    async def probe_due(self) -> None:
        """Begin the probes that are due now; the ticker does this by itself."""
        await self._prober.tick()

    def on_abandoned(self, plugin_id: int, count: int) -> None:
        """Told by the engine's observer, from any thread, how many threads of a plugin hang; too many put it into quarantine."""
        self._abandonment.tell(plugin_id, count)

    async def close(self) -> None:
        """Stop every plugin, dependants first, within the deadlines; what is wanted of them stays wanted."""
        self._operations.closing = True
        await self.convergence.close()
        await self._stage.recovery.close()
        await self._prober.close()
        await self._stage.supervisor.close()
        await stop_all(self._stage, self._operations.under_way)
        await self._stage.history.close()

    def _active(self, plugin_id: int, operation: str) -> PluginRecord:
        record = self._directory.get(plugin_id)
        if record.state is State.STANDBY:
            raise placing.elsewhere(self._stage, record)
        if record.state is not State.ACTIVE:
            raise not_active(record.state, operation, name=record.name, plugin_id=plugin_id)
        return record

    async def _retry(self, plugin_id: int) -> None:
        async with self._stage.locks.of(plugin_id):
            if plugin_id in self._directory and not self._operations.closing:
                await recover(self._stage, plugin_id)
                self._abandonment.count(plugin_id)

    async def _probe(self, plugin_id: int) -> None:
        try:
            await probe(self._stage, plugin_id)
        finally:
            self._abandonment.count(plugin_id)


async def _nothing(_plugin_id: int = 0) -> None:
    """What is done for a plugin without files of ours."""
