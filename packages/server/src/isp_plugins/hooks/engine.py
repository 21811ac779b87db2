"""Dispatches hooks by ten rules, each kept in the module named.

1. Order: by priority, then by the plugin's name, then by the method's; never by when a plugin was loaded (`chain`).
2. A dispatch works on an immutable snapshot: what changes meanwhile counts from the next one. Once a plugin is stopped, it is not called
   again (`snapshot`, `stopping`).
3. A condition is compiled at subscription; one that cannot be evaluated counts as false, and is counted (`condition`, `generate`).
4. Each filter gets a copy of its own; `None`, an error or a value that does not fit keeps the one before, and what it may not change is
   put back (`filters`).
5. `Reject` vetoes a dispatch where the hook's spec allows it (`verdicts`).
6. An exception of any kind stays with its subscription; the failure policy says whether the dispatch goes on (`verdicts`).
7. Hooks may dispatch hooks, to depth 16; a plugin does not get its own echo unless it asks (`admission`).
8. A dispatch does nothing that can be done at subscription, in a sample or in a batch (`generate`, `ticker`, and the short way below).
9. Events are written before an action hook's actions run, after a filter hook's filters, and never for what was rejected or stopped
   (`emission`).
10. The result tells of each subscription what became of it (`outcomes`).

The short way of `dispatch_sync` is taken by a dispatch that nothing surrounds while no other thread takes it: then the one slot
`current_call.inline` serves as the current call, as what the ticker watches and as what a stop waits for. Nothing between looking
into that slot and filling it can switch threads (CPython switches at calls and backward jumps only).
"""

import asyncio
import contextlib
import time
from asyncio import current_task
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from contextvars import Context
from typing import Any

from isp_plugin_sdk.context import current_call
from isp_plugins.clock import Clock, SystemClock
from isp_plugins.contracts.calls import Threads
from isp_plugins.contracts.hooks import DispatchObserver, Event, EventSink, HookSpec, Subscription
from isp_plugins.contracts.statistics import Measured
from isp_plugins.contracts.vocabulary import BreakerState, DispatchStatus
from isp_plugins.errors import PluginSystemError
from isp_plugins.hooks import admission, running, stopping
from isp_plugins.hooks.admission import Request
from isp_plugins.hooks.calls import DispatchResult
from isp_plugins.hooks.catalogue import spec_of
from isp_plugins.hooks.chain import BETWEEN_TIMED_AWAITED, HookChain
from isp_plugins.hooks.counters import ChainEntry
from isp_plugins.hooks.description import describe
from isp_plugins.hooks.outcomes import Outcome
from isp_plugins.hooks.services import Services
from isp_plugins.hooks.snapshot import Snapshot
from isp_plugins.hooks.ticker import TICKER

__all__ = ["ChainEntry", "DispatchResult", "HookEngine", "Outcome"]

FAILED_HOOK = "plugin_hook_failed"
_surrounding = current_call.variable.get
LIVE = TICKER.live
_enter = LIVE.add
_leave = LIVE.discard


class HookEngine:
    """Every hook's chain, and the ways to run it; `subscribe` and the dispatches may be called from any thread."""

    def __init__(
        self,
        *,
        threads: Threads,
        events: EventSink,
        observer: DispatchObserver,
        specs: Callable[[str], HookSpec] = spec_of,
        clock: Clock | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._services = Services(
            threads=threads,
            events=events,
            observer=observer,
            clock=clock or SystemClock(),
            announce=self._announce,
            again=self._again,
        )
        self._services.loop = loop
        self._chains: dict[str, HookChain] = {}
        self.on_change: Callable[[], None] = _nothing
        """Told, from any thread, that subscriptions have changed; it must not block."""
        self._snapshot = Snapshot(self._services, specs, self._swap)
        self._tasks: set[asyncio.Task[None]] = set()
        TICKER.sweeps.add(self._snapshot)
        self._services.bind()

    def subscribe(self, plugin_id: int, subscriptions: Sequence[Subscription]) -> None:
        """Replace all of the plugin's subscriptions; every chain they touch is swapped in one step.

        Dispatches that run go on with what they began with. `ConditionInvalidError` where a condition cannot be compiled: nothing changes then.
        """
        self._services.bind()
        self._snapshot.replace(plugin_id, subscriptions)

    async def unsubscribe(self, plugin_id: int, *, drain_timeout: float) -> int:
        """Take the plugin out of every chain: once this returns it is not called again. Its event subscriptions are still owed their events.

        Waits for calls that are inside the plugin, at most `drain_timeout` seconds; returns how many still were then.
        """
        self._snapshot.stand(plugin_id)
        return await stopping.stop(plugin_id, drain_timeout)

    def forget(self, plugin_id: int) -> None:
        """The plugin was deleted: nothing is owed to it any more."""
        self._snapshot.replace(plugin_id, ())

    async def drain(self, plugin_id: int, *, timeout: float = 10.0) -> int:  # noqa: ASYNC109  the wait is bounded, not cancelled
        """After `subscribe` with a new instance, or under its gate: wait until no dispatch can call the old one any more.

        After `timeout` seconds what still runs is pointed to the new instance. Returns how many calls were still inside the old one.
        """
        left = await stopping.drain(plugin_id, timeout, self._snapshot)
        self._snapshot.fold()
        return left

    def switch(self, plugin_id: int, state: BreakerState) -> None:
        """From the next dispatch on, call the plugin (closed), skip it (open), or let one call try (half-open)."""
        self._snapshot.switch(plugin_id, state)

    def suspend(self, plugin_id: int) -> None:
        """From the next dispatch on, skip the plugin because its worker is down, until `subscribe` or `resume`; its events are still accepted."""
        self._snapshot.put_down(plugin_id, down=True)

    def resume(self, plugin_id: int) -> None:
        """Call a suspended plugin again."""
        self._snapshot.put_down(plugin_id, down=False)

    def skipped(self, plugin_id: int) -> tuple[Subscription, ...]:
        """The subscriptions of a plugin that is skipped because its worker is down; none where it is not."""
        return self._snapshot.put_down_now(plugin_id)

    def skip(self, plugin_id: int, subscriptions: Sequence[Subscription]) -> None:
        """Replace all of the plugin's subscriptions by those that were `skipped`, which are skipped again, in one step."""
        self._snapshot.replace(plugin_id, subscriptions, down=True)

    def successes(self, plugin_id: int) -> int:
        """How many calls into the plugin have ended well so far; exact where one thread dispatches, else nearly so."""
        return self._snapshot.ended_well(plugin_id)

    def gate(self, plugin_id: int) -> AbstractAsyncContextManager[None]:
        """While it is held, dispatches that would call the plugin wait, each at most until its deadline."""
        return self._held(plugin_id)

    @contextlib.asynccontextmanager
    async def _held(self, plugin_id: int) -> Any:
        gate = self._snapshot.put_gate(plugin_id)
        try:
            yield
        finally:
            self._snapshot.lift_gate(gate)

    def dispatch_sync(  # noqa: PLR0917  keyword-only arguments would cost a third of a dispatch that nobody hears
        self,
        hook: str,
        payload: Any,
        context: Mapping[str, Any] | None = None,
        origin: str | None = None,
        chain: tuple[str, ...] = (),
        timeout_ms: float | None = None,
        trace: bool = False,  # noqa: FBT001, FBT002  as above; call it by keyword
        request_id: str | None = None,
        internal: bool = False,  # noqa: FBT001, FBT002  as above; call it by keyword
    ) -> DispatchResult:
        """Run the hook's subscriptions on the calling thread (coroutine methods on the system's loop) and return the result.

        `origin` is the plugin that asks, `chain` the plugins that led to it, `timeout_ms` the deadline in place of the hook's own;
        `trace` times every call; `internal` allows the host's own hooks. Pass everything after the payload by keyword.
        Raises `HookNameInvalidError`, `InternalHookError`, `RecursionTooDeepError`, and `PayloadInvalidError` for a filter's value;
        never what a plugin raised.
        """
        try:
            hooks = self._chains[hook]
        except KeyError:
            hooks = self._snapshot.vacant(hook)
        if hooks.shared is not None and request_id is None:
            return hooks.shared
        if trace or chain or origin is not None or (LIVE and _surrounding() is not None):
            return self._sync(
                hook, Request(payload, context, origin, chain, timeout_ms, trace, request_id, internal)
            )
        call = DispatchResult()
        call.hook_chain = hooks
        call.flag = False
        call.given_context = context
        call.given_id = request_id
        call.timeout_ms = timeout_ms
        if current_call.inline is not None:
            return self._sync(
                hook, Request(payload, context, origin, chain, timeout_ms, trace, request_id, internal)
            )
        current_call.inline = call
        try:
            if hooks.open:
                left = hooks.left
                if left > 0:
                    hooks.left = left - 1
                    run = hooks.fast
                    run(call, payload)
                else:
                    hooks.count_timed()
                    run = hooks.slow
                    run(call, payload)
                return call
        finally:
            current_call.inline = None
        return self._sync(
            hook, Request(payload, context, origin, chain, timeout_ms, trace, request_id, internal)
        )

    def dispatch(  # noqa: PLR0917  as in dispatch_sync
        self,
        hook: str,
        payload: Any,
        context: Mapping[str, Any] | None = None,
        origin: str | None = None,
        chain: tuple[str, ...] = (),
        timeout_ms: float | None = None,
        trace: bool = False,  # noqa: FBT001, FBT002  call it by keyword
        request_id: str | None = None,
        internal: bool = False,  # noqa: FBT001, FBT002  call it by keyword
    ) -> Coroutine[Any, Any, DispatchResult]:
        """Run the hook's subscriptions when awaited: coroutine methods are awaited, plain ones run in daemon threads.

        Takes and raises what `dispatch_sync` does; a cancellation of the caller goes through. It is a plain function that returns
        the chain's own coroutine, since a second coroutine around it would cost as much as a listener.
        """
        try:
            hooks = self._chains[hook]
        except KeyError:
            return self._awaited(
                hook, Request(payload, context, origin, chain, timeout_ms, trace, request_id, internal)
            )
        if hooks.shared is not None and request_id is None:
            return _at_once(hooks.shared)
        if (
            trace
            or chain
            or origin is not None
            or not hooks.open
            or current_call.inline is not None
            or (LIVE and _surrounding() is not None)
        ):
            return self._awaited(
                hook, Request(payload, context, origin, chain, timeout_ms, trace, request_id, internal)
            )
        call = DispatchResult()
        call.hook_chain = hooks
        call.flag = False
        call.given_context = context
        call.given_id = request_id
        call.timeout_ms = timeout_ms
        left = hooks.left
        if left > 0:
            hooks.left = left - 1
            begin = hooks.awaitable
        else:
            hooks.count_timed(BETWEEN_TIMED_AWAITED)
            begin = hooks.awaitable_timed
        call.coroutine = coroutine = begin(call, payload)
        return coroutine

    async def deliver(self, event: Event) -> Outcome:
        """Call the event's subscription with its payload; never raises what the plugin raised."""
        TICKER.wake()
        return await running.deliver(self._snapshot, event)

    def delivers(self, subscription_id: int) -> bool:
        """Whether an event subscription can be called now: its plugin runs here, and its circuit breaker lets it be called."""
        return subscription_id in self._snapshot.deliveries

    def event_subscriptions(self) -> list[Subscription]:
        """Every event subscription that is owed its hook's events, whether its plugin runs or not."""
        return self._snapshot.events()

    def is_owed(self, subscription_id: int, payload: Any, context: Mapping[str, Any]) -> bool:
        """Whether an event subscription's condition is true for an event from before it was made; an error counts as false."""
        link = self._snapshot.event_link(subscription_id)
        if link is None or link.condition is None:
            return link is not None
        try:
            return bool(link.condition.evaluate(payload, context))
        except Exception:
            return False

    def describe(self, hook: str) -> list[ChainEntry]:
        """The hook's chain as it would run, with every counter."""
        self._snapshot.fold()
        self._snapshot.sweep(time.time())
        chain = self._chains.get(hook)
        return describe(chain, self._snapshot.deliveries) if chain else []

    def measure(self) -> Measured:
        """Every count since the engine began, for statistics; durations of timed calls are given once."""
        return self._snapshot.measure(time.time())

    def tally(self, plugin_id: int) -> dict[int, tuple[int, int]]:
        """A plugin's calls since the engine began, and how many of them failed; by a number that is new whenever counting begins anew."""
        return self._snapshot.tally(plugin_id)

    def hooks(self) -> list[str]:
        """The hooks that have subscriptions, sorted."""
        return sorted(name for name, chain in tuple(self._chains.items()) if chain.links)

    def _sync(self, hook: str, request: Request) -> DispatchResult:
        """The long way of a synchronous dispatch: nested, traced, gated, with events, or beside another thread's."""
        TICKER.wake()
        while True:
            hooks = self._chain(hook)
            call = admission.admit(hooks, request)
            gate = admission.gate_before(hooks, call)
            if gate is not None and not admission.wait_blocking(gate, call):
                continue
            _enter(call)
            if not call.hook_chain.retired:
                return running.run(call, request.payload)
            _leave(call)

    async def _awaited(self, hook: str, request: Request) -> DispatchResult:
        """The long way of an awaited dispatch."""
        TICKER.wake()
        while True:
            hooks = self._chain(hook)
            call = admission.admit(hooks, request)
            gate = admission.gate_before(hooks, call)
            if gate is not None and await gate.wait(call.deadline):
                continue
            if gate is not None:
                call.ended = DispatchStatus.TIMED_OUT
            call.task = current_task()
            call.more.baseline = call.task.cancelling() if call.task else None
            _enter(call)
            if not call.hook_chain.retired:
                return await running.run_awaited(call, request.payload)
            _leave(call)

    async def _again(self, call: DispatchResult, payload: Any) -> DispatchResult:
        """An awaited dispatch whose chain was retired before it began: it was counted, and did not run."""
        call.hook_chain.left += 1
        request = Request(payload, call.given_context, timeout_ms=call.timeout_ms, request_id=call.given_id)
        return await self._awaited(call.hook, request)

    def _chain(self, hook: str) -> HookChain:
        """The hook's chain as of now."""
        return self._chains.get(hook) or self._snapshot.vacant(hook)

    def _swap(self, chains: dict[str, HookChain]) -> None:
        """From now on, dispatches begin on these chains."""
        self._chains = chains
        self.on_change()

    def _announce(self, about: dict[str, Any], names: tuple[str, ...]) -> None:
        """Dispatch `plugin_hook_failed` beside the dispatch in which it happened."""
        hooks = self._chains.get(FAILED_HOOK)
        if hooks is None or not hooks.links:
            return
        loop = self._services.loop
        if loop is not None and loop.is_running():
            loop.call_soon_threadsafe(self._spawn, about, names, context=Context())
            return
        with contextlib.suppress(PluginSystemError):
            Context().run(self._sync, FAILED_HOOK, Request(about, chain=names, internal=True))

    def _spawn(self, about: dict[str, Any], names: tuple[str, ...]) -> None:
        task = asyncio.get_running_loop().create_task(self._announced(about, names))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _announced(self, about: dict[str, Any], names: tuple[str, ...]) -> None:
        with contextlib.suppress(PluginSystemError):
            await self._awaited(FAILED_HOOK, Request(about, chain=names, internal=True))


def _nothing() -> None:
    """Nobody wants to know."""


async def _at_once(result: DispatchResult) -> DispatchResult:
    return result
