"""Repeats what plugins log from WARNING on in the server's own log, masked as it is stored.

1. A plugin's logger does not propagate, so this is the only way there; at most `MOST` records in `PERIOD_S` seconds.
2. One record is one line, and its traceback is set in: a plugin cannot write what looks like a line of the host's.
"""

import logging
import math
from collections.abc import Sequence

from isp_plugins.clock import Clock
from isp_plugins.contracts.vocabulary import LogLevel
from isp_plugins.plain_text import inset, one_line
from isp_plugins.telemetry.buffer import SERIOUS, Row
from isp_plugins.telemetry.records import NUMBERS

MOST = 100
PERIOD_S = 10.0
log = logging.getLogger("isp_plugins.plugin")


class Mirror:
    """Hands the serious ones among stored rows to the server's log."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = -math.inf
        self._room = MOST

    def __call__(self, rows: Sequence[Row]) -> None:
        """Show what there is room for, and say so where there is no more."""
        if self._clock.monotonic() - self._began >= PERIOD_S:
            self._began, self._room = self._clock.monotonic(), MOST
        serious = [row for row in rows if row["level"] in SERIOUS]
        room, self._room = self._room, max(0, self._room - len(serious))
        for row in serious[:room]:
            number = NUMBERS[LogLevel(row["level"])]
            if log.isEnabledFor(number):
                log.handle(_record(row, number))
        if 0 < room < len(serious):
            log.warning(
                "more than %d warnings and errors of plugins within %d s: GET /api/v1/plugins/logs has the others",
                MOST,
                PERIOD_S,
            )


def _record(row: Row, number: int) -> logging.LogRecord:
    record = log.makeRecord(
        log.name, number, "(plugin)", 0, "%s: %s", (row["plugin_name"], one_line(row["message"])), None
    )
    record.created = row["at"].timestamp()
    record.exc_text = inset(row["traceback"]) if row["traceback"] else None
    return record
