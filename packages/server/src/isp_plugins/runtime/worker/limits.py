"""The operator's settings for all workers, and the token bucket that throttles what a worker says and asks."""

from dataclasses import dataclass

from isp_plugins.settings import Settings


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """Durations in seconds, sizes in bytes."""

    handshake_timeout: float = 3.0
    ping_interval: float = 30.0
    ping_misses: int = 3
    hang_grace: float = 10.0
    stop_grace: float = 2.0
    max_message_bytes: int = 4 * 1024 * 1024
    max_pending_bytes: int = 64 * 1024 * 1024
    host_calls_per_second: float = 2000.0
    storage_writes_per_second: float = 500.0
    messages_per_second: float = 5000.0
    log_lines_per_second: float = 1000.0
    busy_poll: float = 0.0001  # about what two wake-ups of a process take on a slow machine

    @classmethod
    def of(cls, settings: Settings) -> "WorkerSettings":
        """As the server's settings say."""
        return cls(
            handshake_timeout=settings.worker_handshake_timeout,
            ping_interval=settings.worker_ping_interval,
            ping_misses=settings.worker_ping_misses,
            hang_grace=settings.worker_hang_grace,
            stop_grace=settings.worker_stop_grace,
            max_message_bytes=settings.worker_max_message_bytes,
            max_pending_bytes=settings.worker_max_pending_bytes,
            host_calls_per_second=settings.worker_host_calls_per_second,
            storage_writes_per_second=settings.worker_storage_writes_per_second,
            messages_per_second=settings.worker_messages_per_second,
            log_lines_per_second=settings.worker_log_lines_per_second,
            busy_poll=settings.worker_busy_poll,
        )


KIB = 1024
REPORT_S = 60.0
"""How often at most a flood is named in the plugin's log, in seconds."""


def cost_of(size: int) -> int:
    """Tokens for a message of so many bytes: one, and one more for each KiB, so that few huge ones weigh as much as many tiny ones."""
    return 1 + size // KIB


class Bucket:
    """So many tokens a second, a second's worth at most; times are seconds of a monotonic clock, passed in."""

    __slots__ = ("_at", "_rate", "_tokens")

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._tokens = rate
        self._at: float | None = None

    def take(self, now: float, cost: float = 1) -> float:
        """Take so many; how long to wait for them, in seconds. 0 where they were there."""
        self._refill(now)
        self._tokens -= cost
        return 0.0 if self._tokens >= 0 else -self._tokens / self._rate

    def try_take(self, now: float, cost: float = 1) -> bool:
        """Take so many if they are there; what costs more than there ever is takes all."""
        self._refill(now)
        cost = min(cost, max(self._rate, 1))
        if self._tokens < cost:
            return False
        self._tokens -= cost
        return True

    def _refill(self, now: float) -> None:
        if self._at is not None:
            self._tokens = min(self._rate, self._tokens + (now - self._at) * self._rate)
        self._at = now


class Tally:
    """Counts how often something was slowed down, and says once a minute at most how often since it was said last."""

    __slots__ = ("_said_at", "_since", "total")

    def __init__(self) -> None:
        self.total = 0
        self._since = 0
        self._said_at: float | None = None

    def add(self, now: float) -> int:
        """Once more; what is to be said now, or 0."""
        self.total += 1
        self._since += 1
        if self._said_at is not None and now - self._said_at < REPORT_S:
            return 0
        since, self._since, self._said_at = self._since, 0, now
        return since
