"""Doubles that ship, so that a host's own tests and ours need no mocks."""

from datetime import UTC, datetime, timedelta


class FakeClock:
    """A clock that stands still until it is told to advance."""

    def __init__(self, now: datetime = datetime(2030, 1, 1, tzinfo=UTC), monotonic: float = 1000.0) -> None:
        self._now = now
        self._monotonic = monotonic

    def now(self) -> datetime:
        """The moment it stands at."""
        return self._now

    def monotonic(self) -> float:
        """Seconds that advance with it."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let both times go on by so many seconds."""
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds

    def set_wall(self, now: datetime) -> None:
        """Let the wall time jump, forth or back; monotonic time is not touched."""
        self._now = now
