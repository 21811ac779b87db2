"""The bounded queue between whoever logs and the task that stores: any thread may put, none ever waits for the database.

1. At most `capacity` records and `MAX_BYTES` of text wait. Records of a plugin stand in two lines, what is serious (WARNING and above)
   apart from the rest, so that a flood of details does not wash an error away.
2. Every line has the same share. While there is room any line may be longer; when there is none, a record of a line below its share
   takes the place of the newest one of the longest line, and every other record is dropped.
3. What is taken out comes from all lines alike, each in its order: a flood delays itself, not the others.
4. What is dropped is counted, per plugin. While a plugin's records are refused its gate is shut, so that whoever logs can count the next
   one as dropped without making it; the next `take` opens every gate.
5. A gate's count goes up without the lock: nothing between reading and writing it can switch threads (CPython switches at calls and
   backward jumps only).
6. The lock is held for a few list operations. It may be entered again by its own thread, because a finalizer (`__del__`) that logs can run
   in the middle of it.
"""

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any

MAX_BYTES = 64 * 1024 * 1024
"""Most text that waits, in characters."""
ROW_BYTES = 256
"""What a record costs beside its text."""
SERIOUS = frozenset({"WARNING", "ERROR", "CRITICAL"})

Row = dict[str, Any]
Key = tuple[int, bool]
"""A plugin's id, and whether its records are serious."""


@dataclass(slots=True)
class Line:
    """What waits of one plugin, each with its number."""

    rows: deque[tuple[int, Row]] = field(default_factory=deque)
    bytes: int = 0


@dataclass(slots=True)
class Gate:
    """What whoever logs looks at before a record of one plugin is made."""

    plugin_name: str
    shut: bool = False
    shut_for_serious: bool = False
    dropped: int = 0
    """Records dropped since the start."""
    reported: int = 0
    """How many of them were taken to be reported."""

    def admits(self, *, serious: bool) -> bool:
        """Whether a record would be taken; one that would not counts as dropped."""
        if self.shut_for_serious if serious else self.shut:
            self.dropped += 1
            return False
        return True


class LogBuffer:
    """Rows that wait to be stored."""

    def __init__(self, capacity: int, *, max_bytes: int = MAX_BYTES) -> None:
        self._capacity = capacity
        self._max_bytes = max_bytes
        self._lines: dict[Key, Line] = {}
        self._count = 0
        self._bytes = 0
        self._gates: dict[int, Gate] = {}
        self._lock = threading.RLock()
        self.last = 0
        """The number of the newest row; numbers grow by one."""

    def __len__(self) -> int:
        return self._count

    @property
    def dropped(self) -> int:
        """Records dropped since the start."""
        return sum(gate.dropped for gate in list(self._gates.values()))

    def gate(self, plugin_id: int, plugin_name: str) -> Gate:
        """The plugin's gate, always the same one."""
        gate = self._gates.get(plugin_id) or self._gates.setdefault(plugin_id, Gate(plugin_name))
        gate.plugin_name = plugin_name
        return gate

    def put(self, row: Row) -> bool:
        """Append a row; False if there was no room and it was dropped."""
        size = size_of(row)
        serious = row.get("level") in SERIOUS
        key = (row["plugin_id"], serious)
        with self._lock:
            line = self._lines.get(key) or Line()
            if not self._make_room(line, size):
                self._refuse(row, serious=serious)
                return False
            line = self._lines.setdefault(key, line)
            self.last += 1
            line.rows.append((self.last, row))
            self._resize(line, 1, size)
            return True

    def take(self, most: int) -> list[Row]:
        """Remove and return the oldest rows of every line, in the order in which they were put."""
        with self._lock:
            for gate in list(self._gates.values()):
                gate.shut = gate.shut_for_serious = False
            taken: list[tuple[int, Row]] = []
            while self._lines and len(taken) < most:
                share = max(1, (most - len(taken)) // len(self._lines))
                for key in list(self._lines):
                    taken += self._take_from(key, min(share, most - len(taken)))
            return [row for _, row in sorted(taken, key=lambda numbered: numbered[0])]

    def holds_before(self, number: int) -> bool:
        """Whether a row with this number or a lower one still waits."""
        with self._lock:
            return any(line.rows[0][0] <= number for line in self._lines.values())

    def lose(self, rows: list[Row]) -> None:
        """Count rows that were taken and could not be stored after all."""
        for row in rows:
            self._count_lost(row)

    def take_lost(self) -> dict[tuple[int, str], int]:
        """How many were dropped since the last call, by plugin id and name."""
        with self._lock:
            lost: dict[tuple[int, str], int] = {}
            for plugin_id, gate in list(self._gates.items()):
                dropped = gate.dropped
                if dropped > gate.reported:
                    lost[plugin_id, gate.plugin_name] = dropped - gate.reported
                gate.reported = dropped
            return lost

    def give_back_lost(self, lost: dict[tuple[int, str], int]) -> None:
        """Count again what could not be reported."""
        with self._lock:
            for (plugin_id, _), count in lost.items():
                self._gates[plugin_id].reported -= count

    def _make_room(self, line: Line, size: int) -> bool:
        """See that a row of this size fits, at the cost of the longest lines if this one is below its share (rule 2)."""
        while self._count >= self._capacity or self._bytes + size > self._max_bytes:
            lines = len(self._lines) + (not line.rows)
            if self._count >= self._capacity:
                fair, by = len(line.rows) < self._capacity // lines, _length
            else:
                fair, by = line.bytes + size <= self._max_bytes // lines, _bytes
            longest = max(self._lines.values(), key=by, default=line) if fair else line
            if longest is line:
                return False
            self._drop_newest(longest)
        return True

    def _drop_newest(self, line: Line) -> None:
        _, row = line.rows.pop()
        self._resize(line, -1, -size_of(row))
        self._count_lost(row)
        if not line.rows:
            self._lines = {key: other for key, other in self._lines.items() if other.rows}

    def _take_from(self, key: Key, most: int) -> list[tuple[int, Row]]:
        line = self._lines.get(key)
        if line is None:  # a record that was put in the middle of this took its last one's place
            return []
        taken = [line.rows.popleft() for _ in range(min(most, len(line.rows)))]
        self._resize(line, -len(taken), -sum(size_of(row) for _, row in taken))
        if not line.rows:
            self._lines.pop(key, None)
        return taken

    def _resize(self, line: Line, rows: int, size: int) -> None:
        line.bytes += size
        self._count += rows
        self._bytes += size

    def _refuse(self, row: Row, *, serious: bool) -> None:
        """Drop a row, and shut the gate behind it unless it was only this row that was too large."""
        gate = self._count_lost(row)
        if self._count >= self._capacity:
            if serious:
                gate.shut_for_serious = True
            else:
                gate.shut = True

    def _count_lost(self, row: Row) -> Gate:
        gate = self.gate(row["plugin_id"], row["plugin_name"])
        gate.dropped += 1
        return gate


def _length(line: Line) -> int:
    return len(line.rows)


def _bytes(line: Line) -> int:
    return line.bytes


def size_of(row: Row) -> int:
    """What a row costs, about, in bytes."""
    return ROW_BYTES + len(row["message"]) + len(row["traceback"] or "")
