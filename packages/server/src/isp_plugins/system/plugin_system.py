"""`PluginSystem`: opens every service once, in order, wires the specialists to each other, and closes them in reverse.

async with PluginSystem.open(Settings(data_dir=Path("var"))) as system:
    result = await system.dispatch("customer_created", {"id": 7, "name": "Ada"})
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from isp_plugins.access import ApiKeys
from isp_plugins.actors import Actor
from isp_plugins.audit import AuditLog, AuditTag
from isp_plugins.clock import Clock, SystemClock
from isp_plugins.configuration import ConfigurationService
from isp_plugins.db.data_directory import DataDirectory
from isp_plugins.db.engine import Database
from isp_plugins.events import DurableEvents
from isp_plugins.events.operating import EventOperator
from isp_plugins.events.reading import EventReader
from isp_plugins.events.retention import EventRetention
from isp_plugins.events.survey import LagSurvey
from isp_plugins.hooks.engine import DispatchResult, HookEngine
from isp_plugins.hooks.idempotency import IdempotencyStore
from isp_plugins.hooks.store import HookStore
from isp_plugins.keyring import KeyRing
from isp_plugins.lifecycle import passages, releases
from isp_plugins.lifecycle.directory import PluginDirectory
from isp_plugins.lifecycle.doctor import Doctor
from isp_plugins.lifecycle.installing import Installer, registration_mistakes
from isp_plugins.lifecycle.manager import PluginManager
from isp_plugins.lifecycle.preparing import Preparer
from isp_plugins.lifecycle.suitability import SuitabilityReport, Target, judge
from isp_plugins.lifecycle.trials import Trials
from isp_plugins.lifecycle.uninstalling import Uninstaller
from isp_plugins.lifecycle.upgrading import Upgrader
from isp_plugins.lifecycle.upkeep import Upkeep
from isp_plugins.nodes import Membership, Node
from isp_plugins.operations import Operations
from isp_plugins.packages.store import PackageStore
from isp_plugins.runtime.worker.denials import Denials
from isp_plugins.schedules import Scheduler
from isp_plugins.settings import Settings
from isp_plugins.storage import PluginStorage
from isp_plugins.system.rooms import (
    Foundation,
    build_hooks,
    build_manager,
    build_packaging,
    build_specialists,
    lay_foundation,
)
from isp_plugins.system.scheduling import Schedules
from isp_plugins.telemetry.logs import PluginLogs
from isp_plugins.telemetry.retention import LogRetention
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
    membership: Membership
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
    upkeep: Upkeep
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
        restoring: bool = False,
    ) -> AsyncIterator["PluginSystem"]:
        """Open the data directory and the database, migrate it, and bring the enabled plugins up; a plugin that fails stops nothing.

        `packages` takes the place of what fetches, builds and keeps packages (a test's double); `restoring` is for the restore of a backup,
        which looks at what it made before anybody else may.
        Raises a `StartupError` that says what to mend; everything opened before it is closed again.
        """
        async with AsyncExitStack() as stack:
            clock = clock or SystemClock()
            packages = packages or PackageStore(settings, check=registration_mistakes)
            base = await lay_foundation(
                settings, clock, packages, stack, joins=start_plugins, restoring=restoring
            )
            system = await _raise_house(base, stack, runs=start_plugins)
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
                system.upkeep.open()
                stack.push_async_callback(system.upkeep.close)
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

    async def check_against(self, host: str, python: str | None = None) -> SuitabilityReport:
        """Which plugins would not load on another version of the host, and of Python where it is given; `TargetVersionInvalidError`."""
        target = Target.of(host, python)
        async with self.database.reading() as session:
            bases = await releases.foundations(session)
        return SuitabilityReport(target, version("isp-plugins"), judge(list(self.directory), bases, target))

    def announce(self, url: str) -> None:
        """Tell where the HTTP server of this node listens: other processes of this machine, and other nodes."""
        self.data_directory.announce(url)
        self.membership.announce(url)

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
            rotation = await self.configuration.rotate_all(session, also=[passages.renew])
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


def _after(operations: Operations) -> Callable[[Sequence[Node]], Awaitable[None]]:
    """What follows when nodes were lost."""

    async def lost(nodes: Sequence[Node]) -> None:
        for node in nodes:
            await operations.node_lost(node.name)

    return lost


async def _raise_house(base: Foundation, stack: AsyncExitStack, *, runs: bool) -> PluginSystem:
    """Build the specialists, wire them to each other, and put the manager over them; what is opened later is closed first."""
    settings, clock = base.settings, base.clock
    hooks = build_hooks(base, stack)
    its = await build_specialists(base, hooks.engine, stack)
    manager = build_manager(base, hooks, its)
    stack.push_async_callback(manager.close)
    work = build_packaging(base, hooks.engine, its, manager)
    base.membership.on_lost = _after(work.operations)
    if runs:
        await hooks.deliver(base, stack)
    stack.push_async_callback(hooks.events.stop_delivering)
    schedules = Schedules(hooks.engine, manager)
    scheduler = Scheduler(
        base.database, node=settings.node, clock=clock, jobs=schedules.jobs, failed=schedules.failed
    )
    doctor = Doctor(
        settings=settings, clock=clock, database=base.database, keyring=base.keyring, audit=base.audit, configuration=its.configuration,
        logs=base.logs, statistics=its.statistics, engine=hooks.engine, events=hooks.events, event_reader=hooks.reader, threads=hooks.threads,
        hook_store=its.hook_store, directory=its.directory, manager=manager, membership=base.membership, started_at=clock.now(), started=clock.monotonic(), is_running=runs,
    )  # fmt: skip
    return PluginSystem(
        settings=settings, clock=clock, loop=asyncio.get_running_loop(), data_directory=base.data_directory, database=base.database,
        membership=base.membership, keyring=base.keyring, audit=base.audit, keys=base.keys, logs=base.logs, log_retention=base.log_retention,
        configuration=its.configuration, storage=its.storage, hook_store=its.hook_store, idempotency=its.idempotency, directory=its.directory,
        statistics=its.statistics, denials=its.denials, engine=hooks.engine, events=hooks.events, event_reader=hooks.reader,
        event_operator=EventOperator(base.database, base.audit, hooks.events), event_retention=hooks.retention, event_survey=hooks.survey,
        scheduler=scheduler, manager=manager, operations=work.operations, preparer=work.preparer, installer=work.installer,
        upgrader=work.upgrader, trials=work.trials, uninstaller=work.uninstaller, upkeep=work.upkeep,
        templates=TemplateStore(base.database, base.audit, clock=clock), doctor=doctor,
    )  # fmt: skip
