"""Knows how much each plugin has stored, without counting it at every write.

1. The total is counted by the database once, then kept up to date by what this node writes.
2. It is counted anew when it is a minute old (other nodes write too) or when a write would not fit any more: so the limit
   is exact on one node, and several nodes together can pass it by what they write within a minute.
"""

from dataclasses import dataclass

ROW_BYTES = 64
"""What a row costs besides key and value, so that many tiny values count too."""
MAX_AGE_S = 60.0


@dataclass(slots=True)
class _Total:
    used: int
    counted_at: float


class Usage:
    """The totals of plugins, in bytes."""

    def __init__(self) -> None:
        self._totals: dict[int, _Total] = {}

    def known(self, plugin_id: int, now: float) -> int | None:
        """The total if it was counted within the last minute (`now`: monotonic seconds)."""
        total = self._totals.get(plugin_id)
        return total.used if total is not None and now - total.counted_at <= MAX_AGE_S else None

    def counted(self, plugin_id: int, used: int, now: float) -> None:
        """Keep what the database counted."""
        self._totals[plugin_id] = _Total(used, now)

    def forget(self, plugin_id: int) -> None:
        """Have it counted anew: it is changed in a transaction that may fail."""
        self._totals.pop(plugin_id, None)

    def changed(self, plugin_id: int, by: int) -> None:
        """Add what a committed write added or took away."""
        total = self._totals.get(plugin_id)
        if total is not None:
            total.used += by
