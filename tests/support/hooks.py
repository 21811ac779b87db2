"""A hook engine on the table: subscriptions from plain functions, an observer and a sink that keep what they are told."""

import inspect
import itertools

from isp_plugins.contracts.calls import Callee, CallMode
from isp_plugins.contracts.hooks import HookSpec, Subscription
from isp_plugins.contracts.vocabulary import BindingStatus, HookKind, SubscriptionType
from isp_plugins.hooks.catalogue import spec_of
from isp_plugins.hooks.engine import HookEngine
from isp_plugins.runtime.threads import DaemonThreads
from isp_plugins.testing import MemoryEvents

HOOK = "own_hook"
FILTER = "own_filter"
VETO = "own_veto"
CLOSED = "own_closed"
GUARDED = "own_guarded"
INTERNAL = "system_own"
_numbers = itertools.count(1000)

OWN = {
    FILTER: {"kind": HookKind.FILTER, "schema": {"type": "object", "properties": {"n": {"type": "integer"}}}},
    VETO: {"kind": HookKind.FILTER, "veto": True},
    CLOSED: {"kind": HookKind.FILTER, "fail_closed": True},
    GUARDED: {"kind": HookKind.FILTER, "mutable": ("n",)},
    INTERNAL: {"internal": True},
}


def own_specs(name):
    """The catalogue and the hooks above; `short_<milliseconds>` has that deadline."""
    if name in OWN:
        fields = {"kind": HookKind.ACTION, "schema": {}} | OWN[name]
        return HookSpec(name=name, domain="own", description="", sample={}, **fields)
    if name.startswith("short_"):
        deadline = int(name.removeprefix("short_"))
        return HookSpec(name, HookKind.ACTION, "own", "", {}, {}, deadline_ms=deadline)
    return spec_of(name)


class Notes:
    """A `DispatchObserver` that keeps what it is told."""

    def __init__(self):
        self.failures, self.invocations, self.conditions, self.abandonments = [], [], [], []

    def failed(self, subscription, error, *, request_id, duration_ms):
        self.failures.append((subscription.plugin_name, error, request_id, duration_ms))

    def invoked(self, subscription, *, request_id, duration_ms, outcome):
        self.invocations.append((subscription.plugin_name, outcome, duration_ms))

    def condition_failed(self, subscription, error, *, request_id):
        self.conditions.append((subscription.plugin_name, error))

    def abandoned(self, plugin_id, count):
        self.abandonments.append((plugin_id, count))


def make_engine(*, events=None, observer=None, threads=None, **options):
    """An engine with doubles for its neighbours."""
    return HookEngine(
        threads=threads or DaemonThreads(8),
        events=events if events is not None else MemoryEvents(),
        observer=observer or Notes(),
        specs=own_specs,
        **options,
    )


def plugin_id(name):
    """The id that a plugin of this name has in these tests."""
    return sum(ord(letter) * 31**place for place, letter in enumerate(name)) % 100_000


def subscription(plugin, call=None, *, hook=HOOK, mode=None, type=None, method=None, **options):  # noqa: A002  the field's name
    """A subscription of a plain function or a coroutine function."""
    kind = own_specs(hook).kind
    mode = (
        CallMode(mode) if mode else (CallMode.ASYNC if inspect.iscoroutinefunction(call) else CallMode.INLINE)
    )
    return Subscription(
        id=options.pop("id", None) or next(_numbers),
        plugin_id=plugin_id(plugin),
        plugin_name=plugin,
        hook=hook,
        type=type or SubscriptionType(kind.value),
        method=method or getattr(call, "__name__", "method"),
        binding=options.pop("binding", BindingStatus.VALID),
        callee=Callee(call, mode) if call is not None else None,
        **options,
    )


def event(plugin, call, **options):
    """An event subscription."""
    return subscription(plugin, call, type=SubscriptionType.EVENT, **options)


def subscribe(engine, *subscriptions):
    """Subscribe every plugin among them."""
    for name in {one.plugin_name for one in subscriptions}:
        mine = [one for one in subscriptions if one.plugin_name == name]
        engine.subscribe(plugin_id(name), mine)


def summary(result):
    """`plugin: status` (or why it was skipped) of every subscription, in order."""
    return [f"{one.plugin}: {one.skip_reason or one.status}" for one in result.outcomes]
