"""The last lines of each plugin's log, kept in memory for the record of its end; masked before they come here.

Any thread may add: appending to a bounded deque is one step that no other thread can cut in two.
"""

from collections import deque
from datetime import datetime
from typing import Any

LINES = 200
"""Lines that are kept of each plugin."""
LINE_LENGTH = 500
"""Characters of a message that are kept: 200 lines of 100 plugins stay below 20 MB."""

_Line = tuple[datetime, str, str]


class LogTails:
    """The tails of all plugins of this node, by plugin id."""

    def __init__(self) -> None:
        self._tails: dict[int, deque[_Line]] = {}

    def add(self, row: dict[str, Any]) -> None:
        """Keep the beginning of a record that is ready to be stored."""
        tail = self._tails.get(row["plugin_id"])
        if tail is None:
            tail = self._tails.setdefault(row["plugin_id"], deque(maxlen=LINES))
        tail.append((row["at"], row["level"], row["message"][:LINE_LENGTH]))

    def of(self, plugin_id: int) -> tuple[str, ...]:
        """A plugin's last lines, oldest first."""
        lines = self._tails.get(plugin_id)
        return tuple(_line(line) for line in lines.copy()) if lines else ()

    def forget(self, plugin_id: int) -> None:
        """Drop those of a deleted plugin."""
        self._tails.pop(plugin_id, None)


def _line(line: _Line) -> str:
    at, level, message = line
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z {level:<8} {message}"
