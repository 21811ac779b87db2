"""Builds the rooms of one host from the ground up: foundation, hooks, specialists, manager, packaging; each group as one value.

What is opened is pushed on the stack that closes it, so that it goes in reverse.
"""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass

from isp_plugin_sdk.sandbox.policy import Enforcement
from isp_plugins.access import ApiKeys
from isp_plugins.audit import AuditLog
from isp_plugins.clock import Clock
from isp_plugins.configuration import ConfigurationService, ciphertext_exists
from isp_plugins.contracts.vocabulary import LogLevel
from isp_plugins.db.data_directory import DataDirectory
from isp_plugins.db.engine import Database
from isp_plugins.db.migrate import migrate
from isp_plugins.db.urls import sqlite_file
from isp_plugins.events import DurableEvents
from isp_plugins.events.reading import EventReader
from isp_plugins.events.retention import EventLimits, EventRetention
from isp_plugins.events.survey import LagSurvey
from isp_plugins.hooks.engine import HookEngine
from isp_plugins.hooks.idempotency import IdempotencyStore
from isp_plugins.hooks.store import HookStore
from isp_plugins.keyring import KeyRing
from isp_plugins.lifecycle import passages
from isp_plugins.lifecycle.directory import PluginDirectory
from isp_plugins.lifecycle.installing import Installer
from isp_plugins.lifecycle.manager import PluginManager
from isp_plugins.lifecycle.preparing import Preparer
from isp_plugins.lifecycle.shelf import Shelf
from isp_plugins.lifecycle.stage import set_stage
from isp_plugins.lifecycle.trials import Budget, Trials
from isp_plugins.lifecycle.uninstalling import Uninstaller
from isp_plugins.lifecycle.upgrading import Upgrader
from isp_plugins.lifecycle.upkeep import Upkeep
from isp_plugins.nodes import Membership
from isp_plugins.nodes.claims import Claims
from isp_plugins.nodes.records import Pace
from isp_plugins.operations import Operations
from isp_plugins.packages.depot import open_depot
from isp_plugins.packages.store import PackageStore
from isp_plugins.runtime.choosing import RuntimeByKind
from isp_plugins.runtime.in_process import InProcessRuntime
from isp_plugins.runtime.threads import DaemonThreads
from isp_plugins.runtime.worker import WorkerRuntime, WorkerSettings
from isp_plugins.runtime.worker.confining import Confiner
from isp_plugins.runtime.worker.denials import Denials
from isp_plugins.runtime.worker.kept_code import KeptCode
from isp_plugins.runtime.worker.leftovers import Leftovers
from isp_plugins.settings import Settings
from isp_plugins.storage import PluginStorage
from isp_plugins.system.host_calls import PluginHostCalls
from isp_plugins.system.observer import HostObserver
from isp_plugins.system.programs import Programs
from isp_plugins.telemetry.logs import PluginLogs
from isp_plugins.telemetry.records import LogRecord
from isp_plugins.telemetry.retention import LogLimits, LogRetention
from isp_plugins.telemetry.stats import Statistics


@dataclass(frozen=True, slots=True, kw_only=True)
class Foundation:
    """What every specialist stands on, open."""

    settings: Settings
    clock: Clock
    packages: PackageStore
    data_directory: DataDirectory
    database: Database
    membership: Membership
    keyring: KeyRing
    audit: AuditLog
    keys: ApiKeys
    logs: PluginLogs
    log_retention: LogRetention


async def lay_foundation(
    settings: Settings,
    clock: Clock,
    packages: PackageStore,
    stack: AsyncExitStack,
    *,
    joins: bool = True,
    restoring: bool = False,
) -> Foundation:
    """Lock, migrate, join the other nodes (unless this process only looks) and open; the stack closes everything in reverse."""
    data_directory = DataDirectory(settings.data_dir)
    stack.enter_context(data_directory.lock(database_file=sqlite_file(settings.url), restoring=restoring))
    home = data_directory.home
    await migrate(settings.url, backup_folder=data_directory.backups, clock=clock, home=home)
    database = await Database.open(settings.url)
    stack.push_async_callback(database.close)
    await packages.connect(open_depot(settings, database))
    has_secrets = await ciphertext_exists(database) or await passages.hold_ciphertext(database)
    membership = Membership(database, node=settings.node, home=home, pace=_pace(settings))
    if joins:
        await membership.open()
        stack.push_async_callback(membership.close)
    keyring = KeyRing.load(settings, ciphertext_exists=has_secrets)
    head_file = data_directory.path / "audit.head" if database.dialect == "sqlite" else None
    audit = AuditLog(database, keyring, node=settings.node, clock=clock, head_file=head_file)
    await audit.open()
    stack.push_async_callback(audit.close)
    keys = ApiKeys(database, audit, clock=clock)
    await keys.open()
    stack.push_async_callback(keys.close)
    logs, log_retention = await _open_logs(database, settings, clock, stack)
    return Foundation(
        settings=settings,
        clock=clock,
        packages=packages,
        data_directory=data_directory,
        database=database,
        membership=membership,
        keyring=keyring,
        audit=audit,
        keys=keys,
        logs=logs,
        log_retention=log_retention,
    )


async def _open_logs(
    database: Database, settings: Settings, clock: Clock, stack: AsyncExitStack
) -> tuple[PluginLogs, LogRetention]:
    logs = PluginLogs(
        database,
        node=settings.node,
        clock=clock,
        queue_size=settings.log_queue_size,
        flush_interval=settings.log_flush_interval,
    )
    await logs.open()
    stack.push_async_callback(logs.close)
    retention = LogRetention(database, clock=clock, limits=LogLimits.of(settings))
    await retention.open()
    stack.push_async_callback(retention.close)
    return logs, retention


def _pace(settings: Settings) -> Pace:
    return Pace(settings.node_heartbeat, settings.node_lost_after)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """The hook engine, and what keeps and delivers its events."""

    threads: DaemonThreads
    observer: HostObserver
    engine: HookEngine
    events: DurableEvents
    reader: EventReader
    retention: EventRetention
    survey: LagSurvey

    async def deliver(self, base: Foundation, stack: AsyncExitStack) -> None:
        """Begin to deliver, and to delete what is too old."""
        await self.events.open(self.engine, masked=base.logs.masked)
        self.retention.open()
        stack.push_async_callback(self.retention.close)
        self.survey.open()
        stack.push_async_callback(self.survey.close)


def build_hooks(base: Foundation, stack: AsyncExitStack) -> Hooks:
    """The engine and the event log; nothing is delivered yet."""
    settings = base.settings
    threads = DaemonThreads(settings.max_threads)
    events = DurableEvents(
        base.database,
        node=settings.node,
        lease_s=settings.event_lease,
        concurrency=settings.event_concurrency,
        attempts_file=settings.data_dir / "attempts",
        holds=lambda: base.membership.holds,
    )
    stack.push_async_callback(events.close)
    limits = EventLimits(settings.event_retention_days, settings.event_retention_mb, settings.event_mark_days)
    observer = HostObserver(base.logs)
    engine = HookEngine(threads=threads, events=events, observer=observer)
    engine.on_change = events.changed
    reader = EventReader(base.database)
    return Hooks(
        threads=threads,
        observer=observer,
        engine=engine,
        events=events,
        reader=reader,
        retention=EventRetention(base.database, limits),
        survey=LagSurvey(reader),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Specialists:
    """Who knows one thing about plugins each."""

    storage: PluginStorage
    configuration: ConfigurationService
    hook_store: HookStore
    idempotency: IdempotencyStore
    directory: PluginDirectory
    statistics: Statistics
    denials: Denials


async def build_specialists(base: Foundation, engine: HookEngine, stack: AsyncExitStack) -> Specialists:
    """Each of them, open."""
    settings, clock = base.settings, base.clock
    idempotency = IdempotencyStore(base.database, clock=clock, hours=settings.idempotency_hours)
    await idempotency.open()
    stack.push_async_callback(idempotency.close)
    directory = PluginDirectory()
    statistics = Statistics(
        engine,
        base.database,
        node=settings.node,
        clock=clock,
        interval=settings.statistics_interval,
        plugins=lambda: [plugin.id for plugin in directory],
        mask=base.logs.masked,
    )
    await statistics.open()
    stack.push_async_callback(statistics.close)
    return Specialists(
        storage=PluginStorage(base.database, clock=clock),
        configuration=ConfigurationService(base.database, base.keyring, clock=clock),
        hook_store=HookStore(clock=clock),
        idempotency=idempotency,
        directory=directory,
        statistics=statistics,
        denials=Denials(base.audit),
    )


def build_manager(base: Foundation, hooks: Hooks, its: Specialists) -> PluginManager:
    """The manager over its two runtimes, told by the engine of calls that fail or hang."""
    settings, clock = base.settings, base.clock
    data_dir, enforcement = settings.data_dir.absolute(), Enforcement(settings.sandbox)
    workers = WorkerRuntime(
        WorkerSettings.of(settings),
        clock,
        on_death=lambda death: manager.on_died(death),  # noqa: PLW0108  the manager is made after its runtime
        mask=base.logs.masked,
        confiner=Confiner(data_dir, enforcement, settings.sandbox_first_uid, its.denials.add),
        leftovers=Leftovers.taken_over(data_dir),
    )
    in_process = InProcessRuntime(
        settings.plugin_folders, hooks.threads, asyncio.get_running_loop(), mask=base.logs.masked
    )
    stage = set_stage(
        database=base.database,
        audit=base.audit,
        configuration=its.configuration,
        runtime=RuntimeByKind(in_process=in_process, worker=workers),
        program_of=Programs(settings.plugin_folders, base.packages, KeptCode(data_dir / "kept-code")),
        engine=hooks.engine,
        hook_store=its.hook_store,
        logs=base.logs,
        directory=its.directory,
        clock=clock,
        settings=settings,
        host_calls=lambda plugin_id, name, fence: PluginHostCalls(
            plugin_id,
            name,
            storage=its.storage,
            dispatcher=hooks.engine,
            fence=fence,
            on_fenced=lambda why: base.logs.write(
                LogRecord(plugin_id=plugin_id, plugin_name=name, level=LogLevel.WARNING, message=why)
            ),
        ),
        hung=hooks.threads.abandoned,
        workers=workers.living,
        singletons=base.membership.singletons,
    )
    manager = PluginManager(stage, grace_s=base.membership.pace.grace)
    base.membership.on_lapsed = manager.on_lapsed
    base.membership.on_look = manager.look_at_singletons
    base.membership.on_rejoined = manager.convergence.look
    hooks.observer.quarantine = manager.on_abandoned
    hooks.observer.trip = manager.on_failed
    return manager


@dataclass(frozen=True, slots=True, kw_only=True)
class Packaging:
    """What brings packages in, to another version, and out."""

    operations: Operations
    preparer: Preparer
    installer: Installer
    upgrader: Upgrader
    trials: Trials
    uninstaller: Uninstaller
    upkeep: Upkeep


def build_packaging(
    base: Foundation, engine: HookEngine, its: Specialists, manager: PluginManager
) -> Packaging:
    """Everything around packages, wired to the manager."""
    settings, clock, packages = base.settings, base.clock, base.packages
    database, directory = base.database, its.directory
    operations = Operations(
        database, base.audit, node=settings.node, clock=clock,
        concurrency=settings.operation_concurrency, keep_days=settings.operation_retention_days,
    )  # fmt: skip
    shelf = Shelf(packages, database, directory)
    preparer = Preparer(
        packages=packages,
        dispatcher=engine,
        shelf=shelf,
        staging=base.data_directory.path / "staging",
        claims=Claims(database, settings.node),
    )
    upgrader = Upgrader(
        manager=manager, directory=directory, preparer=preparer, packages=packages, operations=operations,
        database=database, shelf=shelf, clock=clock,
    )  # fmt: skip
    trials = Trials(
        upgrader=upgrader, operations=operations, directory=directory, engine=engine, database=database,
        clock=clock, budget=Budget(settings.upgrade_error_percent, settings.upgrade_min_calls),
    )  # fmt: skip
    manager.on_uninstalled, manager.releases.on_switched, manager.on_death = (
        shelf.sweep,
        trials.begin,
        trials.died,
    )
    manager.convergence.on_gone, manager.convergence.on_switched = shelf.sweep, trials.begin
    installer = Installer(
        manager=manager, directory=directory, preparer=preparer, operations=operations,
        configuration=its.configuration, database=database,
    )  # fmt: skip
    uninstaller = Uninstaller(
        manager=manager, directory=directory, configuration=its.configuration, database=database, audit=base.audit, logs=base.logs, clock=clock,
        data_dir=settings.data_dir,
    )  # fmt: skip
    return Packaging(
        operations=operations, preparer=preparer, installer=installer, upgrader=upgrader, trials=trials, uninstaller=uninstaller,
        upkeep=Upkeep(packages, shelf, database, base.audit),
    )  # fmt: skip
