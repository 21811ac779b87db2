"""What the conductor's modules share: the specialists, and what lives on this node."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from isp_plugins.audit import AuditLog
from isp_plugins.clock import Clock
from isp_plugins.configuration import ConfigurationService
from isp_plugins.contracts.hooks import Dispatcher, Subscription
from isp_plugins.contracts.runtime import Fence, Runtime
from isp_plugins.contracts.vocabulary import Placement
from isp_plugins.contracts.worker import Supervised, WorkerLimits
from isp_plugins.db.engine import Database
from isp_plugins.hooks.store import HookStore
from isp_plugins.lifecycle.announcements import Announcer
from isp_plugins.lifecycle.bindings import Bindings
from isp_plugins.lifecycle.breakers import Breakers, Switchboard
from isp_plugins.lifecycle.damping import Flapping
from isp_plugins.lifecycle.deaths import Deaths
from isp_plugins.lifecycle.directory import PluginDirectory
from isp_plugins.lifecycle.history import HealthHistory
from isp_plugins.lifecycle.holding import StoringCalls
from isp_plugins.lifecycle.instances import Instance
from isp_plugins.lifecycle.intensity import Intensity
from isp_plugins.lifecycle.launching import Launcher, NoPrograms, ProgramOf
from isp_plugins.lifecycle.ledger import Ledger
from isp_plugins.lifecycle.locks import PluginLocks
from isp_plugins.lifecycle.places import Alone, Places
from isp_plugins.lifecycle.recovery import Recovery
from isp_plugins.lifecycle.vitals import Vitals
from isp_plugins.lifecycle.watch import HealthWatch
from isp_plugins.runtime.breaker import BreakerLimits
from isp_plugins.runtime.worker.supervisor import Supervisor
from isp_plugins.settings import Settings
from isp_plugins.telemetry.logs import PluginLogs


class Engine(Dispatcher, Switchboard, Protocol):
    """What the lifecycle asks of the hook engine (`hooks.engine.HookEngine`)."""

    def subscribe(self, plugin_id: int, subscriptions: Sequence[Subscription]) -> None:
        """Replace all of a plugin's subscriptions, every affected chain in one step."""
        ...

    async def unsubscribe(self, plugin_id: int, *, drain_timeout: float) -> int:
        """Never call the plugin again; wait for calls in flight, and return how many were given up."""
        ...

    def forget(self, plugin_id: int) -> None:
        """The plugin was deleted: not even its event subscriptions are owed anything."""
        ...

    async def drain(self, plugin_id: int, *, timeout: float) -> int:  # noqa: ASYNC109  the engine's own limit, in seconds
        """Wait until the calls in flight have ended, and return how many were given up."""
        ...

    def suspend(self, plugin_id: int) -> None:
        """From the next dispatch on, skip the plugin because its worker is down."""
        ...

    def resume(self, plugin_id: int) -> None:
        """Call a suspended plugin again."""
        ...

    def skipped(self, plugin_id: int) -> tuple[Subscription, ...]:
        """The subscriptions of a plugin that is suspended; none where it is not."""
        ...

    def skip(self, plugin_id: int, subscriptions: Sequence[Subscription]) -> None:
        """Replace all of a plugin's subscriptions by those that were skipped, and skip them again."""
        ...

    def tally(self, plugin_id: int) -> dict[int, tuple[int, int]]:
        """A plugin's calls, and how many of them failed; by a number that is new whenever counting begins anew."""
        ...

    def gate(self, plugin_id: int) -> AbstractAsyncContextManager[None]:
        """Let dispatches that would call the plugin wait."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Everything that takes part in a plugin's life, once."""

    database: Database
    configuration: ConfigurationService
    engine: Engine
    hook_store: HookStore
    logs: PluginLogs
    directory: PluginDirectory
    clock: Clock
    settings: Settings
    ledger: Ledger
    launcher: Launcher
    bindings: Bindings
    announcer: Announcer
    recovery: Recovery
    locks: PluginLocks
    vitals: Vitals
    history: HealthHistory
    breakers: Breakers
    watch: HealthWatch
    supervisor: Supervisor
    deaths: Deaths
    singletons: Places
    instances: dict[int, Instance]
    """What runs here, by the plugin's id."""
    hung: Callable[[int], int]
    """How many threads of a plugin's overdue calls still hang."""

    def forget(self, plugin_id: int) -> None:
        """Drop what is kept in memory of a plugin that was deleted."""
        self.recovery.forget(plugin_id)
        self.recovery.forgive(plugin_id)
        self.vitals.forget(plugin_id)
        self.history.forget(plugin_id)
        self.launcher.forget(plugin_id)
        self.deaths.forget(plugin_id)
        self.engine.forget(plugin_id)


def set_stage(
    *,
    database: Database,
    audit: AuditLog,
    configuration: ConfigurationService,
    runtime: Runtime,
    engine: Engine,
    hook_store: HookStore,
    logs: PluginLogs,
    directory: PluginDirectory,
    clock: Clock,
    settings: Settings,
    host_calls: Callable[[int, str, Fence], StoringCalls],
    hung: Callable[[int], int] = lambda _plugin_id: 0,
    workers: Callable[[], Iterable[Supervised]] = lambda: (),
    program_of: ProgramOf | None = None,
    singletons: Places | None = None,
) -> Stage:
    """Build what the conductor needs around the specialists; a host without workers and other nodes leaves the last four out."""
    places = singletons or Alone()
    launcher = Launcher(
        runtime=runtime,
        configuration=configuration,
        logs=logs,
        host_calls=host_calls,
        settings=settings,
        clock=clock,
        program_of=program_of or NoPrograms(),
        token_of=lambda plugin_id: _token(directory, places, plugin_id),
    )
    announcer, vitals, breakers = Announcer(engine), Vitals(), _breakers(engine, clock, settings, logs)
    return Stage(
        database=database,
        configuration=configuration,
        engine=engine,
        hook_store=hook_store,
        logs=logs,
        directory=directory,
        clock=clock,
        settings=settings,
        ledger=Ledger(database=database, audit=audit, directory=directory, clock=clock, node=settings.node),
        launcher=launcher,
        bindings=Bindings(database=database, hook_store=hook_store),
        announcer=announcer,
        recovery=_recovery(clock, settings),
        locks=PluginLocks(),
        vitals=vitals,
        history=HealthHistory(database, node=settings.node, clock=clock, size=settings.health_history_size),
        breakers=breakers,
        watch=_watch(directory, announcer, clock, settings, vitals=vitals, breakers=breakers),
        supervisor=_supervisor(workers, clock, settings),
        deaths=Deaths(database, node=settings.node, clock=clock, size=settings.worker_death_history),
        singletons=places,
        instances={},
        hung=hung,
    )


def _token(directory: PluginDirectory, singletons: Places, plugin_id: int) -> int | None:
    """The token of the lease under which a plugin runs here; None where it needs none."""
    runs_once = plugin_id in directory and directory.get(plugin_id).placement is Placement.SINGLETON
    return singletons.fence(plugin_id) if runs_once else None


def _breakers(engine: Engine, clock: Clock, settings: Settings, logs: PluginLogs) -> Breakers:
    limits = BreakerLimits(settings.breaker_failures, settings.breaker_pause)
    return Breakers(engine, clock=clock, limits=limits, mask=logs.masked)


def _supervisor(workers: Callable[[], Iterable[Supervised]], clock: Clock, settings: Settings) -> Supervisor:
    return Supervisor(workers, clock=clock, caps=_caps(settings), interval=settings.worker_sample_interval)


def _recovery(clock: Clock, settings: Settings) -> Recovery:
    return Recovery(
        clock=clock,
        shortest=settings.recovery_backoff_min,
        longest=settings.recovery_backoff_max,
        intensity=Intensity(settings.restart_limit, settings.restart_window),
        quarantine_pause=settings.quarantine_pause,
    )


def _caps(settings: Settings) -> WorkerLimits:
    """What the operator lets any worker use."""
    return WorkerLimits(
        memory_mb=settings.worker_memory_mb,
        cpu_percent=settings.worker_cpu_percent,
        open_files=settings.worker_open_files,
        threads=settings.worker_threads,
    )


def _watch(
    directory: PluginDirectory,
    announcer: Announcer,
    clock: Clock,
    settings: Settings,
    *,
    vitals: Vitals,
    breakers: Breakers,
) -> HealthWatch:
    return HealthWatch(
        directory=directory,
        announcer=announcer,
        clock=clock,
        limits=Flapping(settings.health_flap_limit, settings.health_flap_window),
        checks=vitals.checks,
        is_quiet=breakers.is_quiet,
    )
