"""The bounded queue between whoever logs and the task that stores: any thread may put, none ever waits for the database.

1. At most `capacity` records and `MAX_BYTES` of text wait; what does not fit is dropped and counted, per plugin.
2. The lock is held for a few list operations. It may be entered again by its own thread, because a finalizer (`__del__`) that logs can run
   in the middle of it.
"""

import threading
from collections import Counter, deque
from typing import Any

MAX_BYTES = 64 * 1024 * 1024
"""Most text that waits, in characters."""
ROW_BYTES = 256
"""What a record costs beside its text."""

Row = dict[str, Any]


class LogBuffer:
    """Rows that wait to be stored."""

    def __init__(self, capacity: int, *, max_bytes: int = MAX_BYTES) -> None:
        self._capacity = capacity
        self._room = max_bytes
        self._rows: deque[Row] = deque()
        self._lost: Counter[tuple[int, str]] = Counter()
        self._lock = threading.RLock()
        self.dropped = 0
        """Records dropped since the start."""

    def __len__(self) -> int:
        return len(self._rows)

    def put(self, row: Row) -> bool:
        """Append a row; False if there was no room and it was dropped."""
        size = _size(row)
        with self._lock:
            if len(self._rows) < self._capacity and size <= self._room:
                self._rows.append(row)
                self._room -= size
                return True
            self._count_lost(row)
            return False

    def take(self, most: int) -> list[Row]:
        """Remove and return the oldest rows."""
        with self._lock:
            rows = [self._rows.popleft() for _ in range(min(most, len(self._rows)))]
            self._room += sum(map(_size, rows))
            return rows

    def lose(self, rows: list[Row]) -> None:
        """Count rows that were taken and could not be stored after all."""
        with self._lock:
            for row in rows:
                self._count_lost(row)

    def take_lost(self) -> dict[tuple[int, str], int]:
        """How many were dropped since the last call, by plugin id and name."""
        with self._lock:
            lost, self._lost = self._lost, Counter()
            return lost

    def give_back_lost(self, lost: dict[tuple[int, str], int]) -> None:
        """Count again what could not be reported."""
        with self._lock:
            self._lost.update(lost)

    def _count_lost(self, row: Row) -> None:
        self._lost[row["plugin_id"], row["plugin_name"]] += 1
        self.dropped += 1


def _size(row: Row) -> int:
    return ROW_BYTES + len(row["message"]) + len(row["traceback"] or "")
