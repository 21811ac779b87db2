"""`PluginLogs`: takes what plugins and the host write about plugins, stores it in batches, and gives it back in pages.

1. Writing works from any thread, never waits for the database and never raises; what does not fit into memory is dropped and counted.
2. Known secrets of the plugin are masked, in messages, their arguments and tracebacks, before anything leaves the calling thread.
3. A record is stored at most `flush_interval` seconds later, which is what a killed host loses.
"""

import logging
from collections.abc import Mapping, Sequence

from isp_plugin_sdk.context import current_call
from isp_plugins.clock import Clock
from isp_plugins.contracts.vocabulary import LogLevel
from isp_plugins.db.engine import Database
from isp_plugins.db.paging import Page
from isp_plugins.telemetry.buffer import SERIOUS, LogBuffer, Row
from isp_plugins.telemetry.following import Following
from isp_plugins.telemetry.masking import NO_MASKS, Masker
from isp_plugins.telemetry.mirror import Mirror
from isp_plugins.telemetry.plugin_logger import PluginHandler, PluginLogger, set_level
from isp_plugins.telemetry.query import read_page
from isp_plugins.telemetry.records import LogFilters, LogRecord, LogView, level_of
from isp_plugins.telemetry.text import message_of, name_of, traceback_of
from isp_plugins.telemetry.tracebacks import plugin_traceback, words_of
from isp_plugins.telemetry.usage import PluginUsage, read_usage
from isp_plugins.telemetry.writer import LogWriter


class PluginLogs:
    """The logs of all plugins on one node."""

    def __init__(
        self, database: Database, *, node: str, clock: Clock, queue_size: int, flush_interval: float
    ) -> None:
        self._database = database
        self._node = node
        self.clock = clock
        self._queue_size = queue_size
        self._buffer = LogBuffer(queue_size)
        self._mirror = Mirror(clock)
        self.following = Following(database, clock=clock)
        """Whoever reads the records as they are stored."""
        self._writer = LogWriter(
            database, self._buffer, flush_interval=flush_interval, report=self._report, stored=self._stored
        )
        self._loggers: dict[int, PluginLogger] = {}
        self._masks: dict[int, Masker] = {}

    async def open(self) -> None:
        """Start storing, on the running loop."""
        self.following.begin()
        self._writer.open()

    async def close(self) -> None:
        """Store what waits and stop; what is written afterwards waits for the next `open`. Followers end."""
        await self._writer.close()
        self.following.end()

    async def flush(self) -> None:
        """Store everything written so far; `UnavailableError` where the database cannot, and then it still waits."""
        await self._writer.flush()

    async def settle(self, within: float) -> None:
        """Store what was written so far, if the database takes it within so many seconds; raises nothing."""
        await self._writer.settle(within)

    @property
    def dropped(self) -> int:
        """How many records were dropped since the start, because there was no room or the database refused them."""
        return self._buffer.dropped

    @property
    def stored(self) -> int:
        """How many records were stored since the start."""
        return self._writer.stored

    @property
    def waiting(self) -> int:
        """How many records wait to be stored."""
        return len(self._buffer)

    def logger_for(self, plugin_id: int, plugin_name: str, level: LogLevel) -> logging.Logger:
        """The plugin's logger, always the same object; a new name and level count at once."""
        logger = self._loggers.get(plugin_id)
        if logger is None:
            logger = self._loggers.setdefault(plugin_id, self._new_logger(plugin_id, plugin_name))
        logger.name = self._buffer.gate(plugin_id, plugin_name).plugin_name
        set_level(logger, level)
        return logger

    def set_masks(self, plugin_id: int, values: frozenset[str]) -> None:
        """The secret values of a plugin that are replaced by ******** from now on (those before are no longer)."""
        self._masks[plugin_id] = Masker(values)

    def forget(self, plugin_id: int) -> None:
        """Drop what is known of a deleted plugin; its stored records stay."""
        self._loggers.pop(plugin_id, None)
        self._masks.pop(plugin_id, None)

    def name_of(self, plugin_id: int) -> str:
        """The plugin's name as its logger has it."""
        logger = self._loggers.get(plugin_id)
        return logger.name if logger is not None else f"plugin {plugin_id}"

    def masked(self, plugin_id: int, text: str) -> str:
        """A text with the plugin's known secret values masked, for answers that repeat what the plugin said."""
        return self._masks.get(plugin_id, NO_MASKS)(text)

    def write(self, record: LogRecord) -> None:
        """Write a record of the host's about a plugin; the plugin's level is not asked."""
        try:
            gate = self._buffer.gate(record.plugin_id, record.plugin_name)
            if not gate.admits(serious=record.level in SERIOUS):
                return
            call = current_call.get()
            self._put(
                {
                    "at": record.at or self.clock.now(),
                    "node": self._node,
                    "plugin_id": record.plugin_id,
                    "plugin_name": record.plugin_name,
                    "level": record.level.value,
                    "message": record.message,
                    "hook": record.hook or (call and call.hook),
                    "method": record.method or getattr(call, "method", None),
                    "request_id": record.request_id or (call and call.request_id),
                    "duration_ms": record.duration_ms,
                    "traceback": record.traceback,
                }
            )
        except Exception:
            self._lose(record.plugin_id, record.plugin_name)

    async def page(self, filters: LogFilters, page: int, size: int) -> Page[LogView]:
        """One page of stored records, newest first; totals and pages end at 10,000 (`LogPageTooDeepError`)."""
        return await read_page(self._database, filters, page=page, size=size)

    async def usage(self) -> list[PluginUsage]:
        """What is kept, was lost and was deleted of every plugin that ever logged."""
        return await read_usage(self._database)

    def _new_logger(self, plugin_id: int, plugin_name: str) -> PluginLogger:
        logger = PluginLogger(plugin_name, gate=self._buffer.gate(plugin_id, plugin_name))
        logger.addHandler(PluginHandler(lambda record: self._emit(plugin_id, logger.name, record)))
        return logger

    def _stored(self, rows: Sequence[Row]) -> None:
        self._mirror(rows)
        self.following.news()

    def _emit(self, plugin_id: int, plugin_name: str, record: logging.LogRecord) -> None:
        """Write a record of the plugin's own logger."""
        try:
            call = current_call.get()
            self._put(
                {
                    "at": self.clock.now(),
                    "node": self._node,
                    "plugin_id": plugin_id,
                    "plugin_name": plugin_name,
                    "level": LEVELS.get(record.levelno) or level_of(record.levelno).value,
                    "message": _message_of(record),
                    "hook": call and call.hook,
                    "method": getattr(call, "method", None) or _function_of(record),
                    "request_id": call and call.request_id,
                    "duration_ms": None,
                    "traceback": _traceback_of(record) if record.exc_info or record.stack_info else None,
                }
            )
        except Exception:
            self._lose(plugin_id, plugin_name)

    def _put(self, row: Row) -> None:
        """Mask a row's texts, make them storable, and queue it."""
        mask = self._masks.get(row["plugin_id"], NO_MASKS)
        row["message"] = message_of(row["message"], mask)
        if row["traceback"] is not None:
            row["traceback"] = traceback_of(row["traceback"], mask)
        for name in ("hook", "method", "request_id"):
            row[name] = name_of(row[name], mask)
        if self._buffer.put(row):
            self._writer.wake(len(self._buffer))

    def _lose(self, plugin_id: int, plugin_name: str) -> None:
        self._buffer.lose([{"plugin_id": plugin_id, "plugin_name": plugin_name}])

    def _report(self, lost: Mapping[tuple[int, str], int]) -> list[Row]:
        """What is said of dropped records, per plugin."""
        words = f"log records of this plugin were dropped: they came faster than the database takes them, and at most {self._queue_size} wait"
        nothing = dict.fromkeys(("hook", "method", "request_id", "duration_ms", "traceback"))
        return [
            {
                "at": self.clock.now(),
                "node": self._node,
                "plugin_id": plugin_id,
                "plugin_name": name,
                "level": LogLevel.WARNING.value,
                "message": f"{count} {words}",
                **nothing,
            }
            for (plugin_id, name), count in sorted(lost.items())
        ]


LEVELS = {logging.getLevelNamesMapping()[level.value]: level.value for level in LogLevel}


def _message_of(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        shown = record.msg if isinstance(record.msg, str) else f"(a {type(record.msg).__name__})"
        return f"{shown} (the message cannot be formatted: {words_of(error)})"


def _function_of(record: logging.LogRecord) -> str | None:
    """The function that logged; none for a lambda or a module's own code."""
    name = record.funcName
    return name if name and not name.startswith("<") else None


def _traceback_of(record: logging.LogRecord) -> str | None:
    error = record.exc_info[1] if record.exc_info else None
    parts = [plugin_traceback(error) if error is not None else None, record.stack_info]
    return "\n".join(part for part in parts if part) or None
