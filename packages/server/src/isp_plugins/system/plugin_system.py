"""`PluginSystem`: opens every service once, in order, wires the specialists to each other, and closes them in reverse.

async with PluginSystem.open(Settings(data_dir=Path("var"))) as system:
    result = await system.dispatch("customer_created", {"id": 7, "name": "Ada"})
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from isp_plugin_sdk.sandbox.policy import Enforcement
from isp_plugins.access import ApiKeys
from isp_plugins.actors import Actor
from isp_plugins.audit import AuditLog, AuditTag
from isp_plugins.clock import Clock, SystemClock
from isp_plugins.configuration import ConfigurationService, ciphertext_exists
from isp_plugins.db.data_directory import DataDirectory
from isp_plugins.db.engine import Database
from isp_plugins.db.migrate import migrate
from isp_plugins.db.urls import sqlite_file
from isp_plugins.events import DurableEvents
from isp_plugins.events.operating import EventOperator
from isp_plugins.events.reading import EventReader
from isp_plugins.events.retention import EventLimits, EventRetention
from isp_plugins.events.survey import LagSurvey
from isp_plugins.hooks.engine import DispatchResult, HookEngine
from isp_plugins.hooks.idempotency import IdempotencyStore
from isp_plugins.hooks.store import HookStore
from isp_plugins.keyring import KeyRing
from isp_plugins.lifecycle.directory import PluginDirectory
from isp_plugins.lifecycle.doctor import Doctor
from isp_plugins.lifecycle.installing import Installer, registration_mistakes
from isp_plugins.lifecycle.manager import PluginManager
from isp_plugins.lifecycle.preparing import Preparer
from isp_plugins.lifecycle.shelf import Shelf
from isp_plugins.lifecycle.trials import Budget, Trials
from isp_plugins.lifecycle.uninstalling import Uninstaller
from isp_plugins.lifecycle.upgrading import Upgrader
from isp_plugins.operations import Operations
from isp_plugins.packages.store import PackageStore
from isp_plugins.runtime.choosing import RuntimeByKind
from isp_plugins.runtime.in_process import InProcessRuntime
from isp_plugins.runtime.threads import DaemonThreads
from isp_plugins.runtime.worker import WorkerRuntime, WorkerSettings
from isp_plugins.runtime.worker.confining import Confiner
from isp_plugins.runtime.worker.denials import Denials
from isp_plugins.schedules import Scheduler
from isp_plugins.settings import Settings
from isp_plugins.storage import PluginStorage
from isp_plugins.system.host_calls import PluginHostCalls
from isp_plugins.system.observer import HostObserver
from isp_plugins.system.programs import Programs
from isp_plugins.system.scheduling import Schedules
from isp_plugins.telemetry.logs import PluginLogs
from isp_plugins.telemetry.retention import LogLimits, LogRetention
from isp_plugins.telemetry.stats import Statistics
from isp_plugins.templates.store import TemplateStore


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginSystem:
    """Every service of one host; open it with `PluginSystem.open`."""

    settings: Settings
    clock: Clock
    loop: asyncio.AbstractEventLoop
    data_directory: DataDirectory
    database: Database
    keyring: KeyRing
    audit: AuditLog
    keys: ApiKeys
    configuration: ConfigurationService
    storage: PluginStorage
    logs: PluginLogs
    log_retention: LogRetention
    templates: TemplateStore
    statistics: Statistics
    engine: HookEngine
    events: DurableEvents
    event_reader: EventReader
    event_operator: EventOperator
    event_retention: EventRetention
    event_survey: LagSurvey
    scheduler: Scheduler
    hook_store: HookStore
    idempotency: IdempotencyStore
    directory: PluginDirectory
    manager: PluginManager
    denials: Denials
    operations: Operations
    preparer: Preparer
    installer: Installer
    upgrader: Upgrader
    trials: Trials
    uninstaller: Uninstaller
    doctor: Doctor

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        settings: Settings,
        *,
        clock: Clock | None = None,
        start_plugins: bool = True,
        packages: PackageStore | None = None,
    ) -> AsyncIterator["PluginSystem"]:
        """Open the data directory and the database, migrate it, and bring the enabled plugins up; a plugin that fails stops nothing.

        `packages` takes the place of what fetches, builds and keeps packages (a test's double).
        Raises a `StartupError` that says what to mend; everything opened before it is closed again.
        """
        async with AsyncExitStack() as stack:
            clock = clock or SystemClock()
            base = await _lay_foundation(settings, clock, stack)
            packages = packages or PackageStore(settings, check=registration_mistakes)
            system = await _raise_house(settings, clock, base, stack, packages, runs=start_plugins)
            await (system.manager.reconcile() if start_plugins else system.manager.load())
            if start_plugins:
                await system.preparer.open()
                await system.operations.open()
                stack.push_async_callback(system.operations.close)
                await system.operations.recover()
                await system.trials.open()
                stack.push_async_callback(system.trials.close)
                await system.scheduler.open()
                stack.push_async_callback(system.scheduler.close)
            yield system

    async def dispatch(
        self, hook: str, payload: Any, *, context: Mapping[str, Any] | None = None, **options: Any
    ) -> DispatchResult:
        """Dispatch a hook from the host's own loop; the options are those of `HookEngine.dispatch`."""
        return await self.engine.dispatch(hook, payload, context=context, **options)

    def dispatch_sync(
        self, hook: str, payload: Any, *, context: Mapping[str, Any] | None = None, **options: Any
    ) -> DispatchResult:
        """Dispatch a hook on the calling thread; the options are those of `HookEngine.dispatch_sync`."""
        return self.engine.dispatch_sync(hook, payload, context=context, **options)

    def end_streams(self) -> None:
        """End every endless answer: the server stops."""
        self.logs.following.end()
        self.operations.end_following()

    async def rotate_secrets(self, actor: Actor) -> dict[str, Any]:
        """Encrypt every stored secret with the newest key, made now where the key ring is a file; `{rotated, unreadable, key_id}`.

        With keys from `ISP_PLUGINS_SECRET_KEYS` the newest is the variable's first: put a new one in front and restart before.
        """
        if self.keyring.is_kept_in_file:
            self.keyring.rotate_file()
        async with self.database.transaction() as session:
            rotation = await self.configuration.rotate_all(session)
            details = {
                "rotated": rotation.rotated,
                "unreadable": len(rotation.unreadable),
                "key_id": self.keyring.newest_id,
            }
            await self.audit.record(
                session,
                AuditTag.SECRETS_ROTATED,
                actor,
                subject=("keyring", self.keyring.newest_id),
                details=details,
            )
        return details


@dataclass(frozen=True, slots=True, kw_only=True)
class _Foundation:
    """What every specialist stands on, open."""

    data_directory: DataDirectory
    database: Database
    keyring: KeyRing
    audit: AuditLog
    keys: ApiKeys
    logs: PluginLogs
    log_retention: LogRetention


async def _lay_foundation(settings: Settings, clock: Clock, stack: AsyncExitStack) -> _Foundation:
    """Lock, migrate and open; the stack closes everything in reverse."""
    data_directory = DataDirectory(settings.data_dir)
    stack.enter_context(data_directory.lock(database_file=sqlite_file(settings.url)))
    await migrate(settings.url, backup_folder=data_directory.backups, clock=clock)
    database = await Database.open(settings.url)
    stack.push_async_callback(database.close)
    keyring = KeyRing.load(settings, ciphertext_exists=await ciphertext_exists(database))
    head_file = data_directory.path / "audit.head" if database.dialect == "sqlite" else None
    audit = AuditLog(database, keyring, node=settings.node, clock=clock, head_file=head_file)
    await audit.open()
    stack.push_async_callback(audit.close)
    keys = ApiKeys(database, audit, clock=clock)
    await keys.open()
    stack.push_async_callback(keys.close)
    logs = PluginLogs(
        database,
        node=settings.node,
        clock=clock,
        queue_size=settings.log_queue_size,
        flush_interval=settings.log_flush_interval,
    )
    await logs.open()
    stack.push_async_callback(logs.close)
    log_retention = LogRetention(database, clock=clock, limits=LogLimits.of(settings))
    await log_retention.open()
    stack.push_async_callback(log_retention.close)
    return _Foundation(
        data_directory=data_directory,
        database=database,
        keyring=keyring,
        audit=audit,
        keys=keys,
        logs=logs,
        log_retention=log_retention,
    )


async def _raise_house(
    settings: Settings,
    clock: Clock,
    base: _Foundation,
    stack: AsyncExitStack,
    packages: PackageStore,
    *,
    runs: bool,
) -> PluginSystem:
    """Build the specialists, wire them to each other, and put the manager over them."""
    loop = asyncio.get_running_loop()
    threads = DaemonThreads(settings.max_threads)
    events = DurableEvents(
        base.database,
        node=settings.node,
        lease_s=settings.event_lease,
        concurrency=settings.event_concurrency,
    )
    stack.push_async_callback(events.close)
    event_retention = EventRetention(
        base.database,
        EventLimits(settings.event_retention_days, settings.event_retention_mb, settings.event_mark_days),
    )
    event_reader = EventReader(base.database)
    event_survey = LagSurvey(event_reader)
    observer = HostObserver(base.logs)
    engine = HookEngine(threads=threads, events=events, observer=observer)
    engine.on_change = events.changed
    storage = PluginStorage(base.database, clock=clock)
    configuration = ConfigurationService(base.database, base.keyring, clock=clock)
    hook_store = HookStore(clock=clock)
    idempotency = IdempotencyStore(base.database, clock=clock, hours=settings.idempotency_hours)
    await idempotency.open()
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
    denials = Denials(base.audit)
    workers = WorkerRuntime(
        WorkerSettings.of(settings),
        clock,
        on_death=lambda death: manager.on_died(death),  # noqa: PLW0108  the manager is made after its runtime
        mask=base.logs.masked,
        confiner=Confiner(
            settings.data_dir.absolute(),
            Enforcement(settings.sandbox),
            settings.sandbox_first_uid,
            denials.add,
        ),
    )
    manager = PluginManager(
        database=base.database,
        audit=base.audit,
        configuration=configuration,
        runtime=RuntimeByKind(
            in_process=InProcessRuntime(settings.plugin_folders, threads, loop),
            worker=workers,
        ),
        program_of=Programs(settings.plugin_folders, packages),
        engine=engine,
        hook_store=hook_store,
        logs=base.logs,
        directory=directory,
        clock=clock,
        settings=settings,
        host_calls=lambda plugin_id, name: PluginHostCalls(
            plugin_id, name, storage=storage, dispatcher=engine
        ),
        hung=threads.abandoned,
        workers=workers.living,
    )
    observer.quarantine = manager.on_abandoned
    observer.trip = manager.on_failed
    stack.push_async_callback(manager.close)
    operations = Operations(
        base.database, base.audit, node=settings.node, clock=clock,
        concurrency=settings.operation_concurrency, keep_days=settings.operation_retention_days,
    )  # fmt: skip
    shelf = Shelf(packages, base.database)
    manager.on_uninstalled = shelf.sweep
    preparer = Preparer(
        packages=packages, dispatcher=engine, shelf=shelf, staging=base.data_directory.path / "staging"
    )
    installer = Installer(
        manager=manager, directory=directory, preparer=preparer, operations=operations, configuration=configuration,
        database=base.database,
    )  # fmt: skip
    upgrader = Upgrader(
        manager=manager, directory=directory, preparer=preparer, packages=packages, operations=operations,
        database=base.database, shelf=shelf, clock=clock,
    )  # fmt: skip
    trials = Trials(
        upgrader=upgrader, operations=operations, directory=directory, engine=engine, database=base.database,
        clock=clock, budget=Budget(settings.upgrade_error_percent, settings.upgrade_min_calls),
    )  # fmt: skip
    manager.on_switched, manager.on_death = trials.begin, trials.died
    uninstaller = Uninstaller(
        manager=manager, directory=directory, configuration=configuration, database=base.database, audit=base.audit, logs=base.logs, clock=clock,
        data_dir=settings.data_dir,
    )  # fmt: skip
    if runs:
        await events.open(engine, masked=base.logs.masked)
        event_retention.open()
        stack.push_async_callback(event_retention.close)
        event_survey.open()
        stack.push_async_callback(event_survey.close)
    stack.push_async_callback(events.stop_delivering)
    schedules = Schedules(engine, manager)
    scheduler = Scheduler(
        base.database, node=settings.node, clock=clock, jobs=schedules.jobs, failed=schedules.failed
    )
    doctor = Doctor(
        settings=settings, clock=clock, database=base.database, keyring=base.keyring, audit=base.audit, configuration=configuration,
        logs=base.logs, statistics=statistics, engine=engine, events=events, event_reader=event_reader, threads=threads, hook_store=hook_store, directory=directory,
        manager=manager, started_at=clock.now(), started=clock.monotonic(), is_running=runs,
    )  # fmt: skip
    return PluginSystem(
        settings=settings, clock=clock, loop=loop, data_directory=base.data_directory, database=base.database, keyring=base.keyring,
        audit=base.audit, keys=base.keys, logs=base.logs, log_retention=base.log_retention, configuration=configuration, storage=storage, engine=engine, events=events,
        event_reader=event_reader, event_operator=EventOperator(base.database, base.audit, events), event_retention=event_retention, event_survey=event_survey, scheduler=scheduler,
        hook_store=hook_store, idempotency=idempotency, directory=directory, manager=manager, statistics=statistics,
        operations=operations, preparer=preparer, installer=installer, upgrader=upgrader, trials=trials, uninstaller=uninstaller,
        templates=TemplateStore(base.database, base.audit, clock=clock), doctor=doctor, denials=denials,
    )  # fmt: skip
