"""`Doctor`: gathers facts about the installation, a plugin or a hook, has them judged, and masks what is a secret.

It calls no plugin, except for its health check when that is asked for (`probe`), which is written into the audit trail.
"""

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from isp_plugins.actors import Actor
from isp_plugins.audit import AuditLog, AuditTag
from isp_plugins.clock import Clock
from isp_plugins.configuration import ConfigurationService
from isp_plugins.contracts.calls import CallMode
from isp_plugins.contracts.hooks import HookSpec
from isp_plugins.contracts.vocabulary import SkipReason, State
from isp_plugins.db.engine import Database
from isp_plugins.errors import PluginSystemError
from isp_plugins.events import DurableEvents
from isp_plugins.events.reading import EventReader
from isp_plugins.hooks.catalogue import CATALOGUE, spec_of
from isp_plugins.hooks.condition import compile_condition
from isp_plugins.hooks.counters import ChainEntry
from isp_plugins.hooks.engine import HookEngine
from isp_plugins.hooks.errors import ConditionInvalidError
from isp_plugins.hooks.filters import ValueRules
from isp_plugins.hooks.records import HookView
from isp_plugins.hooks.store import HookStore
from isp_plugins.keyring import KeyRing
from isp_plugins.lifecycle.directory import PluginDirectory
from isp_plugins.lifecycle.doctor import hook_checks, host_checks, plugin_checks
from isp_plugins.lifecycle.doctor.condition import Explanation, explain
from isp_plugins.lifecycle.doctor.facts import RunningFacts
from isp_plugins.lifecycle.doctor.findings import Report, SubjectKind, Unread
from isp_plugins.lifecycle.doctor.gather_database import UNAVAILABLE, cause_of
from isp_plugins.lifecycle.doctor.gather_installation import Host, gather, gather_offline
from isp_plugins.lifecycle.doctor.gather_plugin import (
    binding_facts,
    configuration_facts,
    last_death,
    last_errors,
    module_facts,
    package_facts,
)
from isp_plugins.lifecycle.doctor.hook_facts import Counts, HookFacts, SubscriptionFacts
from isp_plugins.lifecycle.doctor.plugin_facts import PluginFacts
from isp_plugins.lifecycle.errors import WorkerlessError
from isp_plugins.lifecycle.manager import PluginManager
from isp_plugins.lifecycle.records import HealthReport, PluginRecord
from isp_plugins.lifecycle.worker_views import WorkerView
from isp_plugins.nodes import Membership
from isp_plugins.runtime.threads import DaemonThreads
from isp_plugins.settings import Settings
from isp_plugins.telemetry.logs import PluginLogs
from isp_plugins.telemetry.masking import Masker
from isp_plugins.telemetry.stats import Statistics
from isp_plugins.telemetry.stats.tally import Key, of_dispatches

NO_PAYLOAD: Any = object()
"""Stands for the catalogue's sample."""
INSTALLATION = "installation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Doctor:
    """Looks at one node; the parts are those of its `PluginSystem`."""

    settings: Settings
    clock: Clock
    database: Database
    keyring: KeyRing
    audit: AuditLog
    configuration: ConfigurationService
    logs: PluginLogs
    statistics: Statistics
    engine: HookEngine
    events: DurableEvents
    event_reader: EventReader
    threads: DaemonThreads
    hook_store: HookStore
    directory: PluginDirectory
    manager: PluginManager
    membership: Membership
    started_at: datetime
    started: float
    """Monotonic seconds at the start."""
    is_running: bool = field(default=True)
    """Whether plugins were started; a system that only looks has none."""

    async def installation(self) -> Report:
        """Everything that the host stands on."""
        facts = await gather(self.settings, self.clock, self.database, self.keyring, self._host())
        return Report(
            SubjectKind.INSTALLATION, self.settings.node, self.clock.now(), host_checks.findings_of(facts)
        )

    async def plugin(self, plugin_id: int, *, probe: bool = False, actor: Actor | None = None) -> Report:
        """Why a plugin does not load; `probe` asks it for its health now, in the actor's name. `PluginNotFoundError`."""
        self.directory.forget_python()
        record = self.directory.seen(self.directory.get(plugin_id))
        configuration, hidden = await configuration_facts(record, self.configuration)
        views = await self._views(plugin_id)
        package = await package_facts(record, self.settings.data_dir.absolute())
        folders = self.settings.plugin_folders if package is None else (package.artifact / "code",)
        facts = PluginFacts(
            record=record,
            module=None if package and package.command else await module_facts(record, folders),
            package=package,
            configuration=configuration,
            bindings=views if isinstance(views, Unread) else binding_facts(views),
            errors=await last_errors(plugin_id, self.logs),
            abandoned=self.threads.abandoned(plugin_id) if self.is_running else Unread("no server runs here"),
            abandoned_limit=self.settings.abandoned_thread_limit,
            worker=self._worker(plugin_id),
            last_death=await last_death(plugin_id, self.manager.workers),
            breaker=record.tripped,
            probe=await self._probe(record, actor) if probe else None,
        )
        mask = Masker(hidden)
        findings = tuple(finding.masked(mask) for finding in plugin_checks.findings_of(facts))
        return Report(SubjectKind.PLUGIN, record.name, self.clock.now(), findings)

    async def hook(
        self,
        name: str,
        payload: Any = NO_PAYLOAD,
        *,
        context: Mapping[str, Any] | None = None,
        plugin: str | None = None,
    ) -> Report:
        """Why subscriptions of a hook did not run, with this payload or the catalogue's sample; of one plugin, if named."""
        spec = spec_of(name)
        wanted = self.directory.by_name(plugin) if plugin is not None else None
        given = payload is not NO_PAYLOAD
        value = payload if given else dict(spec.sample)
        everything = await self._subscriptions(spec, value, context)
        mine = [one for one in everything if wanted is None or one.plugin.id == wanted.id]
        facts = HookFacts(
            spec=spec,
            close=difflib.get_close_matches(name, CATALOGUE, n=3),
            dispatches=self._dispatches(name, everything),
            given=given,
            payload_mistakes=ValueRules(spec).mistakes(value),
            chain=everything,
            subscriptions=mine,
        )
        mask = await self._mask({one.plugin.id: one.plugin for one in everything}.values())
        findings = tuple(finding.masked(mask) for finding in hook_checks.findings_of(facts))
        return Report(SubjectKind.HOOK, name, self.clock.now(), findings)

    def _host(self) -> Host | None:
        if not self.is_running:
            return None
        return Host(
            directory=self.directory,
            logs=self.logs,
            events=self.events,
            threads=self.threads,
            drift_s=self._drift,
            running=self._running,
            membership=self.membership,
        )

    def _drift(self) -> float:
        """How far wall time ran ahead of monotonic time since the start."""
        return (self.clock.now() - self.started_at).total_seconds() - (self.clock.monotonic() - self.started)

    def _running(self) -> RunningFacts:
        abandoned = {plugin.name: self.threads.abandoned(plugin.id) for plugin in self.directory}
        return RunningFacts(
            started_at=self.started_at,
            now=self.clock.now(),
            threads_busy=self.threads.busy,
            threads_limit=self.threads.max_threads,
            abandoned={name: count for name, count in abandoned.items() if count},
            abandoned_limit=self.settings.abandoned_thread_limit,
            events_written=self.events.written,
            events_refused=self.events.refused,
            events_failure=self.events.failure,
            logs_waiting=self.logs.waiting,
            logs_size=self.settings.log_queue_size,
            logs_dropped=self.logs.dropped,
        )

    async def _probe(self, record: PluginRecord, actor: Actor | None) -> HealthReport | str | None:
        """Ask an active plugin for its health; one that does not run has nothing to say."""
        if record.state is not State.ACTIVE:
            return None
        if actor is not None:
            await self.audit.record_alone(
                AuditTag.PLUGIN_PROBED, actor, subject=("plugin", str(record.id)), details={"by": "doctor"}
            )
        try:
            return await self.manager.health(record.id)
        except PluginSystemError as error:
            return error.message

    def _worker(self, plugin_id: int) -> WorkerView | None:
        try:
            return self.manager.workers.of(plugin_id)
        except WorkerlessError:
            return None

    async def _views(self, plugin_id: int) -> Sequence[HookView] | Unread:
        try:
            async with self.database.reading() as session:
                return await self.hook_store.list(session, plugin_id)
        except UNAVAILABLE as error:
            return Unread(cause_of(error))

    async def _subscriptions(
        self, spec: HookSpec, payload: Any, context: Mapping[str, Any] | None
    ) -> list[SubscriptionFacts]:
        """Every subscription of the hook in the order of the chain, those of plugins that do not run too."""
        entries = {entry.subscription_id: entry for entry in self.engine.describe(spec.name)}
        full = self.threads.busy >= self.threads.max_threads
        async with self.database.reading() as session:
            views = [
                (view, plugin)
                for plugin in self.directory
                for view in await self.hook_store.list(session, plugin.id)
                if view.hook_name == spec.name
            ]
        lags = {lag.subscription_id: lag for lag in await self.event_reader.lag()}
        views.sort(key=lambda pair: (pair[0].priority, pair[1].name, pair[0].callback_method, pair[0].id))
        self.statistics.collect()
        return [
            SubscriptionFacts(
                view=view,
                plugin=plugin,
                condition=_explained(view.conditions, payload, context),
                counts=self._counts(view, entries.get(view.id)),
                breaker=plugin.tripped,
                lag=lags.get(view.id),
                waits_for_thread=full and view.id in entries and entries[view.id].mode == CallMode.THREAD,
            )
            for view, plugin in views
        ]

    def _counts(self, view: HookView, entry: ChainEntry | None) -> Counts:
        total = self.statistics.totals.get(
            Key(view.plugin_id, view.hook_name, view.hook_type.value, view.callback_method)
        )
        skips: Counter[SkipReason] = Counter()
        if total is not None:
            known = {reason.value for reason in SkipReason}
            skips.update({SkipReason(one): count for one, count in total.tally.skips.items() if one in known})
        if entry is None:
            return Counts(skips=skips)
        for reason, count in entry.skips.items():
            skips[reason] = max(skips[reason], count)
        return Counts(
            calls=entry.calls,
            errors=entry.errors,
            rejects=entry.rejects,
            timeouts=entry.timeouts,
            queued=entry.queued,
            skips=skips,
            last_error=entry.last_error and self.logs.masked(view.plugin_id, entry.last_error),
            last_run=_moment(entry.last_run),
        )

    def _dispatches(self, hook: str, subscriptions: Sequence[SubscriptionFacts]) -> int | None:
        total = self.statistics.totals.get(of_dispatches(hook))
        if total is not None:
            return total.tally.calls
        return 0 if subscriptions else None

    async def _mask(self, plugins: Any) -> Masker:
        """A masker of all secrets of these plugins."""
        hidden: set[str] = set()
        for plugin in plugins:
            hidden |= (await configuration_facts(plugin, self.configuration))[1]
        return Masker(hidden)


async def examine_offline(settings: Settings, clock: Clock) -> Report:
    """The installation's report where no server runs; `DataDirectoryInUseError` where one does."""
    facts = await gather_offline(settings, clock)
    return Report(SubjectKind.INSTALLATION, settings.node, clock.now(), host_checks.findings_of(facts))


def _explained(
    source: str | None, payload: Any, context: Mapping[str, Any] | None
) -> Explanation | str | None:
    if source is None:
        return None
    try:
        compile_condition(source)
    except ConditionInvalidError as error:
        return error.message
    return explain(source, payload, context)


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
