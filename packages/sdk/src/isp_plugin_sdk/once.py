"""What is stored while something is done once: kept back, to be written together with the mark.

1. It belongs to the task or thread that is inside the block, and to the tasks that it starts there.
2. Reads inside see what was written inside.
3. A block that is not the first keeps nothing. Blocks do not nest.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from isp_plugin_sdk.errors import NestedOnceError

Write = tuple[str, str, Any]
NOTHING: Any = object()
"""Stands for a key that was not written."""


class _Block:
    def __init__(self, mark: str) -> None:
        self.mark = mark
        self.written: dict[str, Any] = {}
        """The last value of each key; None: deleted."""
        self.writes: list[Write] = []


_current: ContextVar[_Block | None] = ContextVar("isp_plugin_once", default=None)


def current() -> _Block | None:
    """The block around this code."""
    return _current.get()


@contextmanager
def writing(mark: str, *, seen: bool) -> Iterator[list[Write]]:
    """Keep back what is stored inside; `seen`: it was done already, nothing will be kept."""
    outer = _current.get()
    if outer is not None:
        raise NestedOnceError(mark=mark, outer=outer.mark)
    block = _Block(mark)
    token = _current.set(block)
    try:
        yield block.writes
    finally:
        _current.reset(token)
        if seen:
            block.writes.clear()


def took(kind: str, key: str, value: Any) -> bool:
    """Keep a write back; False where there is no block."""
    block = _current.get()
    if block is None:
        return False
    block.written[key] = value if kind == "set" else None
    block.writes.append((kind, key, value))
    return True


def written(key: str) -> Any:
    """What was written inside the block; `NOTHING` where nothing was."""
    block = _current.get()
    return NOTHING if block is None else block.written.get(key, NOTHING)


def listed(stored: list[str], prefix: str) -> list[str]:
    """Stored keys, as the block has changed them."""
    block = _current.get()
    if block is None:
        return stored
    keys = set(stored)
    for key, value in block.written.items():
        if value is None:
            keys.discard(key)
        elif key.startswith(prefix):
            keys.add(key)
    return sorted(keys)
