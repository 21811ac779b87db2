"""The standard library's logger that a plugin gets: it writes to `PluginLogs` and nowhere else.

1. It is not part of the process's tree of loggers, so two hosts in one process, or a plugin called `root`, never meet. Its children
   (`getChild`) are its own.
2. What the plugin's modules log under their own names (`logging.getLogger(__name__)`) comes here too: the logger of each load's root
   package is adopted, and given up with the load.
3. A change of level counts at once, for children and adopted loggers too.
4. A record that would be dropped is not made: a flood costs a tenth of what it would, and formats nothing.
5. Its handler never raises and never waits.
"""

import logging
from collections.abc import Callable
from typing import Any

from isp_plugins.contracts.vocabulary import LogLevel
from isp_plugins.telemetry.buffer import Gate
from isp_plugins.telemetry.records import NUMBERS

_TREE = logging._lock  # type: ignore[attr-defined]  # noqa: SLF001  the standard library has no other way to guard its tree


class PluginLogger(logging.Logger):
    """A logger apart from the process's tree."""

    def __init__(self, name: str, level: int = logging.NOTSET, *, gate: Gate | None = None) -> None:
        super().__init__(name, level)
        self._gate = gate or Gate(name)
        self._own_children: dict[str, PluginLogger] = {}
        self._adopted: dict[str, logging.Logger] = {}
        self._released: logging.Logger = self

    def getChild(self, suffix: str) -> "PluginLogger":  # noqa: N802  the standard library's name
        """The logger below this one with that name; its records come here."""
        child = self._own_children.get(suffix)
        if child is None:
            child = PluginLogger(f"{self.name}.{suffix}", gate=self._gate)
            child.parent = self
            child = self._own_children.setdefault(suffix, child)
        return child

    def setLevel(self, level: int | str) -> None:  # noqa: N802  the standard library's name
        """Change the level, at once."""
        super().setLevel(level)
        self.forget_levels()
        for adopted in list(self._adopted.values()):
            adopted.setLevel(self.level)

    def forget_levels(self) -> None:
        """Let go of remembered levels, which the standard library does only in its own tree."""
        self._cache.clear()  # type: ignore[attr-defined]  # the standard library leaves it out of its types
        for child in list(self._own_children.values()):
            child.forget_levels()

    def adopt(self, root: str) -> None:
        """Take over what is logged under this name of the process's tree, and below it."""
        known = logging.Logger.manager.loggerDict
        if root == self._released.name:  # modules that come back still hold on to it
            known[root] = self._released
        logger = logging.getLogger(root)
        logger.propagate = False
        logger.handlers = [PluginHandler(self._hand_over)]
        logger.setLevel(self.level)
        self._adopted[root] = logger

    def release(self, root: str) -> None:
        """Let the process forget this name and those below it; a thread that was left behind can still log."""
        logger = self._adopted.pop(root, None)
        if logger is None:
            return
        self._released = logger
        known = logging.Logger.manager.loggerDict
        with _TREE:
            for name in [name for name in known if name == root or name.startswith(f"{root}.")]:
                del known[name]

    def _hand_over(self, record: logging.LogRecord) -> None:
        if self._gate.admits(serious=record.levelno >= logging.WARNING):
            self.handle(record)

    def _log(self, level: int, msg: object, args: Any, stacklevel: int = 1, **options: Any) -> None:  # type: ignore[override]  # the others are handed on
        """Make a record and handle it, if there is room for it (rule 4)."""
        if self._gate.admits(serious=level >= logging.WARNING):
            # One frame more stands between the caller and the standard library: this one.
            super()._log(level, msg, args, stacklevel=stacklevel + 1, **options)


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
