"""Exact counters of one subscription, kept over every rebuild of its chain.

1. Calls are not counted one by one: a chain counts how often it fired, and what was skipped is subtracted.
2. A chain that nobody runs any more is folded into `base`.
3. Durations are those of sampled and traced calls, and of every call that crossed a thread: the last `SAMPLES` of them, and a uniform
   sample of those that no measurement has taken yet.
4. Nobody counts the turns of what never runs on a chain (switched off, say): they are the chain's own.
"""

import itertools
import threading
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from isp_plugins.contracts.vocabulary import (
    BindingStatus,
    FailurePolicy,
    SkipReason,
    SubscriptionType,
)
from isp_plugins.hooks.samples import Reservoir

SAMPLES = 256
"""How many durations are kept for each subscription."""
_serials = itertools.count(1)
COUNTING = threading.Lock()
"""Guards what is counted outside of the ordinary path."""


class Fires(Protocol):
    """Something that counts how often it ran."""

    @property
    def fires(self) -> int:
        """Dispatches so far."""
        ...

    @property
    def seen(self) -> float | None:
        """When it last ran, in seconds of the epoch."""
        ...


class LinkCounters:
    """What happened to one subscription since the engine knows it."""

    __slots__ = (
        "base", "errors", "failed_at", "false", "fresh", "idle", "idle_base", "last_error", "queued", "rejects", "reported_at", "samples",
        "seen", "serial", "skips", "sources", "timeouts", "unqueued",
    )  # fmt: skip

    def __init__(self) -> None:
        self.serial = next(_serials)
        """Tells these counters from those that another subscription had under the same id."""
        self.base = 0
        self.sources: list[Fires] = []
        self.errors = 0
        self.rejects = 0
        self.timeouts = 0
        self.false = 0
        """Conditions that were false; the chain itself adds to it."""
        self.skips: Counter[SkipReason] = Counter()
        self.queued = 0
        self.unqueued: Counter[SkipReason] = Counter()
        self.idle: list[tuple[Fires, SkipReason]] = []
        """Chains on which it never runs, and why."""
        self.idle_base: Counter[SkipReason] = Counter()
        self.last_error: str | None = None
        self.failed_at: float | None = None
        """When `last_error` was, in seconds of the epoch."""
        self.seen: float | None = None
        """When a chain that is no more last ran."""
        self.reported_at: float | None = None
        """When a failing condition was last told, in seconds of the monotonic clock."""
        self.samples: deque[float] = deque(maxlen=SAMPLES)
        self.fresh: Reservoir[float] = Reservoir()
        """Durations that no measurement has taken yet."""

    @property
    def calls(self) -> int:
        """How often the plugin's method was called."""
        with COUNTING:
            fired = self.base + sum(source.fires for source in self.sources)
            return fired - self.false - self.skips.total()

    def skip(self, reason: SkipReason) -> None:
        """Count one turn without a call."""
        with COUNTING:
            self.skips[reason] += 1

    def keep(self, durations: Iterable[float]) -> None:
        """Keep what calls took, in seconds."""
        for seconds in durations:
            self.samples.append(seconds)
            self.fresh.append(seconds)

    def fold(self, source: Fires) -> None:
        """Keep the count of a chain that will never run again."""
        with COUNTING:
            if source in self.sources:
                self.sources.remove(source)
                self.base += source.fires
                self.seen = max(self.seen or 0.0, source.seen or 0.0) or None
            for idle in [pair for pair in self.idle if pair[0] is source]:
                self.idle.remove(idle)
                self.idle_base[idle[1]] += source.fires

    def last_turn(self) -> float | None:
        """When a chain that runs it last ran, in seconds of the epoch."""
        with COUNTING:
            seen = [self.seen, *(source.seen for source in self.sources)]
        return max((moment for moment in seen if moment is not None), default=None)

    def idle_skips(self) -> Counter[SkipReason]:
        """Turns on chains where it never runs."""
        with COUNTING:
            counted = Counter(self.idle_base)
            for source, reason in self.idle:
                counted[reason] += source.fires
        return counted

    def skips_and_idle(self) -> dict[SkipReason, int]:
        """Turns without a call, by reason, those on chains where it never runs included."""
        counted = self.all_skips()
        for reason, count in self.idle_skips().items() if self.idle or self.idle_base else ():
            counted[reason] = counted.get(reason, 0) + count
        return counted

    def all_skips(self) -> dict[SkipReason, int]:
        """Turns without a call, by reason."""
        with COUNTING:
            counted = dict(self.skips + self.unqueued) if self.skips or self.unqueued else {}
        if self.false:
            counted[SkipReason.CONDITION_FALSE] = counted.get(SkipReason.CONDITION_FALSE, 0) + self.false
        return counted


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainEntry:
    """One subscription of a hook's chain, as it would run, with its counters; durations in milliseconds."""

    subscription_id: int
    plugin_id: int
    plugin: str
    method: str
    type: SubscriptionType
    priority: int
    condition: str | None
    timeout_ms: int | None
    failure_policy: FailurePolicy
    is_active: bool
    own_echo: bool
    binding: BindingStatus
    mode: str | None
    """How it is called (`inline`, `thread`, `async`); None while its plugin does not run."""
    skip_reason: SkipReason | None
    """Why it would not run now, whatever the payload."""
    calls: int
    errors: int
    rejects: int
    timeouts: int
    queued: int
    skips: dict[SkipReason, int] = field(default_factory=dict)
    last_error: str | None = None
    last_run: float | None = None
    """When its chain last ran, in seconds of the epoch."""
    sampled: int = 0
    mean_ms: float | None = None
    max_ms: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """As the API shows it."""
        shown = {name: getattr(self, name) for name in self.__slots__}
        return shown | {"skips": {str(reason): count for reason, count in sorted(self.skips.items())}}
