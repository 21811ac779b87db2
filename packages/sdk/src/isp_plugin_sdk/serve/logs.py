"""What a plugin logs in a worker: every record of the process's tree of loggers becomes a `log` notification.

1. The root logger has the plugin's level, so what is below it costs nothing.
2. A record says which call it belongs to; the host knows the rest of that call.
3. Texts are bounded: a message to `MAX_TEXT` characters, a traceback to its last lines (`causes.end_of`). The handler never raises.
"""

import logging
from typing import Any

from isp_plugin_sdk.calling.causes import end_of
from isp_plugin_sdk.context import current_call
from isp_plugin_sdk.serve.link import Link
from isp_plugin_sdk.wire.codec import NOT_ENCODABLE

MAX_TEXT = 65_536
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
"""The levels of a plugin's log, as in the standard library."""


class WireHandler(logging.Handler):
    """Sends each record; keeps no lock, since the link has one."""

    def __init__(self, link: Link) -> None:
        super().__init__()
        self._link = link

    def createLock(self) -> None:  # noqa: N802  the standard library's name
        """No lock."""
        self.lock = None

    def emit(self, record: logging.LogRecord) -> None:
        """Send it."""
        try:
            self._link.tell("log", self._params(record))
        except NOT_ENCODABLE:
            self._link.tell("log", {"level": "ERROR", "message": "A log record's text is not Unicode."})

    def _params(self, record: logging.LogRecord) -> dict[str, Any]:
        params: dict[str, Any] = {
            "level": level_name(record.levelno),
            "message": _message_of(record)[:MAX_TEXT],
            "logger": record.name,
        }
        if record.funcName and not record.funcName.startswith("<"):
            params["function"] = record.funcName
        number = getattr(current_call.get(), "number", None)
        if number is not None:
            params["call"] = number
        if record.exc_info or record.stack_info:
            params["traceback"] = end_of(_traceback_of(record))
        return params


def install(link: Link) -> None:
    """Send what the process logs, and nothing else with it."""
    root = logging.getLogger()
    root.handlers = [WireHandler(link)]


def set_level(name: Any) -> None:
    """The plugin's level; one that nobody knows changes nothing."""
    if name in LEVELS:
        logging.getLogger().setLevel(name)


def level_name(number: int) -> str:
    """The nearest level at or below a number."""
    return LEVELS[min(max(number // 10 - 1, 0), len(LEVELS) - 1)]


def _message_of(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        shown = record.msg if isinstance(record.msg, str) else f"(a {type(record.msg).__name__})"
        return f"{shown} (the message cannot be formatted: {type(error).__name__}: {error})"


def _traceback_of(record: logging.LogRecord) -> str:
    import traceback

    error = record.exc_info[1] if record.exc_info else None
    parts = ["".join(traceback.format_exception(error)) if error else None, record.stack_info]
    return "\n".join(part for part in parts if part)
