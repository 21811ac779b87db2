"""A house for the lifecycle's tests: real database, audit, configuration, subscriptions and logs; a scripted runtime and a recording engine."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from isp_plugins.actors import Actor, ActorType
from isp_plugins.audit import AuditLog
from isp_plugins.configuration import ConfigChange, ConfigurationService, SetValue
from isp_plugins.contracts.calls import Callee, CallMode
from isp_plugins.contracts.hooks import Subscription
from isp_plugins.contracts.runtime import DeclaredHook, StartRequest
from isp_plugins.contracts.vocabulary import BreakerState, SubscriptionType
from isp_plugins.contracts.worker import Death, DeathReason, ResourceUse
from isp_plugins.db.engine import Database
from isp_plugins.db.errors import DatabaseUnavailableError
from isp_plugins.hooks.store import HookStore
from isp_plugins.keyring import KeyRing
from isp_plugins.lifecycle.directory import PluginDirectory
from isp_plugins.lifecycle.manager import PluginManager
from isp_plugins.lifecycle.records import PluginDraft, PluginRecord
from isp_plugins.lifecycle.stage import set_stage
from isp_plugins.runtime.errors import (
    ConfigureFailedError,
    ExecutionFailedError,
    InitializeFailedError,
    MethodNotCallableError,
)
from isp_plugins.settings import Settings
from isp_plugins.telemetry.logs import PluginLogs
from isp_plugins.testing import FakeClock

ADA = Actor(ActorType.API_KEY, "7", "ada")


@dataclass
class Script:
    """How every instance of one plugin behaves; may be changed between two starts."""

    fails: str | None = None
    """Why it does not start."""
    health: str = "healthy"
    answers: bool = True
    """Whether a health check has an answer; without one it hangs until its limit, which passes at once."""
    configurable: bool = False
    refuses: Callable[[Mapping[str, Any]], bool] = lambda config: False
    activates: bool = True
    methods: Mapping[str, Callable[[Any], Any]] = field(
        default_factory=lambda: {"on_event": lambda payload: payload}
    )
    declares: Sequence[DeclaredHook] = ()
    connection: Mapping[str, Any] | None = None
    hold: asyncio.Event | None = None
    """Starting waits for it."""
    mortal: bool = False
    """Whether it stands for one that runs in a worker."""
    code: str = "1"
    """What `code` of an instance says; stands for the text on the disk."""


class FakePlugin:
    """One scripted instance."""

    def __init__(self, runtime: "FakeRuntime", script: Script, request: StartRequest, code: str) -> None:
        self.runtime = runtime
        self.script = script
        self.request = request
        self.code = code
        self.config = dict(request.config)
        self.activated = False
        self.abandoned_threads = 0
        self.asked = 0
        self.declared_hooks = tuple(script.declares)

    @property
    def can_configure(self) -> bool:
        return self.script.configurable

    def callee(self, method: str) -> Callee:
        if method not in self.script.methods:
            raise MethodNotCallableError(
                method=method, plugin=self.request.plugin_name, reason="there is no such method", choices=""
            )
        return Callee(self.script.methods[method], CallMode.INLINE)

    async def activate(self) -> None:
        if not self.script.activates:
            raise InitializeFailedError(reason="activate said no")
        self.activated = True

    async def configure(self, config: Mapping[str, Any]) -> None:
        if self.script.refuses(config):
            raise ConfigureFailedError(reason=f"cannot work with {dict(config)}")
        self.config = dict(config)

    async def test_connection(self) -> Mapping[str, Any] | None:
        return self.script.connection

    async def info(self) -> Mapping[str, Any]:
        return {"name": self.request.plugin_name}

    async def health(self, deadline_s: float) -> Mapping[str, Any]:
        self.asked += 1
        checks = [
            {
                "name": "peer",
                "status": "pass" if self.script.health == "healthy" else "fail",
                "message": "looked",
            }
        ]
        if not self.script.answers:
            hung = {"name": "health_check", "status": "fail", "message": "it did not return"}
            return {"status": "unhealthy", "checks": [hung], "answered": False}
        return {"status": self.script.health, "checks": checks, "answered": True}

    async def execute(self, method: str, parameters: Any, deadline_s: float) -> Any:
        if method not in self.script.methods:
            raise ExecutionFailedError(method=method, reason="there is no such method")
        return self.script.methods[method](parameters)

    async def stop(self) -> str | None:
        self.runtime.alive.remove(self)
        return None


class MortalPlugin(FakePlugin):
    """One that stands for a worker; a test says when it dies."""

    pids = itertools.count(100_000)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.pid = next(self.pids)
        self.death: Death | None = None
        self.started_at = datetime(2030, 1, 1, tzinfo=UTC)

    def die(self, **fields: Any) -> Death:
        """Its end, which nobody asked for."""
        values: dict[str, Any] = {
            "plugin_id": self.request.plugin_id,
            "plugin_name": self.request.plugin_name,
            "version": "1.0.0",
            "pid": self.pid,
            "started_at": self.started_at,
            "died_at": datetime(2030, 1, 1, 1, tzinfo=UTC),
            "reason": DeathReason.EXITED,
            "exit_code": 3,
            "signal": None,
            "detail": "",
            "log_tail": (),
            "usage": ResourceUse(),
        }
        self.death = Death(**(values | fields))
        return self.death


class FakeRuntime:
    """Starts scripted plugins, and knows which instances live."""

    def __init__(self) -> None:
        self.scripts: dict[str, Script] = {}
        self.alive: list[FakePlugin] = []
        self.starts: list[StartRequest] = []

    def script(self, name: str) -> Script:
        return self.scripts.setdefault(name, Script())

    def living(self, name: str) -> list[FakePlugin]:
        return [plugin for plugin in self.alive if plugin.request.plugin_name == name]

    async def start(self, request: StartRequest) -> FakePlugin:
        script = self.script(request.plugin_name)
        self.starts.append(request)
        if script.hold is not None:
            await script.hold.wait()
        await asyncio.sleep(0)
        if script.fails is not None or script.refuses(request.config):
            raise InitializeFailedError(reason=script.fails or f"cannot work with {dict(request.config)}")
        kind = MortalPlugin if script.mortal else FakePlugin
        plugin = kind(self, script, request, script.code)
        self.alive.append(plugin)
        return plugin


class FakeEngine:
    """Keeps what it is told; dispatches nothing but remembers the announcements."""

    def __init__(self) -> None:
        self.subscriptions: dict[int, tuple[Subscription, ...]] = {}
        self.dispatched: list[tuple[str, dict[str, Any]]] = []
        self.gated: set[int] = set()
        self.history: list[str] = []
        self.switched: dict[int, BreakerState] = {}
        self.succeeded: dict[int, int] = {}
        self.suspended: set[int] = set()

    def subscribe(self, plugin_id: int, subscriptions: Sequence[Subscription]) -> None:
        self.subscriptions[plugin_id] = tuple(subscriptions)
        self.suspended.discard(plugin_id)
        self.history.append(f"subscribe {plugin_id}")

    async def unsubscribe(self, plugin_id: int, *, drain_timeout: float) -> int:
        self.subscriptions.pop(plugin_id, None)
        self.history.append(f"unsubscribe {plugin_id}")
        await asyncio.sleep(0)
        return 0

    def forget(self, plugin_id: int) -> None:
        self.subscriptions.pop(plugin_id, None)
        self.history.append(f"forget {plugin_id}")

    async def drain(self, plugin_id: int, *, timeout: float) -> int:
        self.history.append(f"drain {plugin_id}")
        await asyncio.sleep(0)
        return 0

    @asynccontextmanager
    async def gate(self, plugin_id: int) -> AsyncIterator[None]:
        self.gated.add(plugin_id)
        yield
        self.gated.discard(plugin_id)

    def switch(self, plugin_id: int, state: BreakerState) -> None:
        self.switched[plugin_id] = state
        self.history.append(f"{state} {plugin_id}")

    def suspend(self, plugin_id: int) -> None:
        self.suspended.add(plugin_id)
        self.history.append(f"suspend {plugin_id}")

    def resume(self, plugin_id: int) -> None:
        self.suspended.discard(plugin_id)

    def skipped(self, plugin_id: int) -> tuple[Subscription, ...]:
        return self.subscriptions.get(plugin_id, ()) if plugin_id in self.suspended else ()

    def skip(self, plugin_id: int, subscriptions: Sequence[Subscription]) -> None:
        self.subscriptions[plugin_id] = tuple(subscriptions)
        self.suspended.add(plugin_id)

    def successes(self, plugin_id: int) -> int:
        return self.succeeded.get(plugin_id, 0)

    async def dispatch(
        self, hook: str, payload: Any, *, context: Any = None, origin: Any = None, internal: bool = False
    ) -> Any:
        assert internal
        self.dispatched.append((hook, payload))


class TornAudit(AuditLog):
    """An audit trail whose database goes away when `torn` is set: whatever shares its transaction is not written."""

    torn = False

    async def record(self, *args: Any, **fields: Any) -> None:
        if self.torn:
            raise DatabaseUnavailableError(dialect="sqlite", cause="disk full")
        await super().record(*args, **fields)


class NoHost:
    """Host calls of plugins that ask for nothing."""


class House:
    """One node's lifecycle on a database; `restart` makes another on the same one, as after a kill."""

    def __init__(
        self,
        database: Database,
        keyring: KeyRing,
        clock: FakeClock,
        settings: Settings,
        scripts: dict[str, Script] | None = None,
    ) -> None:
        self.database = database
        self.keyring = keyring
        self.clock = clock
        self.settings = settings
        self.audit = TornAudit(database, keyring, node=settings.node, clock=clock)
        self.configuration = ConfigurationService(database, keyring, clock=clock)
        self.logs = PluginLogs(
            database, node=settings.node, clock=clock, queue_size=10_000, flush_interval=60
        )
        self.runtime = FakeRuntime()
        if scripts is not None:
            self.runtime.scripts = scripts
        self.engine = FakeEngine()
        self.directory = PluginDirectory()
        self.hook_store = HookStore(clock=clock)
        stage = set_stage(
            database=database,
            audit=self.audit,
            configuration=self.configuration,
            runtime=self.runtime,
            engine=self.engine,
            hook_store=self.hook_store,
            logs=self.logs,
            directory=self.directory,
            clock=clock,
            settings=settings,
            host_calls=lambda plugin_id, name, fence: NoHost(),  # type: ignore[arg-type, return-value]  # never asked
        )
        self.manager = PluginManager(stage)

    async def kill(self) -> None:
        """End what goes on in the background, and write nothing."""
        stage = self.manager._stage
        await self.manager.convergence.close()
        await stage.recovery.close()
        await self.manager._prober.close()
        await stage.supervisor.close()
        await stage.history._writing.stop()
        await stage.announcer.close(5)

    async def restart(self) -> "House":
        """A new node on the same database, started; the old one is left as a kill leaves it."""
        await self.kill()
        house = House(self.database, self.keyring, self.clock, self.settings, self.runtime.scripts)
        await house.manager.reconcile()
        return house

    async def register(self, name: str = "mailer", **fields: Any) -> PluginRecord:
        return await self.manager.register(draft(name, **fields), ADA)

    async def enabled(self, name: str = "mailer", **fields: Any) -> PluginRecord:
        plugin = await self.register(name, **fields)
        return await self.manager.enable(plugin.id, ADA)

    async def configure(self, plugin_id: int, *remove: str, **values: Any) -> Any:
        change = ConfigChange(set={key: SetValue(value) for key, value in values.items()}, remove=remove)
        return await self.manager.configure(plugin_id, change, ADA)

    async def trail(self) -> list[tuple[str, str, str]]:
        """Audit entries as (tag, outcome, actor), oldest first."""
        from sqlalchemy import select

        from isp_plugins.db.tables import AuditEntry

        async with self.database.reading() as session:
            rows = await session.execute(
                select(AuditEntry.tag, AuditEntry.outcome, AuditEntry.actor_name).order_by(AuditEntry.id)
            )
            return [tuple(row) for row in rows]

    def announced(self) -> list[str]:
        return [hook for hook, _ in self.engine.dispatched]


def draft(name: str = "mailer", **fields: Any) -> PluginDraft:
    """A plugin to register."""
    raw = {
        "name": name,
        "version": "1.0.0",
        "plugin_type": "COMMUNICATION",
        "module_path": f"plugins.{name.replace('-', '_')}",
        "entry_point": "Plugin",
    }
    return PluginDraft.of(raw | {"exclusive": False} | fields)


def needs(*names: str, optional: bool = False, specifier: str = "") -> list[dict[str, Any]]:
    """Dependencies on plugins."""
    return [{"kind": "plugin", "name": name, "specifier": specifier, "optional": optional} for name in names]


def declared(hook: str = "customer_created", method: str = "on_event", **fields: Any) -> DeclaredHook:
    """A declaration of the plugin's code."""
    values: dict[str, Any] = {
        "type": SubscriptionType.ACTION,
        "priority": 100,
        "condition": None,
        "timeout_ms": None,
        "failure_policy": "continue",
        "own_echo": False,
        "description": "",
    }
    return DeclaredHook(hook=hook, method=method, **(values | fields))
