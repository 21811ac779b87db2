"""The circuit breaker of one plugin, as a value: how it opens, tries again and closes. Pure; times are seconds of a monotonic clock.

1. Closed: `BreakerLimits.failures` failed calls in a row open it. A call that ended well in between begins the count anew.
2. Nobody reports what ends well: whoever reports a failure says how many calls have ended well so far, and a number that has not grown
   means that none did since the last report.
3. Open: nothing is called, and what still fails from before does not count. After `pause_s` it is half-open.
4. Half-open: one call tries. Ends it well, the breaker closes; fails it, the breaker is open again, for another pause.
"""

from dataclasses import dataclass, replace

from isp_plugins.contracts.vocabulary import BreakerState


@dataclass(frozen=True, slots=True)
class BreakerLimits:
    """When a breaker opens, and for how long."""

    failures: int
    """Failed calls in a row that open it."""
    pause_s: float
    """How long it stays open before a call tries, in seconds."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """One plugin's breaker at one moment."""

    state: BreakerState = BreakerState.CLOSED
    failures: int = 0
    """Failed calls in a row, up to the one that opened it; then also each try that failed."""
    successes: int = 0
    """Calls that had ended well when it was last looked at."""
    since: float = 0.0
    """When it came into its state."""
    cause: str | None = None
    """What the call raised that opened it last; whoever opens it says so."""

    def failed(self, now: float, successes: int, limits: BreakerLimits) -> "Breaker":
        """After one more failed call, when so many had ended well."""
        if self.state is BreakerState.OPEN:
            return self
        in_a_row = self.failures + 1
        if self.state is BreakerState.CLOSED and successes > self.successes:
            in_a_row = 1
        if self.state is BreakerState.HALF_OPEN or in_a_row >= limits.failures:
            return Breaker(BreakerState.OPEN, in_a_row, successes, now, self.cause)
        return replace(self, failures=in_a_row, successes=successes)

    def looked_at(self, now: float, successes: int, limits: BreakerLimits) -> "Breaker":
        """As it is now, when so many calls have ended well."""
        if self.state is BreakerState.OPEN and now >= self.ends(limits):
            return replace(self, state=BreakerState.HALF_OPEN, successes=successes, since=now)
        if self.state is BreakerState.HALF_OPEN and successes > self.successes:
            return Breaker(successes=successes, since=now)
        return self

    def ends(self, limits: BreakerLimits) -> float:
        """When an open breaker is half-open."""
        return self.since + limits.pause_s
