"""The call that a worker runs now, as the host described it."""

import time
from collections.abc import Mapping
from typing import Any


class ServedCall:
    """One call of the host's; behind `isp_plugin_sdk.current.CallInfo`."""

    __slots__ = ("chain", "context", "deadline", "hook", "method", "number", "request_id")

    def __init__(self, number: int, method: str, call: Mapping[str, Any]) -> None:
        self.number = number
        """The host's number for it."""
        self.method = method
        self.request_id: str = call.get("request_id", "")
        self.hook: str = call.get("hook") or ""
        self.deadline: float = time.monotonic() + call.get("deadline_ms", 30_000) / 1000
        self.chain: tuple[str, ...] = tuple(call.get("chain", ()))
        self.context: Mapping[str, Any] = call.get("context") or {}
