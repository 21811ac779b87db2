"""Exact counters of one subscription, kept over every rebuild of its chain.

1. Calls are not counted one by one: a chain counts how often it fired, and what was skipped is subtracted.
2. A chain that nobody runs any more is folded into `base`.
3. Durations are those of sampled and traced calls, and of every call that crossed a thread: the last `SAMPLES` of them.
"""

import threading
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any, Protocol

from isp_plugins.contracts.vocabulary import (
    BindingStatus,
    FailurePolicy,
    SkipReason,
    SubscriptionType,
)

SAMPLES = 256
"""How many durations are kept for each subscription."""
COUNTING = threading.Lock()
"""Guards what is counted outside of the ordinary path."""


class Fires(Protocol):
    """Something that counts how often it ran."""

    @property
    def fires(self) -> int:
        """Dispatches so far."""
        ...


class LinkCounters:
    """What happened to one subscription since the engine knows it."""

    __slots__ = (
        "base", "errors", "false", "last_error", "queued", "rejects", "reported_at", "samples", "skips", "sources", "timeouts", "unqueued",
    )  # fmt: skip

    def __init__(self) -> None:
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
        self.last_error: str | None = None
        self.reported_at: float | None = None
        """When a failing condition was last told, in seconds of the monotonic clock."""
        self.samples: deque[float] = deque(maxlen=SAMPLES)

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

    def fold(self, source: Fires) -> None:
        """Keep the count of a chain that will never run again."""
        with COUNTING:
            if source in self.sources:
                self.sources.remove(source)
                self.base += source.fires

    def all_skips(self) -> dict[SkipReason, int]:
        """Turns without a call, by reason."""
        with COUNTING:
            counted = self.skips + self.unqueued
        if self.false:
            counted[SkipReason.CONDITION_FALSE] += self.false
        return dict(counted)


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
