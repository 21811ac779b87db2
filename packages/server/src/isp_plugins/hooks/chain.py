"""One hook's chain: its subscriptions in order, the code that runs them, made when it is first needed, and its count.

1. Order: priority ascending, ties by plugin name, then by method; never by load order.
2. A chain never changes but for two things: callables of a stopped plugin are replaced, and it may be retired.
3. `fires` is exact: the ordinary path counts down `left`, the timed one fills it up again, and neither can be interrupted by another
   thread (CPython switches at calls and backward jumps only).
4. The first `FIRST_TIMED` dispatches are timed, then one in sixteen (awaited: in sixty-four), all of them while a plugin is at DEBUG.
"""

import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from types import CodeType, FunctionType
from typing import Any

import orjson

from isp_plugin_sdk.context import current_call
from isp_plugins.contracts.calls import CallMode
from isp_plugins.contracts.hooks import HookSpec, Subscription
from isp_plugins.contracts.vocabulary import BindingStatus, HookKind, SkipReason, SubscriptionType
from isp_plugins.hooks import bridge, filters, generate, hops, incidents
from isp_plugins.hooks.calls import Call
from isp_plugins.hooks.condition import Condition
from isp_plugins.hooks.counters import COUNTING, LinkCounters
from isp_plugins.hooks.engine_errors import CallStoppedError
from isp_plugins.hooks.gates import Gate
from isp_plugins.hooks.generate import Shape, Step, Way
from isp_plugins.hooks.marks import SKIPS, Skip
from isp_plugins.hooks.nobody import NobodyResult
from isp_plugins.hooks.outcomes import between, columns_of
from isp_plugins.hooks.samples import Reservoir
from isp_plugins.hooks.services import PRESENT_TASKS, Services
from isp_plugins.hooks.ticker import TICKER

BETWEEN_TIMED = 15
"""Untimed inline dispatches between two timed ones."""
BETWEEN_TIMED_AWAITED = 63
"""The same for awaited ones: a coroutine's own time is less telling, and their timed code is dearer."""
FIRST_TIMED = 16
Stamps = tuple[float | None, ...]
Inline = Callable[[Call, Any], None]
Awaited = Callable[[Call, Any], Coroutine[Any, Any, Any]]
Whole = Callable[[Call, Any], Coroutine[Any, Any, Call]]


class Link:
    """One subscription in a chain: its callee, its compiled condition, its counters."""

    __slots__ = ("call", "condition", "counters", "is_event", "mode", "static", "subscription")

    def __init__(
        self, subscription: Subscription, kind: HookKind, condition: Condition | None, counters: LinkCounters
    ) -> None:
        self.subscription = subscription
        self.condition = condition
        self.counters = counters
        self.is_event = subscription.type is SubscriptionType.EVENT
        self.static: Skip | None = never_runs(subscription, kind)
        """Why it does not run, whatever the payload."""
        callee = subscription.callee
        self.call: Callable[[Any], Any] | None = callee.call if callee else None
        self.mode: CallMode | None = callee.mode if callee else None

    def but(self, *, static: Skip | None = None, call: Callable[[Any], Any] | None = None) -> "Link":
        """A copy that is skipped, or calls something else."""
        copy = Link.__new__(Link)
        for name in self.__slots__:
            setattr(copy, name, getattr(self, name))
        if static is not None:
            copy.static = static
        if call is not None:
            copy.call, copy.mode = call, CallMode.INLINE
        return copy


def never_runs(subscription: Subscription, kind: HookKind) -> Skip | None:
    """Why this subscription does not run on a hook of this kind, if so."""
    if not subscription.is_active:
        return SKIPS[SkipReason.INACTIVE]
    fits = subscription.type.value in {kind.value, SubscriptionType.EVENT.value}
    if subscription.binding is BindingStatus.INVALID or not fits:
        return SKIPS[SkipReason.BINDING_INVALID]
    if subscription.type is SubscriptionType.EVENT:
        return None  # it is owed its events also while its plugin does not run
    if subscription.callee is not None:
        return None
    return SKIPS[SkipReason.RUNS_ELSEWHERE if subscription.elsewhere else SkipReason.PLUGIN_STOPPED]


def rank(subscription: Subscription) -> tuple[int, str, str, int]:
    """The place of a subscription in its chain; the id only tells apart what is otherwise the same."""
    return subscription.priority, subscription.plugin_name, subscription.method, subscription.id


def stopped(_: Any) -> None:
    """Stands in for the callables of a plugin that was stopped."""
    raise CallStoppedError


class HookChain:
    """The subscriptions of one hook, ready to run."""

    __slots__ = (
        "__weakref__", "aio", "aio_timed", "awaitable", "awaitable_timed", "debug", "delivers", "echoes", "events", "fast", "filename", "gates", "has_timeouts", "hook", "left", "legs",
        "links", "names", "noticed", "open", "refilled", "retired", "samples", "samples_awaited", "seen", "services", "shared", "slow", "spec", "timed", "variants",
    )  # fmt: skip

    def __init__(
        self, spec: HookSpec, links: Sequence[Link], services: Services, gates: Sequence[Gate] = ()
    ) -> None:
        self.spec = spec
        self.hook = spec.name
        self.filename = f"<hook {spec.name}>"
        self.links = tuple(links)
        self.services = services
        self.gates: tuple[Gate, ...] = tuple(gates)
        self.retired = False
        self.events = tuple(
            index for index, link in enumerate(self.links) if link.is_event and not link.static
        )
        self.echoes = frozenset(
            link.subscription.plugin_name
            for link in self.links
            if not link.static and not link.subscription.own_echo
        )
        self.has_timeouts = any(link.subscription.timeout_ms is not None for link in self.links)
        self.debug = any(link.subscription.debug and not link.static for link in self.links)
        self.variants: dict[str, HookChain] = {}
        self.legs: dict[tuple[int, int], Callable[..., None]] = {}
        self.names: dict[str, Any] = {}
        self.left = self.refilled = self.timed = self.noticed = 0
        self.samples: Reservoir[Stamps] = Reservoir()
        """The stamps of timed dispatches that nobody has taken yet."""
        self.samples_awaited: Reservoir[Stamps] = Reservoir()
        """The same where threads are timed apart."""
        self.delivers = False
        """Whether it delivers events, and dispatches nothing."""
        self.seen: float | None = None
        """When it last ran, in seconds of the epoch."""
        self.open = not (spec.internal or self.gates or self.events or self.debug)
        """Whether a dispatch may take the short way."""
        nobody = not self.links and self.open and spec.kind is HookKind.ACTION
        self.shared = NobodyResult(self) if nobody else None
        self.fast: Inline = self._first_fast
        self.slow: Inline = self._first_slow
        self.aio: Awaited = self._first_aio
        self.aio_timed: Awaited = self._first_aio_timed
        self.awaitable: Whole = self._first_awaitable
        self.awaitable_timed: Whole = self._first_awaitable_timed
        with COUNTING:
            for link in self.links:
                if self._runs(link):
                    link.counters.sources.append(self)
                elif link.static is not None:
                    link.counters.idle.append((self, link.static.reason))

    @property
    def is_filter(self) -> bool:
        """Whether a value is threaded through it."""
        return self.spec.kind is HookKind.FILTER

    @staticmethod
    def _runs(link: Link) -> bool:
        return link.static is None and not link.is_event

    @property
    def fires(self) -> int:
        """How many dispatches it ran."""
        return self.timed + self.refilled - self.left

    def count_timed(self, untimed: int = BETWEEN_TIMED) -> None:
        """Count a dispatch that is timed, and let the next ones be untimed; nothing in here can switch threads."""
        self.timed += 1
        if self.left <= 0 and self.timed >= FIRST_TIMED and not self.debug:
            self.left += untimed
            self.refilled += untimed

    def notice(self, wall: float) -> None:
        """Note that it ran, if it did since the last look; the ordinary path does not write it down."""
        fires = self.fires
        if fires != self.noticed:
            self.noticed, self.seen = fires, wall

    def retire(self) -> None:
        """Let no further dispatch begin on it."""
        self.retired, self.open = True, False
        for variant in tuple(self.variants.values()):
            variant.retire()

    def fold(self) -> None:
        """Hand its count over to the counters; only when nothing can run on it any more."""
        self.hand_over()
        for link in self.links:
            link.counters.fold(self)
        for variant in self.variants.values():
            variant.fold()

    def hand_over(self) -> None:
        """Hand the durations of timed dispatches over to the counters."""
        for link, durations in zip(self.links, columns_of(self.samples.take()), strict=False):
            link.counters.keep(durations)
        for link, durations in zip(self.links, columns_of(self.samples_awaited.take()), strict=False):
            if link.mode is not CallMode.THREAD:  # those are timed in their thread
                link.counters.keep(durations)

    def durations_of(self, index: int) -> list[float]:
        """What one subscription took in the dispatches that were timed and not handed over, in seconds."""
        return self._between(index, tuple(self.samples), tuple(self.samples_awaited))

    def _between(self, index: int, stamps: Sequence[Stamps], awaited: Sequence[Stamps]) -> list[float]:
        """Of an awaited dispatch, what ran in a thread is timed there."""
        own = (*stamps, *awaited) if self.links[index].mode is not CallMode.THREAD else stamps
        return [took for each in own if (took := between(each, index)) is not None]

    @property
    def dispatches(self) -> int:
        """How many dispatches ran on it or on a variant of it."""
        return self.fires + sum(variant.fires for variant in tuple(self.variants.values()))

    def replace_callables(self, plugin_id: int, found: Callable[[Link], Callable[[Any], Any]]) -> None:
        """From now on, what is still running on it calls something else in place of this plugin."""
        with COUNTING:
            for index, link in enumerate(self.links):
                if link.subscription.plugin_id == plugin_id and link.static is None:
                    link.call = found(link)
                    if self.names:
                        self.names[f"f{index}"] = link.call

    def last_of(self, plugin_id: int) -> int:
        """The index of the plugin's last subscription that runs here, or -1."""
        mine = [
            index
            for index, link in enumerate(self.links)
            if link.subscription.plugin_id == plugin_id and self._runs(link)
        ]
        return mine[-1] if mine else -1

    def without_echo(self, origin: str) -> "HookChain":
        """The chain as it runs for a dispatch that this plugin itself asked for."""
        own_echo = SKIPS[SkipReason.OWN_ECHO]
        return self.variant(
            f"echo {origin}",
            lambda link: (
                link.but(static=own_echo)
                if link.subscription.plugin_name == origin
                and not link.subscription.own_echo
                and not link.static
                else link
            ),
        )

    def variant(self, key: str, change: Callable[[Link], Link]) -> "HookChain":
        """The same chain with some links changed; made once."""
        made = self.variants.get(key)
        if made is None:
            made = HookChain(self.spec, [change(link) for link in self.links], self.services)
            if self.retired:
                made.retire()
            made = self.variants.setdefault(key, made)
        return made

    def delivery(self, link: Link) -> "HookChain":
        """A chain that delivers the events of one of its links."""
        spec = replace(self.spec, kind=HookKind.ACTION, veto=False, fail_closed=False, internal=False)
        copy = link.but()
        copy.is_event, copy.condition = False, None
        made = HookChain(spec, [copy], self.services)
        made.delivers = True
        return made

    def leg(self, start: int, stop: int) -> Callable[..., None]:
        """The function of consecutive subscriptions in a thread."""
        made = self.legs.get((start, stop))
        if made is None:
            made = self.legs[start, stop] = self._compile(Way(timed=True, leg=True), start, stop)
        return made

    def _first_fast(self, call: Call, payload: Any) -> None:
        self.fast = self._compile(Way())
        self.fast(call, payload)

    def _first_slow(self, call: Call, payload: Any) -> None:
        self.slow = self._compile(Way(timed=True))
        self.slow(call, payload)

    def _first_aio(self, call: Call, payload: Any) -> Coroutine[Any, Any, None]:
        made: Awaited = self._compile(Way(awaited=True))
        self.aio = made
        return made(call, payload)

    def _first_aio_timed(self, call: Call, payload: Any) -> Coroutine[Any, Any, None]:
        made: Awaited = self._compile(Way(awaited=True, timed=True))
        self.aio_timed = made
        return made(call, payload)

    def _first_awaitable(self, call: Call, payload: Any) -> Coroutine[Any, Any, Call]:
        made: Whole = self._compile(Way(awaited=True, whole=True))
        self.awaitable = made
        return made(call, payload)

    def _first_awaitable_timed(self, call: Call, payload: Any) -> Coroutine[Any, Any, Call]:
        made: Whole = self._compile(Way(awaited=True, timed=True, whole=True))
        self.awaitable_timed = made
        return made(call, payload)

    def _compile(self, way: Way, start: int = 0, stop: int | None = None) -> Callable[..., Any]:
        """Write and compile one way of running it; all ways share their globals."""
        steps = [_step(index, link) for index, link in enumerate(self.links)][start:stop]
        shape = Shape(steps, self.is_filter, self.spec.mutable is not None)
        code = compile(generate.write(shape, way), self.filename, "exec")
        function = next(constant for constant in code.co_consts if isinstance(constant, CodeType))
        with COUNTING:
            if not self.names:
                self.names.update(self._globals())
        return FunctionType(function, self.names)

    def _globals(self) -> dict[str, Any]:
        """What the generated code may name: its callees and helpers, and no builtins beside them."""
        names: dict[str, Any] = (
            {"keep": self.samples.append, "keep_awaited": self.samples_awaited.append}
            | {"hooks": self, "again": self.services.again}
            | {"services": self.services, "present": self.services.present_task}
            | _SHARED
            | {str(skip.reason): skip for skip in SKIPS.values()}
        )
        if self.is_filter:
            rules = filters.ValueRules(self.spec)
            names |= {
                "admit": rules.freeze,
                "fits": rules.fits,
                "refusal": rules.refusal,
                "restore": rules.restore,
            }
        for index, link in enumerate(self.links):
            names |= link.condition.helpers if link.condition else {}
            names |= {
                f"f{index}": link.call,
                f"k{index}": link.counters,
            }
        return names


def _step(index: int, link: Link) -> Step:
    if link.static is not None:
        return Step(index, CallMode.INLINE, constant=str(link.static.reason))
    if link.is_event or link.mode is None:
        return Step(index, CallMode.INLINE, constant="event")
    return Step(index, link.mode, link.condition)


_SHARED: dict[str, Any] = {
    "__builtins__": {}, "BaseException": BaseException, "Exception": Exception, "locals": locals, "clock": time.perf_counter,
    "check": incidents.check, "failed": incidents.failed, "failed_awaited": incidents.failed_awaited, "settled": incidents.settled,
    "collect": incidents.collect, "hop": hops.hop, "bridge": bridge.bridge, "thaw": orjson.loads, "dumps": orjson.dumps,
    "enter": TICKER.live.add, "leave": TICKER.live.discard, "set_current": current_call.variable.set,
    "reset_current": current_call.variable.reset, "tasks": PRESENT_TASKS, "KeyError": KeyError,
    "json_only": filters.JSON_ONLY, "event": None,
}  # fmt: skip
