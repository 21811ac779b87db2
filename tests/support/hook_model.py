"""A reference model of the hook engine: the rules of `hooks.engine` as a plain loop, and programs to compare the engine with it.

A program is a list of dispatches over plugins whose methods do one thing each: return, raise, exit, reject, hang, dispatch another hook,
take a plugin out or put one in. `Model.dispatch` says what must happen; `Play.dispatch` lets the engine do it. Both leave a trace.
"""

import asyncio
import threading
from dataclasses import dataclass, replace

from isp_plugin_sdk import Reject
from isp_plugin_sdk.context import current_call
from isp_plugins.contracts.calls import CallMode
from isp_plugins.contracts.vocabulary import FailurePolicy, SubscriptionType
from support.hooks import make_engine, own_specs, plugin_id, subscription

OWN_TIMEOUT_MS = 60
AWAITED, OFF_LOOP, ON_LOOP = "awaited", "off the loop", "on the loop"
"""Where a dispatch runs: awaited, synchronously in a thread, or synchronously on the loop's own thread."""


@dataclass(frozen=True)
class Does:
    """One subscription and what its method does."""

    plugin: str
    hook: str
    deed: str
    """return, raise, exit, reject, hang, recurse, drop or add."""
    mode: CallMode
    target: str = ""
    """The hook to dispatch, or the plugin to take out or put in."""
    priority: int = 100
    at_least: int | None = None
    """Its condition: `n >= at_least`."""
    stops: bool = False
    active: bool = True
    event: bool = False

    @property
    def name(self):
        return f"{self.plugin}.{self.deed}"


class Model:
    """The rules, told plainly."""

    def __init__(self, subscriptions):
        self.subscribed = {}
        for one in subscriptions:
            self.subscribed.setdefault(one.plugin, []).append(one)
        self.stopped = set()
        self.trace = []

    def dispatch(self, hook, value, where, origin=None):
        """Status, what became of each, and the final n."""
        spec = own_specs(hook)
        chain = [one for mine in self.subscribed.values() for one in mine if one.hook == hook]
        chain.sort(key=lambda one: (one.priority, one.plugin, one.deed))
        is_filter = spec.kind.value == "filter"
        before = value
        told, status = [], "completed"
        gone = set()  # taken out while this dispatch runs
        self.running = [*getattr(self, "running", []), gone]
        for one in chain:
            if one.event:
                told.append((one.name, self._event(one, before, origin)))
                continue
            outcome = self._skip(one, value, origin, gone, status)
            if outcome is None:
                outcome = self._call(one, spec, value, where)
                if outcome == "rejected":
                    status = "rejected"
                elif outcome in {"error", "timed_out"} and one.stops:
                    status = "stopped"
                elif outcome == "ok" and is_filter:
                    value += 1
            told.append((one.name, outcome))
        self.running.pop()
        return status, told, value if is_filter else None

    def _event(self, one, value, origin):
        if not one.active:
            return "inactive"
        if one.plugin == origin:
            return "own_echo"
        return "queued" if one.at_least is None or value >= one.at_least else "condition_false"

    def _skip(self, one, value, origin, gone, status):
        if not one.active:
            return "inactive"
        if one.plugin == origin:
            return "own_echo"
        if status != "completed":
            return {"rejected": "after_reject", "stopped": "after_stop"}[status]
        if one.at_least is not None and value < one.at_least:
            return "condition_false"
        return "plugin_stopped" if one.plugin in gone else None

    def _call(self, one, spec, value, where):
        """What becomes of a call."""
        if one.mode is CallMode.ASYNC and where == ON_LOOP:
            return "error"
        self.trace.append((one.name, value))
        if one.deed == "reject":
            return "rejected" if spec.veto else "error"
        if one.deed == "hang":
            in_pool = one.mode is CallMode.THREAD and where == AWAITED
            return "timed_out" if one.mode is CallMode.ASYNC or in_pool else "ok"
        if one.deed in {"raise", "exit"}:
            return "error"
        if one.deed == "recurse":
            result = self.dispatch(one.target, value, inner(one.mode, where), one.plugin)
            self.trace.append((one.name, result))
        elif one.deed == "drop" and one.target != one.plugin:
            self.subscribed.pop(one.target, None)
            for gone in self.running:
                gone.add(one.target)
        elif one.deed == "add":
            self.subscribed[one.target] = [newcomer(one.target, one.hook)]
        return "ok"


def newcomer(plugin, hook):
    """What `add` subscribes."""
    return Does(plugin, hook, "return", CallMode.INLINE)


def inner(mode, where):
    """Where the dispatch of a method runs that is called in this mode by a dispatch that runs there."""
    if mode is CallMode.ASYNC:
        return AWAITED
    if where == AWAITED:
        return OFF_LOOP if mode is CallMode.THREAD else ON_LOOP
    return where


class Play:
    """The same with the engine."""

    def __init__(self, subscriptions, order):
        self.engine = make_engine()
        self.trace = []
        self.over = threading.Event()
        plugins = sorted({one.plugin for one in subscriptions}, key=lambda name: (order.index(name), name))
        for name in plugins:
            self.subscribe(name, [one for one in subscriptions if one.plugin == name])

    def subscribe(self, plugin, subscriptions):
        self.engine.subscribe(plugin_id(plugin), [self._subscription(one) for one in subscriptions])

    def _subscription(self, one):
        options = {"priority": one.priority, "is_active": one.active, "method": one.deed}
        if one.at_least is not None:
            options["condition"] = f"n >= {one.at_least}"
        if one.deed == "hang":
            options["timeout_ms"] = OWN_TIMEOUT_MS
        if one.stops:
            options["failure_policy"] = FailurePolicy.STOP
        if one.event:
            options["type"] = SubscriptionType.EVENT
        call = self._awaited(one) if one.mode is CallMode.ASYNC else self._plain(one)
        return subscription(one.plugin, call, hook=one.hook, mode=one.mode, **options)

    def _plain(self, one):
        def call(payload):
            self.trace.append((one.name, payload["n"]))
            if one.deed == "hang" and getattr(current_call.get(), "leg", None) is not None:
                self.over.wait(60)
            elif one.deed == "recurse":
                result = self.engine.dispatch_sync(one.target, {"n": payload["n"]}, origin=one.plugin)
                self.trace.append((one.name, told(result)))
            return self._ending(one, payload)

        return call

    def _awaited(self, one):
        async def call(payload):
            self.trace.append((one.name, payload["n"]))
            if one.deed == "hang":
                await asyncio.Event().wait()
            elif one.deed == "recurse":
                result = await self.engine.dispatch(one.target, {"n": payload["n"]}, origin=one.plugin)
                self.trace.append((one.name, told(result)))
            elif one.deed == "drop" and one.target != one.plugin:
                await self.engine.unsubscribe(plugin_id(one.target), drain_timeout=5)
            return self._ending(one, payload)

        return call

    def _ending(self, one, payload):
        if one.deed == "raise":
            raise ValueError(one.name)
        if one.deed == "exit":
            raise SystemExit(one.name)
        if one.deed == "reject":
            raise Reject(one.name)
        if one.deed == "add":
            self.subscribe(one.target, [newcomer(one.target, one.hook)])
        return {"n": payload["n"] + 1}

    async def dispatch(self, hook, value, where):
        if where == AWAITED:
            result = await self.engine.dispatch(hook, {"n": value})
        elif where == OFF_LOOP:
            result = await asyncio.to_thread(self.engine.dispatch_sync, hook, {"n": value})
        else:
            result = self.engine.dispatch_sync(hook, {"n": value})
        return told(result)


def told(result):
    """A result as the model tells it."""
    outcomes = [(f"{one.plugin}.{one.method}", str(one.skip_reason or one.status)) for one in result.outcomes]
    return str(result.status), outcomes, result.value["n"] if result.value is not None else None


def plain_only(one):
    """A plain method cannot wait for a plugin to be taken out."""
    return replace(one, mode=CallMode.ASYNC) if one.deed == "drop" else one
