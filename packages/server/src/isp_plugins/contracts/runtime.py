"""What the lifecycle asks of a runtime, whether the plugin runs in process or in a worker."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from isp_plugin_sdk.context import HostCalls
from isp_plugins.contracts.calls import Invoker
from isp_plugins.contracts.vocabulary import SubscriptionType
from isp_plugins.contracts.worker import WorkerProgram

Fence = Callable[[], int | None]
"""The token of the lease under which a singleton's instance was started; None: the plugin needs no lease."""


def unfenced() -> int | None:
    """The fence of a plugin that runs on every node."""
    return None


@runtime_checkable
class AdoptsLoggers(Protocol):
    """A plugin's logger that also takes what the plugin's modules log under their own names."""

    def adopt(self, root: str) -> None:
        """Take over what is logged under this name of the process's tree of loggers, and below it."""
        ...

    def release(self, root: str) -> None:
        """Let the process forget that name."""
        ...


@dataclass(frozen=True, slots=True)
class StartRequest:
    """Everything a runtime needs to bring one plugin up; the configuration is complete and decrypted."""

    plugin_id: int
    plugin_name: str
    generation: int
    """Raised by every change; makes each load's private root package unique."""
    module_path: str
    entry_point: str
    config: Mapping[str, Any]
    trusted_inline: bool
    """Plain methods may be called on the event loop's own thread."""
    logger: logging.Logger
    host: HostCalls
    load_deadline_s: float
    """Limit for import and construction."""
    initialize_deadline_s: float
    """Limit for `initialize`, and for `activate` and `configure` each."""
    cleanup_deadline_s: float
    secret_keys: frozenset[str] = frozenset()
    """Keys of the configuration that are stored encrypted."""
    program: WorkerProgram | None = None
    """How its worker is started; None: it runs in process."""


@dataclass(frozen=True, slots=True)
class DeclaredHook:
    """A subscription that the plugin's class declares with a decorator."""

    hook: str
    type: SubscriptionType
    method: str
    priority: int
    condition: str | None
    timeout_ms: int | None
    failure_policy: str
    own_echo: bool
    description: str
    retry: Mapping[str, Any] | None = None
    start_from: str | None = None


@dataclass(frozen=True, slots=True)
class DeclaredSchedule:
    """A method that the plugin's class wants run by the clock."""

    method: str
    cron: str


@runtime_checkable
class Scheduled(Protocol):
    """A `RunningPlugin` whose class declares schedules."""

    @property
    def declared_schedules(self) -> Sequence[DeclaredSchedule]:
        """What is run by the clock."""
        ...


class RunningPlugin(Invoker, Protocol):
    """One started instance: initialised, not yet subscribed."""

    @property
    def declared_hooks(self) -> Sequence[DeclaredHook]:
        """Subscriptions its class declares."""
        ...

    @property
    def can_configure(self) -> bool:
        """Whether it takes a new configuration while running (defines `configure`)."""
        ...

    @property
    def abandoned_threads(self) -> int:
        """Calls that ran past their deadline and still hold a thread."""
        ...

    async def activate(self) -> None:
        """Start background work; called after the hook snapshot was swapped. Does nothing where the plugin has no `activate`."""
        ...

    async def configure(self, config: Mapping[str, Any]) -> None:
        """Hand over a new complete configuration; raises a `PluginFailedError` where the plugin refuses it (raises or returns False)."""
        ...

    async def test_connection(self) -> Mapping[str, Any] | None:
        """Ask the plugin to try its peers with the present configuration; None where it cannot."""
        ...

    async def info(self) -> Mapping[str, Any]:
        """What `get_info` returns."""
        ...

    async def health(self, deadline_s: float) -> Mapping[str, Any]:
        """What `health_check` returns, checked for its shape: `status` and `checks` of `{name, status, message}`.

        `answered` is false where the plugin gave no such report (it hung, raised or returned something else): the report is the host's then.
        """
        ...

    async def execute(self, method: str, parameters: Any, deadline_s: float) -> Any:
        """Call a public method of the plugin's own class; an object binds by keyword or goes whole, a list by position."""
        ...

    async def stop(self) -> str | None:
        """Call `cleanup` within its deadline and drop the instance; returns what went wrong, for the log, never raises."""
        ...


@runtime_checkable
class Restartable(Protocol):
    """A `RunningPlugin` that can come back after `stop`, with the code it was loaded from, whatever lies on the disk by now."""

    async def restart(self) -> RunningPlugin:
        """Construct and initialise a new instance of the same code and configuration; raises a `PluginFailedError` as `start` does."""
        ...


@runtime_checkable
class Listening(Protocol):
    """A `RunningPlugin` for which the host may listen on ports."""

    def ports_kept(self) -> AbstractContextManager[None]:
        """Keep its ports inside the block, although it stops: who connects meanwhile waits for the instance that comes after it."""
        ...


@dataclass(frozen=True, slots=True)
class Migrated:
    """What a plugin's `migrate` was given, and what it returned; None: it leaves configurations alone."""

    given: Mapping[str, Any]
    config: Mapping[str, Any] | None


@runtime_checkable
class Migrates(Protocol):
    """A runtime that can ask a version what it makes of another one's configuration."""

    async def migrate(self, request: StartRequest, from_version: str) -> Migrated:
        """Ask a worker of its own, which is never initialised; raises a `PluginFailedError` and leaves nothing behind."""
        ...


class Runtime(Protocol):
    """Brings plugins up."""

    async def start(self, request: StartRequest) -> RunningPlugin:
        """Import, construct and initialise; raises a `PluginFailedError` with the cause and leaves nothing behind."""
        ...
