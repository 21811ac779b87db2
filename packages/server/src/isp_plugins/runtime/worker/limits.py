"""The operator's settings for all workers, and the token bucket that throttles what a worker asks of the host."""

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
    log_lines_per_second: float = 1000.0

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
            log_lines_per_second=settings.worker_log_lines_per_second,
        )


class Bucket:
    """So many tokens a second, a second's worth at most; times are seconds of a monotonic clock, passed in."""

    __slots__ = ("_at", "_rate", "_tokens")

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._tokens = rate
        self._at: float | None = None

    def take(self, now: float) -> float:
        """Take one; how long to wait for it, in seconds. 0 where one was there."""
        self._refill(now)
        self._tokens -= 1
        return 0.0 if self._tokens >= 0 else -self._tokens / self._rate

    def try_take(self, now: float) -> bool:
        """Take one if there is one."""
        self._refill(now)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def _refill(self, now: float) -> None:
        if self._at is not None:
            self._tokens = min(self._rate, self._tokens + (now - self._at) * self._rate)
        self._at = now
