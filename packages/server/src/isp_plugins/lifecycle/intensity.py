"""How often one plugin may be restarted before it is left alone. Pure; times are seconds of a monotonic clock.

1. In no stretch of `window_s` seconds is a plugin restarted more than `most` times; one restart more puts it into quarantine.
2. A plugin that came back from quarantine is on trial for `window_s` seconds: whatever goes wrong with it then puts it back.
3. A start that was never tried, because something that the plugin needs is missing, is no restart.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Intensity:
    """The limits."""

    most: int
    """Restarts that are allowed in a window."""
    window_s: float
    """Length of the window, in seconds."""


@dataclass(frozen=True, slots=True)
class Restarts:
    """The restarts of one plugin."""

    at: tuple[float, ...] = ()
    """When the last ones were, oldest first; those before the window are forgotten."""
    total: int = 0
    trial_until: float | None = None
    """Until when it is on trial."""

    def restarted(self, now: float, limits: Intensity) -> "Restarts":
        """After one more."""
        return replace(self, at=(*self._within(now, limits), now), total=self.total + 1)

    def on_trial(self, now: float, limits: Intensity) -> "Restarts":
        """After it came back from quarantine."""
        return replace(self, at=(), trial_until=now + limits.window_s)

    def count(self, now: float, limits: Intensity) -> int:
        """How many there were in the window that ends now."""
        return len(self._within(now, limits))

    def allows(self, now: float, pause_s: float, limits: Intensity) -> bool:
        """Whether what goes wrong now may be answered with a restart after the pause."""
        if self.trial_until is not None and now < self.trial_until:
            return False
        return self.count(now + pause_s, limits) < limits.most

    def _within(self, now: float, limits: Intensity) -> tuple[float, ...]:
        return tuple(moment for moment in self.at if moment > now - limits.window_s)
