"""The values of plugin logs: a record as it is written, the filters of a search, a row as it is shown."""

import logging
from dataclasses import dataclass
from datetime import datetime

from isp_plugins.contracts.vocabulary import LogLevel

NUMBERS = {level: logging.getLevelNamesMapping()[level.value] for level in LogLevel}
"""The standard library's number of each level."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRecord:
    """One thing to write down about a plugin; what is None is filled in from the clock and from the call that runs now."""

    plugin_id: int
    plugin_name: str
    level: LogLevel
    message: str
    at: datetime | None = None
    hook: str | None = None
    method: str | None = None
    request_id: str | None = None
    duration_ms: float | None = None
    traceback: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFilters:
    """Which records are wanted; None: all."""

    level: LogLevel | None = None
    """This level and those above it."""
    only_level: LogLevel | None = None
    """This level and no other."""
    plugin_id: int | None = None
    plugin_name: str | None = None
    """The name that the plugin's newest record bears; finds deleted plugins too."""
    hook: str | None = None
    method: str | None = None
    request_id: str | None = None
    node: str | None = None
    min_duration_ms: float | None = None
    """Took at least so long."""
    has_traceback: bool | None = None
    since: datetime | None = None
    """From this moment on, itself included."""
    until: datetime | None = None
    """Up to this moment, itself not included."""
    q: str | None = None
    """Text in the message or traceback; case is ignored (on SQLite: of the letters A to Z)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogView:
    """One stored record as it is shown."""

    id: int
    at: datetime
    node: str
    plugin_id: int
    plugin_name: str
    level: LogLevel
    message: str
    hook: str | None
    method: str | None
    request_id: str | None
    duration_ms: float | None
    traceback: str | None


def levels_of(filters: LogFilters) -> tuple[LogLevel, ...]:
    """The levels that the filters leave."""
    found = levels_from(filters.level)
    return tuple(level for level in found if filters.only_level in {None, level})


def level_of(number: int) -> LogLevel:
    """The level that a number of the standard library means: the highest that is not above it, at least DEBUG."""
    return next((level for level in reversed(LogLevel) if NUMBERS[level] <= number), LogLevel.DEBUG)


def levels_from(lowest: LogLevel | None) -> tuple[LogLevel, ...]:
    """A level and those above it; all for None."""
    return tuple(level for level in LogLevel if lowest is None or NUMBERS[level] >= NUMBERS[lowest])
