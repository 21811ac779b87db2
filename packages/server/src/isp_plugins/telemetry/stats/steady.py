"""Wall time that only goes forward: the wall clock as it was at the start, and monotonic time since."""

from datetime import UTC, datetime

from isp_plugins.clock import Clock
from isp_plugins.telemetry.stats.windows import MINUTE_S


class SteadyTime:
    """Numbers minutes so that a wall clock that jumps moves nothing; and knows what such a minute is called now."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._start = clock.now().timestamp() - clock.monotonic()

    @property
    def minute(self) -> int:
        """The minute that runs."""
        return int((self._start + self._clock.monotonic()) // MINUTE_S)

    def label_of(self, minute: int) -> int:
        """The minute's number by the wall clock as it goes now; what is stored bears it."""
        return minute + self._skew

    def minute_of(self, label: int) -> int:
        """The steady number of a stored minute."""
        return label - self._skew

    def moment_of(self, minute: int) -> datetime:
        """When a steady minute began, by the wall clock as it goes now."""
        return datetime.fromtimestamp(self.label_of(minute) * MINUTE_S, UTC)

    @property
    def _skew(self) -> int:
        """By how many minutes the wall clock has jumped since the start."""
        drift = self._clock.now().timestamp() - self._start - self._clock.monotonic()
        return round(drift / MINUTE_S)
