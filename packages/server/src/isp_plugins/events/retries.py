"""What follows from a failed attempt: another one after a pause, or the dead letter; pure.

1. Pauses double from `min_s` to `max_s`, each up to a fifth shorter, so that what failed together is not tried together.
2. `RetryLater(after)` is the plugin's own pause; it does not count towards the dead letter, for at most `PATIENCE` times in all.
3. After `attempts` failures that count, the event is a dead letter.
"""

from collections.abc import Callable
from dataclasses import dataclass

from isp_plugins.contracts.hooks import Retry

DEFAULT_RETRY = Retry()
JITTER = 0.2
MAX_ERROR = 4000
LONGEST_LATER_S = 7 * 86_400.0
PATIENCE = 1000
"""Attempts of any kind after which an event that is only ever postponed is a dead letter."""


@dataclass(frozen=True, slots=True)
class Tried:
    """How often an event was tried: attempts, and how many of them count as failures."""

    attempts: int = 0
    failures: int = 0

    def after(self, later: float | None) -> "Tried":
        """One more attempt; `later` is what the plugin asked for."""
        return Tried(self.attempts + 1, self.failures + (later is None))

    def before(self) -> "Tried":
        """Without the last attempt, which counted as a failure."""
        return Tried(self.attempts - 1, max(0, self.failures - 1))


def pause(retry: Retry, tried: Tried, later: float | None, chance: float) -> float | None:
    """Seconds until the next attempt; None: it is a dead letter. `chance` is from 0 to 1."""
    if tried.failures >= retry.attempts or tried.attempts >= PATIENCE:
        return None
    if later is not None:
        return min(max(0.0, later), LONGEST_LATER_S)
    doubled = retry.min_s * 2.0 ** min(tried.failures - 1, 62)
    return min(retry.max_s, doubled) * (1 - JITTER * chance)


def due_in(next_at: float, delay: float, now: float) -> float:
    """Seconds until a stored attempt is due; never longer than it was meant to be, whatever the clock did."""
    return min(max(0.0, next_at - now), delay)


def later_of(error: BaseException | None) -> float | None:
    """What a plugin asked for with `RetryLater`, in seconds; None where it simply failed."""
    after = getattr(error, "retry_after_s", None)
    return float(after) if isinstance(after, (int, float)) and not isinstance(after, bool) else None


def words_of(error: BaseException | None, status: str, mask: Callable[[str], str]) -> str:
    """What went wrong, without secrets, as both databases can keep it."""
    text = f"{type(error).__name__}: {error}" if error is not None else status
    # Masked before it is cut, so that no half of a secret is left.
    text = mask(text[: 2 * MAX_ERROR])[:MAX_ERROR]
    return text.encode("utf-8", "replace").decode().replace("\0", "?")
