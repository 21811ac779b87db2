"""The call that a worker runs now, as the host described it."""

import time
from collections.abc import Mapping
from typing import Any

DEADLINE_MS = 30_000
"""Where the host names none."""


class ServedCall:
    """One call of the host's; behind `isp_plugin_sdk.current.CallInfo`. Most plugins never look, so each member is read when it is asked for."""

    __slots__ = ("_call", "_came", "method", "number")

    def __init__(self, number: int, method: str, call: Mapping[str, Any]) -> None:
        self.number = number
        """The host's number for it."""
        self.method = method
        self._call = call
        self._came = time.monotonic()

    @property
    def request_id(self) -> str:
        """What ties the log lines of one request together."""
        request_id: str = self._call.get("request_id") or ""
        return request_id

    @property
    def hook(self) -> str:
        """The hook that is being dispatched; empty for an execute."""
        hook: str = self._call.get("hook") or ""
        return hook

    @property
    def deadline(self) -> float:
        """When the call must have ended, in seconds of `time.monotonic`."""
        left: float = self._call.get("deadline_ms", DEADLINE_MS)
        return self._came + left / 1000

    @property
    def chain(self) -> tuple[str, ...]:
        """Plugins whose dispatches led here, outermost first."""
        return tuple(self._call.get("chain") or ())

    @property
    def context(self) -> Mapping[str, Any]:
        """What the dispatch's caller gave along."""
        context: Mapping[str, Any] = self._call.get("context") or {}
        return context
