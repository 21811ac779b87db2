"""How the hook engine reaches a plugin: a one-method `Invoker` that hands out ready `Callee`s.

The engine never knows where a plugin runs. In process a callee's `call` is the plugin's own bound method (nothing between the
generated chain and the plugin); for a worker it is a coroutine function that crosses the channel.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol


class CallMode(StrEnum):
    """How a callee must be called from an asynchronous dispatch; a synchronous one runs INLINE and THREAD alike on its own thread."""

    INLINE = "inline"
    """A plain function that the operator trusts to return quickly: called on the loop's own thread."""
    THREAD = "thread"
    """A plain function that may block: called in a daemon thread, one hop per run of consecutive ones."""
    ASYNC = "async"
    """A coroutine function: awaited on the loop."""


@dataclass(frozen=True, slots=True)
class Callee:
    """One public method of a running plugin, ready to be called with exactly one positional argument, the payload."""

    call: Callable[[Any], Any]
    mode: CallMode


class Invoker(Protocol):
    """One running instance of a plugin, as the hook engine sees it."""

    def callee(self, method: str) -> Callee:
        """The named method, ready to call; `BindingError` of the runtime where it does not exist or does not take one argument."""
        ...


class Threads(Protocol):
    """Daemon threads that run plugin code which may block; an overdue one is abandoned, never joined."""

    async def run(self, work: Callable[[], Any], *, owner: int) -> Any:
        """Run `work` in a daemon thread under the caller's context variables and return its result; `owner` is the plugin's id."""
        ...

    def abandon(self, owner: int) -> int:
        """Count one abandoned thread against the plugin and return how many it has now."""
        ...
