"""What the hook engine has counted, as whoever keeps statistics reads it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from isp_plugins.contracts.hooks import Subscription
from isp_plugins.contracts.vocabulary import SkipReason


class Measurement(NamedTuple):
    """One subscription's counts since the engine knows it, and what its timed calls took since the last measurement.

    A call that is under way is counted before it is known to be skipped: `calls` may fall by that much again.
    """

    serial: int
    """Names the counters; another number for the same subscription: they began anew at zero."""
    subscription: Subscription
    calls: int
    errors: int
    rejects: int
    timeouts: int
    queued: int
    """Events that were accepted for delivery."""
    skips: Mapping[SkipReason, int]
    last_turn: float | None
    """When a dispatch last came to it, in seconds of the epoch, a hundredth exact; it may have been skipped."""
    last_error: str | None
    last_error_at: float | None
    durations: Sequence[float]
    """A uniform sample of the timed calls, in seconds; each is given once."""


@dataclass(frozen=True, slots=True)
class Measured:
    """All that one engine has counted."""

    subscriptions: Sequence[Measurement]
    dispatches: Mapping[str, int]
    """By hook, of those that ever had subscriptions."""


class Measurable(Protocol):
    """Something that counts; the hook engine."""

    def measure(self) -> Measured:
        """Every count as it stands; the durations are handed over."""
        ...
