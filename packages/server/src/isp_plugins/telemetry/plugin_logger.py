"""The standard library's logger that a plugin gets: it writes to `PluginLogs` and nowhere else.

1. It is not part of the process's tree of loggers, so two hosts in one process, or a plugin called `root`, never meet. Its children
   (`getChild`) are its own.
2. A change of level counts at once, for children too.
3. Its handler never raises and never waits.
"""

import logging
from collections.abc import Callable
from typing import Any

from isp_plugins.contracts.vocabulary import LogLevel
from isp_plugins.telemetry.records import NUMBERS


class PluginLogger(logging.Logger):
    """A logger apart from the process's tree."""

    def __init__(self, name: str, level: int = logging.NOTSET) -> None:
        super().__init__(name, level)
        self._own_children: dict[str, PluginLogger] = {}

    def getChild(self, suffix: str) -> "PluginLogger":  # noqa: N802  the standard library's name
        """The logger below this one with that name; its records come here."""
        child = self._own_children.get(suffix)
        if child is None:
            child = PluginLogger(f"{self.name}.{suffix}")
            child.parent = self
            child = self._own_children.setdefault(suffix, child)
        return child

    def setLevel(self, level: int | str) -> None:  # noqa: N802  the standard library's name
        """Change the level, at once."""
        super().setLevel(level)
        self.forget_levels()

    def forget_levels(self) -> None:
        """Let go of remembered levels, which the standard library does only in its own tree."""
        self._cache.clear()  # type: ignore[attr-defined]  # the standard library leaves it out of its types
        for child in list(self._own_children.values()):
            child.forget_levels()


class PluginHandler(logging.Handler):
    """Hands each record to a function; keeps no lock, since what it calls needs none."""

    def __init__(self, write: Callable[[logging.LogRecord], Any]) -> None:
        super().__init__()
        self._write = write

    def createLock(self) -> None:  # noqa: N802  the standard library's name
        """No lock: a thread that was abandoned in the middle of logging must not stop the others."""
        self.lock = None

    def emit(self, record: logging.LogRecord) -> None:
        """Pass the record on."""
        self._write(record)


def set_level(logger: PluginLogger, level: LogLevel) -> None:
    """Change the level only if it differs, so that nothing is forgotten in vain."""
    if logger.level != NUMBERS[level]:
        logger.setLevel(NUMBERS[level])
