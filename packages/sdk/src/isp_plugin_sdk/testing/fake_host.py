"""A host in memory for tests: keeps a plugin's storage, records what the plugin dispatches and emits, answers as scripted.

1. Values cross as copies, and storage has the limits of the real host.
2. A dispatch nobody scripted completes without subscriptions; a filter's value comes back unchanged.
"""

import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from isp_plugin_sdk.context import current_call
from isp_plugin_sdk.errors import StorageLimitError
from isp_plugin_sdk.values import json_copy

MAX_KEY_CHARACTERS = 200
MAX_VALUE_BYTES = 262_144

Answer = Mapping[str, Any] | BaseException | Callable[[Any], Any]
"""A scripted answer: fields of the result, an error to raise, or a function from the payload to the value."""


@dataclass(frozen=True, slots=True)
class RecordedDispatch:
    """One hook that the plugin dispatched or emitted, and what the host knew of the call it came from."""

    hook: str
    payload: Any
    context: Mapping[str, Any] = field(default_factory=dict)
    request_id: str | None = None
    chain: tuple[str, ...] = ()


class FakeHost:
    """What `PluginContext` talks to in a test; `storage`, `dispatches` and `emits` are open to look at."""

    def __init__(self, storage: Mapping[str, Any] | None = None) -> None:
        self.storage: dict[str, Any] = dict(storage or {})
        self.marks: set[str] = set()
        """What was done once."""
        self.dispatches: list[RecordedDispatch] = []
        self.emits: list[RecordedDispatch] = []
        self._answers: dict[str, deque[Answer]] = {}

    def answer(self, hook: str, *answers: Answer) -> None:
        """Script the answers to the next dispatches of a hook; the last one stays for all that follow.

        Each is `{"value": ..., "status": ..., "reason": ...}` (any of them), an exception to raise, or a function of the payload that
        returns the value.
        """
        self._answers.setdefault(hook, deque()).extend(answers)

    async def storage_get(self, key: str) -> Any:
        """The stored value, or None."""
        return json_copy(self.storage.get(key), f"the value of {key!r}")

    async def storage_set(self, key: str, value: Any) -> None:
        """Store a value; `StorageLimitError` where key or value is too large."""
        if not 0 < len(key) <= MAX_KEY_CHARACTERS:
            raise StorageLimitError(
                what="a key", limit=f"{MAX_KEY_CHARACTERS} characters and not empty", got=f"{len(key)}"
            )
        copied = json_copy(value, f"the value of {key!r}")
        size = len(json.dumps(copied, ensure_ascii=False).encode())
        if size > MAX_VALUE_BYTES:
            raise StorageLimitError(
                what=f"the value of {key!r}", limit=f"{MAX_VALUE_BYTES} bytes of JSON", got=f"{size}"
            )
        self.storage[key] = copied

    async def storage_delete(self, key: str) -> bool:
        """Drop a key; whether it was there."""
        return self.storage.pop(key, self) is not self

    async def storage_list(self, prefix: str) -> list[str]:
        """The keys that begin with the prefix, in order."""
        return sorted(key for key in self.storage if key.startswith(prefix))

    async def once_seen(self, mark: str) -> bool:
        """Whether what this mark names was done."""
        return mark in self.marks

    async def once_commit(self, mark: str, writes: Sequence[tuple[str, str, Any]]) -> bool:
        """Set the mark and write, all or nothing; False where the mark is set already."""
        if mark in self.marks:
            return False
        before = dict(self.storage)
        try:
            for kind, key, value in writes:
                await (self.storage_set(key, value) if kind == "set" else self.storage_delete(key))
        except StorageLimitError:
            self.storage.clear()
            self.storage.update(before)
            raise
        self.marks.add(mark)
        return True

    async def dispatch(self, hook: str, payload: Any, context: Mapping[str, Any] | None) -> dict[str, Any]:
        """Record the dispatch and answer as scripted."""
        record = _record(hook, payload, context)
        self.dispatches.append(record)
        result = {
            "hook": hook,
            "status": "completed",
            "request_id": record.request_id,
            "value": payload,
            "reason": None,
        }
        return result | {"subscriptions": []} | self._scripted(hook, payload)

    async def emit(self, hook: str, payload: Any) -> None:
        """Record what was emitted."""
        self.emits.append(_record(hook, payload, None))

    def _scripted(self, hook: str, payload: Any) -> dict[str, Any]:
        """What the script says of this dispatch's result."""
        answers = self._answers.get(hook)
        if not answers:
            return {}
        answer = answers.popleft() if len(answers) > 1 else answers[0]
        if isinstance(answer, BaseException):
            raise answer
        return {"value": answer(payload)} if callable(answer) else dict(answer)


def _record(hook: str, payload: Any, context: Mapping[str, Any] | None) -> RecordedDispatch:
    """What is remembered of a dispatch."""
    call = current_call.get()
    known = (call.request_id, call.chain) if call else (None, ())
    return RecordedDispatch(hook, json_copy(payload, "the payload"), dict(context or {}), *known)
