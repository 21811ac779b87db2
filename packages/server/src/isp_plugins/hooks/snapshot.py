"""The chains of every hook, replaced as a whole in one assignment: what runs keeps the one it began with.

1. `chains` is never changed but for hooks that nobody is subscribed to, which are added as they are asked for.
2. Counters live as long as their subscription is known, over every rebuild.
3. A chain that was replaced is retired first; its count is folded once nothing runs on it.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from isp_plugins.contracts.hooks import HookSpec, Subscription
from isp_plugins.contracts.statistics import Measured
from isp_plugins.contracts.vocabulary import BreakerState, HookKind, SubscriptionType
from isp_plugins.hooks.binding import kind_of
from isp_plugins.hooks.breaking import Placed, ended_well, in_place_of, in_place_of_one_down
from isp_plugins.hooks.chain import HookChain, Link, rank
from isp_plugins.hooks.condition import Condition, compile_condition
from isp_plugins.hooks.counters import LinkCounters
from isp_plugins.hooks.gates import Gate
from isp_plugins.hooks.measuring import measurement_of
from isp_plugins.hooks.services import Services
from isp_plugins.hooks.ticker import TICKER

VACANT_LIMIT = 2048
"""How many hooks without subscriptions are kept; names come from callers."""


class Snapshot:
    """Builds and swaps chains; every change is made under one lock, and dispatches never take it."""

    def __init__(
        self,
        services: Services,
        specs: Callable[[str], HookSpec],
        swap: Callable[[dict[str, HookChain]], None],
    ) -> None:
        self.chains: dict[str, HookChain] = {}
        self._swap = swap
        swap(self.chains)
        self.deliveries: dict[int, HookChain] = {}
        """The chain that delivers the events of one subscription, by its id."""
        self.gates: dict[int, Gate] = {}
        self._services = services
        self._specs = specs
        self._of_plugin: dict[int, tuple[Subscription, ...]] = {}
        self._counters: dict[int, LinkCounters] = {}
        self._conditions: dict[str, Condition] = {}
        self._placed: dict[int, Placed] = {}
        """What stands in the chains for plugins whose circuit breaker is not closed."""
        self._down: set[int] = set()
        """The plugins whose worker is down."""
        self._retired: list[HookChain] = []
        self._known: dict[int, Subscription] = {}
        """Every subscription there was, without its callee."""
        self._dispatched: Counter[str] = Counter()
        """Dispatches of chains that are no more, by hook."""
        self._vacant = 0
        self._lock = threading.Lock()

    def replace(self, plugin_id: int, subscriptions: Sequence[Subscription], *, down: bool = False) -> None:
        """Swap in one step every chain that has, or had, subscriptions of this plugin; nothing changes where one cannot be built."""
        with self._lock:
            for subscription in subscriptions:
                self._compiled(subscription.condition)
                self._specs(subscription.hook)
            before = self._of_plugin.get(plugin_id, ())
            self._of_plugin[plugin_id] = tuple(subscriptions)
            (self._down.add if down else self._down.discard)(plugin_id)
            self._know(subscriptions)
            if not subscriptions:
                del self._of_plugin[plugin_id]
            if not any(one.callee for one in subscriptions):
                self._placed.pop(plugin_id, None)
            self._rebuild({subscription.hook for subscription in (*before, *subscriptions)})
            self._forget(before)

    def stand(self, plugin_id: int) -> None:
        """Leave of the plugin only its event subscriptions: it is not called any more, but owed its events."""
        kept = [
            replace(one, callee=None)
            for one in self.subscriptions(plugin_id)
            if one.type is SubscriptionType.EVENT
        ]
        self.replace(plugin_id, kept)

    def subscriptions(self, plugin_id: int) -> tuple[Subscription, ...]:
        """The plugin's subscriptions as they are now."""
        return self._of_plugin.get(plugin_id, ())

    def switch(self, plugin_id: int, state: BreakerState) -> None:
        """Put in every chain of the plugin what belongs there while its circuit breaker is in this state."""
        placed = in_place_of(state)
        with self._lock:
            if plugin_id not in self._of_plugin or (placed is None and plugin_id not in self._placed):
                return
            self._placed.pop(plugin_id, None)
            if placed is not None:
                self._placed[plugin_id] = placed
            self._rebuild({one.hook for one in self.subscriptions(plugin_id)})

    def put_down(self, plugin_id: int, *, down: bool) -> None:
        """Skip the plugin because its worker is down, or call it again; its next `replace` calls it again, too."""
        with self._lock:
            if plugin_id not in self._of_plugin or down is (plugin_id in self._down):
                return
            (self._down.add if down else self._down.discard)(plugin_id)
            self._rebuild({one.hook for one in self.subscriptions(plugin_id)})

    def put_down_now(self, plugin_id: int) -> tuple[Subscription, ...]:
        """The subscriptions of a plugin that is skipped because its worker is down; none where it is not."""
        with self._lock:
            return self.subscriptions(plugin_id) if plugin_id in self._down else ()

    def ended_well(self, plugin_id: int) -> int:
        """How many calls into the plugin ended well so far."""
        mine = (self._counters.get(one.id) for one in self.subscriptions(plugin_id))
        return ended_well(plugin_id, [counters for counters in mine if counters is not None])

    def held_back(self, subscription_id: int) -> Link | None:
        """The event subscription whose plugin's circuit breaker keeps it from getting its event."""
        link = self.event_link(subscription_id)
        return link if link is not None and link.subscription.plugin_id in self._placed else None

    def event_link(self, subscription_id: int) -> Link | None:
        """An event subscription's place in its hook's chain, whether its plugin runs or not."""
        for chain in tuple(self.chains.values()):
            for index in chain.events:
                if chain.links[index].subscription.id == subscription_id:
                    return chain.links[index]
        return None

    def events(self) -> list[Subscription]:
        """Every event subscription that is owed its hook's events."""
        chains = tuple(self.chains.values())
        return [chain.links[index].subscription for chain in chains for index in chain.events]

    def vacant(self, hook: str) -> HookChain:
        """The chain of a hook that nobody is subscribed to; `HookNameInvalidError` for what is no hook's name."""
        spec = self._specs(hook)
        with self._lock:
            known = self.chains.get(hook)
            if known is not None:
                return known
            made = HookChain(spec, (), self._services, self._gates_of(hook))
            if self._vacant < VACANT_LIMIT:
                self._vacant += 1
                self.chains[hook] = made
            return made

    def put_gate(self, plugin_id: int) -> Gate:
        """Put a gate in front of the plugin; dispatches that began before go on."""
        with self._lock:
            mine = self.subscriptions(plugin_id)
            gate = Gate(plugin_id, frozenset(one.hook for one in mine), frozenset(one.id for one in mine))
            self.gates[plugin_id] = gate
            self._rebuild(gate.hooks)
            return gate

    def lift_gate(self, gate: Gate) -> None:
        """Take the gate away and let what waits go on."""
        with self._lock:
            if self.gates.get(gate.plugin_id) is gate:
                del self.gates[gate.plugin_id]
            self._rebuild(gate.hooks)
        gate.lift()

    def gate_of_event(self, subscription_id: int) -> Gate | None:
        """The gate that a delivery must wait at."""
        gates = tuple(self.gates.values())
        return next((gate for gate in gates if subscription_id in gate.subscription_ids), None)

    def sweep(self, wall: float) -> None:
        """Note which chains ran since the last sweep."""
        for chain in (*tuple(self.chains.values()), *tuple(self.deliveries.values())):
            chain.notice(wall)

    def fold(self) -> None:
        """Hand over the counts of chains that nothing runs on any more."""
        with self._lock:
            self._fold()

    def _fold(self) -> None:
        busy = {id(call.hook_chain) for call in TICKER.running()}
        kept: list[HookChain] = []
        for chain in self._retired:
            if id(chain) in busy or any(id(variant) in busy for variant in chain.variants.values()):
                kept.append(chain)
            else:
                chain.fold()
                if chain.links and not chain.delivers:
                    self._dispatched[chain.hook] += chain.dispatches
        self._retired = kept

    def _rebuild(self, hooks: Iterable[str]) -> None:
        """Build the chains of these hooks anew and swap."""
        chains, deliveries, old = dict(self.chains), dict(self.deliveries), list[HookChain]()
        for hook in hooks:
            former = chains.pop(hook, None)
            if former is not None:
                self._vacant -= not former.links and not former.gates
                old += [former, *(deliveries.pop(i) for i in _event_ids(former) if i in deliveries)]
            made = self._build(hook)
            if made is not None:
                chains[hook] = made
                for link in filter(None, (self._delivers(made.links[index]) for index in made.events)):
                    deliveries[link.subscription.id] = made.delivery(link)
        self.chains, self.deliveries = chains, deliveries
        self._swap(chains)
        for chain in old:
            chain.retire()
        self._retired += old
        self._fold()

    def _build(self, hook: str) -> HookChain | None:
        """The chain of a hook, or None where nobody is subscribed and no gate guards it."""
        spec = self._specs(hook)
        mine = [one for of_plugin in self._of_plugin.values() for one in of_plugin if one.hook == hook]
        gates = self._gates_of(hook)
        if not mine and not gates:
            return None
        kind = kind_of(spec, [one.type for one in sorted(mine, key=lambda one: one.id)])
        if kind is not spec.kind:  # one of the ISP's own whose oldest subscription is a filter
            spec = replace(spec, kind=kind)
        links = [self._link(one, spec.kind) for one in sorted(mine, key=rank)]
        return HookChain(spec, links, self._services, gates)

    def _link(self, one: Subscription, kind: HookKind) -> Link:
        """A subscription's place in a chain, or what stands there for it."""
        counters = self._counters.setdefault(one.id, LinkCounters())
        link = Link(one, kind, self._compiled(one.condition), counters)
        if one.plugin_id in self._down:
            return in_place_of_one_down(link)
        placed = self._placed.get(one.plugin_id)
        return placed(link) if placed and not link.is_event else link

    def _delivers(self, link: Link) -> Link | None:
        """What delivers an event subscription's events; None while its plugin does not run or must not be called."""
        placed = self._placed.get(link.subscription.plugin_id)
        made = placed(link) if placed else link
        return made if made.call is not None and made.static is None else None

    def _gates_of(self, hook: str) -> list[Gate]:
        return [gate for gate in self.gates.values() if hook in gate.hooks]

    def _compiled(self, source: str | None) -> Condition | None:
        """The condition, compiled once however many chains it is part of."""
        if source is None:
            return None
        made = self._conditions.get(source)
        if made is None:
            made = self._conditions[source] = compile_condition(source)
        return made

    def _forget(self, before: Iterable[Subscription]) -> None:
        """Drop the conditions that nobody uses any more."""
        gone = {one.condition for one in before if one.condition}
        if gone:
            used = {one.condition for of_plugin in self._of_plugin.values() for one in of_plugin}
            for source in gone - used:
                self._conditions.pop(source, None)

    def _know(self, subscriptions: Iterable[Subscription]) -> None:
        """Remember subscriptions; one that bears the id of another that is gone gets counters of its own."""
        for one in subscriptions:
            before = self._known.get(one.id, one)
            if (before.plugin_id, before.hook, before.type) != (one.plugin_id, one.hook, one.type):
                self._counters.pop(one.id, None)
            self._known[one.id] = replace(one, callee=None)

    def measure(self, wall: float) -> Measured:
        """Every count as it stands; durations are handed over. `wall` is seconds of the epoch."""
        with self._lock:
            self._fold()
            dispatches = Counter(self._dispatched)
            for chain in (*self.chains.values(), *self.deliveries.values(), *self._retired):
                if not chain.links:
                    continue
                for one in (chain, *tuple(chain.variants.values())):
                    one.notice(wall)
                    one.hand_over()
                if not chain.delivers:
                    dispatches[chain.hook] += chain.dispatches
            counters = [(self._known[number], mine) for number, mine in self._counters.items()]
        return Measured([measurement_of(one, mine) for one, mine in counters], dispatches)

    def tally(self, plugin_id: int) -> dict[int, tuple[int, int]]:
        """Calls of a plugin's subscriptions, and how many of them failed, by the counters' serial."""
        with self._lock:
            self._fold()
            mine = [
                counters
                for number, counters in self._counters.items()
                if self._known[number].plugin_id == plugin_id
            ]
        return {one.serial: (one.calls, one.errors + one.timeouts) for one in mine}


def _event_ids(chain: HookChain) -> list[int]:
    return [chain.links[index].subscription.id for index in chain.events]
