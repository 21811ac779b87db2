"""The host that the suite plays: storage in memory, and dispatches that are answered at once or held for a check."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from isp_plugins.conformance.vocabulary import Code


@dataclass(frozen=True, slots=True)
class HostCall:
    """A request that the worker made."""

    id: int
    method: str
    params: Mapping[str, Any]

    @property
    def under(self) -> int | None:
        """The id of the host's request that it was made under."""
        return self.params.get("call")


class PlayedHost:
    """Answers a worker's requests; `send` puts a message on the channel."""

    def __init__(self, send: Callable[[Mapping[str, Any]], None]) -> None:
        self.storage: dict[str, Any] = {}
        self.calls: list[HostCall] = []
        self.holds_dispatches = False
        """Dispatches wait in `held` until the check answers them."""
        self.refuses_storage = False
        """What is stored is refused with error 8."""
        self.has_no_time = False
        """What is asked of the storage is answered with error 9."""
        self.held: asyncio.Queue[HostCall] = asyncio.Queue()
        self._send = send

    def take(self, call: HostCall) -> None:
        """Answer one request, or hold it."""
        self.calls.append(call)
        if call.method == "dispatch" and self.holds_dispatches:
            self.held.put_nowait(call)
        elif call.method.startswith("storage.") and self.has_no_time:
            self._fail(call, Code.OUT_OF_TIME, "There was no time left for it.")
        elif call.method.startswith("storage.") and self.refuses_storage:
            data = {"problem": "storage-limit", "detail": "the suite refuses to store"}
            self._fail(call, Code.REFUSED, "The host refuses: the suite refuses to store.", data)
        else:
            self.answer(call, self._result(call))

    def answer(self, call: HostCall, result: Any) -> None:
        """Give a request its result."""
        self._send({"jsonrpc": "2.0", "id": call.id, "result": result})

    def complete(self, call: HostCall, value: Any) -> None:
        """Answer a dispatch that ran through with this value."""
        self.answer(call, dispatched(call, value))

    def _fail(self, call: HostCall, code: Code, message: str, data: Mapping[str, Any] | None = None) -> None:
        error = {"code": int(code), "message": message} | ({} if data is None else {"data": dict(data)})
        self._send({"jsonrpc": "2.0", "id": call.id, "error": error})

    def _result(self, call: HostCall) -> Any:
        params = call.params
        match call.method:
            case "storage.get":
                return self.storage.get(params["key"])
            case "storage.set":
                self.storage[params["key"]] = params["value"]
                return None
            case "storage.delete":
                return self.storage.pop(params["key"], self) is not self
            case "storage.list":
                return sorted(key for key in self.storage if key.startswith(params["prefix"]))
            case "dispatch":
                return dispatched(call, params["payload"])
        return None


def dispatched(call: HostCall, value: Any) -> dict[str, Any]:
    """The result of a dispatch that completed without subscriptions."""
    return {
        "hook": call.params["hook"],
        "status": "completed",
        "value": value,
        "reason": None,
        "request_id": "conformance",
        "known": False,
        "duration_ms": 0.0,
        "subscriptions": [],
    }
