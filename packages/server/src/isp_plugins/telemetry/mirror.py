"""Repeats what plugins log from WARNING on in the server's own log, masked as it is stored.

A plugin's logger does not propagate, so this is the only way there; at most 100 records a batch, the rest are counted.
"""

import logging
from collections.abc import Sequence

from isp_plugins.contracts.vocabulary import LogLevel
from isp_plugins.telemetry.buffer import Row
from isp_plugins.telemetry.records import NUMBERS

MOST = 100
SERIOUS = frozenset(level.value for level in LogLevel if NUMBERS[level] >= logging.WARNING)
log = logging.getLogger("isp_plugins.plugin")


def mirror(rows: Sequence[Row]) -> None:
    """Hand the serious ones among stored rows to the server's log."""
    serious = [row for row in rows if row["level"] in SERIOUS]
    for row in serious[:MOST]:
        number = NUMBERS[LogLevel(row["level"])]
        if log.isEnabledFor(number):
            log.handle(_record(row, number))
    if len(serious) > MOST:
        log.warning(
            "and %d more warnings and errors of plugins; GET /api/v1/plugins/logs has them all",
            len(serious) - MOST,
        )


def _record(row: Row, number: int) -> logging.LogRecord:
    record = log.makeRecord(
        log.name, number, "(plugin)", 0, "%s: %s", (row["plugin_name"], row["message"]), None
    )
    record.created = row["at"].timestamp()
    record.exc_text = row["traceback"]
    return record
