"""Which call into a plugin is running here: a context variable, and beside it a slot for the host's cheapest way of calling.

1. What the host awaits, hands to a thread or delivers as an event is in the context variable, and tasks inherit it as usual.
2. A synchronous dispatch that nothing surrounds is in `inline` instead: a plain assignment costs a twentieth of setting the variable
   and taking it back. Only the thread that runs it sees it.
"""

from collections.abc import Mapping
from contextvars import ContextVar, Token
from typing import Any, Protocol


class CallInfo(Protocol):
    """The call into a plugin that is running now."""

    @property
    def request_id(self) -> str:
        """What ties the log lines of one request together."""
        ...

    @property
    def hook(self) -> str:
        """The hook that is being dispatched; empty for an execute."""
        ...

    @property
    def deadline(self) -> float:
        """When the call must have ended, in seconds of `time.monotonic`."""
        ...

    @property
    def chain(self) -> tuple[str, ...]:
        """Plugins whose dispatches led here, outermost first."""
        ...

    @property
    def context(self) -> Mapping[str, Any]:
        """What the dispatch's caller gave along."""
        ...


class InlineCall(CallInfo, Protocol):
    """A call that some thread runs inline."""

    def runs_here(self) -> bool:
        """Whether that is the thread that asks."""
        ...


class CurrentCall:
    """The call that runs now, read and set like a `ContextVar`."""

    __slots__ = ("inline", "variable")

    def __init__(self) -> None:
        self.variable: ContextVar[CallInfo | None] = ContextVar("isp_plugin_current_call", default=None)
        self.inline: InlineCall | None = None

    def get(self) -> CallInfo | None:
        """The call that runs here, or None outside of one."""
        call = self.variable.get()
        if call is not None:
            return call
        inline = self.inline
        return inline if inline is not None and inline.runs_here() else None

    def set(self, call: CallInfo | None) -> Token[CallInfo | None]:
        """Make it the current call of this task or thread, until `reset`."""
        return self.variable.set(call)

    def reset(self, token: Token[CallInfo | None]) -> None:
        """Take a `set` back."""
        self.variable.reset(token)
