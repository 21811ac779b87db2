"""What a hook is (its spec) and what a subscription is, as values that specialists share."""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from isp_plugins.contracts.calls import Callee
from isp_plugins.contracts.vocabulary import (
    BindingStatus,
    FailurePolicy,
    HookKind,
    SubscriptionType,
)

DEFAULT_DEADLINE_MS = 5000
DEFAULT_PRIORITY = 100
MAX_DEPTH = 16
"""How deep hooks may dispatch hooks, through workers and events too."""


@dataclass(frozen=True, slots=True)
class HookSpec:
    """A hook's contract: kind, payload, deadline and failure policy; an uncatalogued hook gets one with `known=False`."""

    name: str
    kind: HookKind
    domain: str
    description: str
    schema: Mapping[str, Any]
    """JSON Schema 2020-12 of the payload (of the value, for a filter): types what it names, requires nothing, allows more."""
    sample: Mapping[str, Any]
    veto: bool = False
    after_the_fact: bool = False
    mutable: tuple[str, ...] | None = None
    """Top-level fields a filter may change; None: all of them."""
    key: str | None = None
    """The payload field that orders this hook's events."""
    deadline_ms: int = DEFAULT_DEADLINE_MS
    fail_closed: bool = False
    """`on_failure: closed`: a failing subscriber of a veto or filter hook stops the dispatch."""
    internal: bool = False
    """`plugin_*`, `system_*`, `scheduler_*`: only the host dispatches it."""
    known: bool = True
    tmf: str | None = None
    uisp: str | None = None
    whmcs: str | None = None


@dataclass(frozen=True, slots=True)
class Subscription:
    """One plugin method bound to one hook; `callee` is None while the plugin does not run or the binding is invalid."""

    id: int
    plugin_id: int
    plugin_name: str
    hook: str
    type: SubscriptionType
    method: str
    priority: int = DEFAULT_PRIORITY
    condition: str | None = None
    timeout_ms: int | None = None
    """Own deadline of one call, within the dispatch's; None: only the dispatch's."""
    failure_policy: FailurePolicy = FailurePolicy.CONTINUE
    is_active: bool = True
    own_echo: bool = False
    """Whether a dispatch that this plugin itself caused calls it too."""
    binding: BindingStatus = BindingStatus.UNVERIFIED
    callee: Callee | None = None
    debug: bool = False
    """The plugin's log level is DEBUG: every invocation is timed and logged."""
    description: str = ""
    retry: "Retry | None" = None
    """Of an event subscription: how it is tried again; None: the default."""
    elsewhere: bool = False
    """Its plugin runs on another node, and only there."""


@dataclass(frozen=True, slots=True)
class Retry:
    """How an event subscription is tried again after a failure: pauses that double, at most so many attempts."""

    min_s: float = 1.0
    """The first pause, in seconds."""
    max_s: float = 3600.0
    """The longest pause, in seconds."""
    attempts: int = 40
    """Failed attempts after which the event becomes a dead letter."""


@dataclass(frozen=True, slots=True)
class NewEvent:
    """What a dispatch owes its event subscriptions, once for all of them; `payload` is JSON."""

    hook: str
    payload: bytes
    request_id: str
    owed: tuple[int, ...]
    """Ids of the subscriptions whose conditions were true."""
    context: Mapping[str, Any] = field(default_factory=dict)
    chain: tuple[str, ...] = ()
    """Plugins whose dispatches led here, outermost first."""
    key: str | None = None
    """What orders it: events of one key reach a subscription one after the other; None: no order."""
    hold_s: float = 0.0
    """How long it may wait for its release where the node that holds it is gone; 0: it is released when it is written."""


@dataclass(frozen=True, slots=True)
class Event:
    """One delivery to one event subscription; `payload` is a private copy of a JSON value."""

    subscription_id: int
    hook: str
    payload: Any
    request_id: str
    context: Mapping[str, Any] = field(default_factory=dict)
    """What the dispatch's caller gave along, and `idempotency_key` and `attempt`."""
    chain: tuple[str, ...] = ()
    """Plugins whose dispatches led here, outermost first."""


class EventSink(Protocol):
    """Keeps events durably; what it cannot keep fails the dispatch."""

    async def keep(self, event: NewEvent) -> int:
        """Write it; once this returns it survives a loss of power. Returns its id; raises an `UnavailableError`."""
        ...

    def keep_blocking(self, event: NewEvent) -> int:
        """The same for a synchronous dispatch, on whatever thread."""
        ...

    def release(self, event_id: int) -> None:
        """Let an event that was written with `hold_s` be delivered: its dispatch has ended. From any thread; never raises."""
        ...


class DispatchObserver(Protocol):
    """Told of what deserves a record, never of the ordinary success of a chain without DEBUG."""

    def failed(
        self, subscription: Subscription, error: BaseException, *, request_id: str, duration_ms: float | None
    ) -> None:
        """An invocation raised, timed out, or returned what the hook refuses."""
        ...

    def invoked(
        self, subscription: Subscription, *, request_id: str, duration_ms: float, outcome: str
    ) -> None:
        """An invocation of a plugin whose log level is DEBUG ended."""
        ...

    def condition_failed(self, subscription: Subscription, error: BaseException, *, request_id: str) -> None:
        """A condition could not be evaluated (the engine calls this at most once a minute per subscription)."""
        ...

    def abandoned(self, plugin_id: int, count: int) -> None:
        """A thread of the plugin ran past its deadline; `count` of them have been abandoned so far."""
        ...


class Dispatcher(Protocol):
    """Dispatches hooks; what plugin contexts and the host's own parts need of the engine."""

    def dispatch(
        self,
        hook: str,
        payload: Any,
        *,
        context: Mapping[str, Any] | None = None,
        origin: str | None = None,
        internal: bool = False,
    ) -> Awaitable[Any]:
        """Run the hook's subscriptions and return the result; `origin` is the name of the plugin that asks."""
        ...
