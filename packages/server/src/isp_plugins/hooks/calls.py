"""One dispatch while it runs: what its chain writes to, what the deadline watches, and what its plugins see as the current call.

1. The ordinary path sets the five slots that differ from call to call; every other slot is unset until somebody needs it.
2. `flag` is the only thing a chain looks at between callbacks; whoever sets it first says why (`late`, `overdue`, `abandoned`).
3. Where a call stands is not written down: it is read from the line number of its chain's frame, when somebody asks.
"""

import asyncio
import sys
import threading
import time
import uuid
from collections.abc import Coroutine, Mapping
from concurrent.futures import Future
from contextvars import Token
from types import FrameType, MappingProxyType
from typing import TYPE_CHECKING, Any, Union

from isp_plugin_sdk.context import CallInfo
from isp_plugins.contracts.vocabulary import DispatchStatus
from isp_plugins.hooks.marks import Failure, Skip

if TYPE_CHECKING:
    from isp_plugins.hooks.chain import HookChain

LINE_OF_FIRST_LINK = 2
"""In a chain's code, line 1 is what comes before the first subscription, and each subscription has a line."""
_NOTHING: Mapping[str, Any] = MappingProxyType({})
_MAKING_IDS = threading.Lock()


class Run:
    """What the code of a chain needs of whatever runs it: a whole call, or one leg of it in a thread."""

    __slots__ = ("durations", "elapsed", "ended", "flag", "frozen", "hook_chain", "standing", "values", "why")

    hook_chain: "HookChain"
    flag: bool
    """Set when something happened that the chain must look at before it goes on."""
    ended: DispatchStatus | None
    """How the chain ended early; None while or where it did not."""
    why: str | None
    """The rejection's reason, or what stopped it."""
    values: tuple[Any, ...]
    """One for each subscription that had its turn: what it returned, a `Skip` or a `Failure`."""
    durations: tuple[float | None, ...]
    elapsed: float
    standing: Any
    """Of a filter: the value as it stands."""
    frozen: bytes
    """Of a filter: the same value as JSON, from which each filter gets a copy of its own."""

    @property
    def context(self) -> Mapping[str, Any]:
        """What the dispatch's caller gave along."""
        raise NotImplementedError

    @property
    def late(self) -> bool:
        """Whether the dispatch's deadline has passed; only asked when `flag` is set."""
        raise NotImplementedError

    @property
    def overdue(self) -> int:
        """The subscription whose own deadline has passed, or -1; only asked when `flag` is set."""
        raise NotImplementedError


class Leg(Run):
    """A run of consecutive subscriptions of one call in a daemon thread; abandoned when it is overdue."""

    __slots__ = ("abandoned", "call", "first", "owner", "results", "started", "stop", "took")

    def __init__(self, call: "Call", start: int, stop: int, owner: int) -> None:
        self.call = call
        self.hook_chain = call.hook_chain
        self.flag = False
        self.ended = None
        self.why = None
        self.first = start
        self.stop = stop
        self.started = False
        self.abandoned = False
        self.owner = owner
        """Id of the plugin that the thread is counted against."""
        self.results: list[Any] = []
        self.took: list[float | None] = []

    @property
    def position(self) -> int:
        """The subscription whose turn it is, or -1 while no thread took it up."""
        return self.first + len(self.results) if self.started else -1

    def begin(self) -> None:
        """A thread took it up."""
        self.started = True

    @property
    def context(self) -> Mapping[str, Any]:
        """What the dispatch's caller gave along."""
        return self.call.context

    @property
    def late(self) -> bool:
        """Whether the dispatch's deadline has passed."""
        return self.call.late

    @property
    def overdue(self) -> int:
        """The subscription whose own deadline has passed, or -1."""
        return self.call.overdue


class Call(Run):
    """One dispatch of one hook; implements the SDK's `CallInfo`."""

    __slots__ = (
        "again", "baseline", "cancels", "coroutine", "due", "given_context", "given_id", "is_late", "leg", "made_id", "names",
        "outcomes_made", "overdue_index", "parent", "payload", "queued", "since", "task", "timeout_ms", "took", "traced", "waiting", "watched",
    )  # fmt: skip

    given_context: Mapping[str, Any] | None
    given_id: str | None
    timeout_ms: float | None
    names: tuple[str, ...]
    parent: CallInfo | None
    payload: Any
    due: float
    task: "asyncio.Task[Any] | None"
    baseline: int
    """Cancellations that the task had when the dispatch began."""
    cancels: int
    """Cancellations that the deadline added and nobody took back yet."""
    coroutine: Coroutine[Any, Any, None]
    leg: Leg | None
    waiting: "Future[Any]"
    queued: dict[int, Skip | None]
    took: dict[int, float]
    """Durations of what ran in threads, in seconds by subscription."""
    traced: bool
    is_late: bool
    overdue_index: int
    watched: int
    """The subscription that the ticker saw last, and since when it has its turn."""
    since: float
    again: float
    """When a cancellation that had no effect is repeated."""

    @property
    def hook(self) -> str:
        """The hook that is dispatched."""
        return self.hook_chain.hook

    @property
    def request_id(self) -> str:
        """The caller's id, the surrounding call's, or one made when it is first asked for."""
        given: str | None = getattr(self, "given_id", None)
        return given or getattr(self, "made_id", None) or self._make_id()

    def _make_id(self) -> str:
        parent = getattr(self, "parent", None)
        with _MAKING_IDS:
            made: str | None = getattr(self, "made_id", None)
            if made is None:
                made = self.made_id = parent.request_id if parent is not None else uuid.uuid4().hex
        return made

    @property
    def deadline(self) -> float:
        """When the dispatch must have ended, in seconds of `time.monotonic`."""
        due = getattr(self, "due", None)
        return due if due is not None else self.arm(time.monotonic() + self.limit)

    @property
    def limit(self) -> float:
        """How long the dispatch may last, in seconds."""
        milliseconds = self.timeout_ms if self.timeout_ms is not None else self.hook_chain.spec.deadline_ms
        return milliseconds / 1000

    @property
    def chain(self) -> tuple[str, ...]:
        """Plugins whose dispatches led here, outermost first."""
        names: tuple[str, ...] = getattr(self, "names", ())
        return names

    @property
    def context(self) -> Mapping[str, Any]:
        """What the dispatch's caller gave along."""
        given = getattr(self, "given_context", None)
        return _NOTHING if given is None else given

    @property
    def late(self) -> bool:
        """Whether the deadline has passed, as the ticker saw it."""
        return getattr(self, "is_late", False)

    @property
    def overdue(self) -> int:
        """The subscription whose own deadline has passed, or -1."""
        return getattr(self, "overdue_index", -1)

    @property
    def finished(self) -> bool:
        """Whether the chain has come to its end."""
        return hasattr(self, "values")

    @property
    def method(self) -> str | None:
        """The plugin's method that runs now; None between two of them."""
        link = self._link()
        return link.subscription.method if link else None

    @property
    def plugin(self) -> str | None:
        """The plugin that runs now; None between two of them."""
        link = self._link()
        return link.subscription.plugin_name if link else None

    def _link(self) -> Any:
        at = -1 if self.finished else position(self)
        return self.hook_chain.links[at] if 0 <= at < len(self.hook_chain.links) else None

    def arm(self, due: float) -> float:
        """Set the deadline, once."""
        with _MAKING_IDS:
            if not hasattr(self, "due"):
                self.is_late, self.overdue_index, self.watched, self.again = False, -1, -1, 0.0
                self.cancels = 0
                self.due = due
            return self.due

    def runs_here(self) -> bool:
        """Whether its chain is on the stack of the thread that asks."""
        return frame_of(self, sys._getframe(1)) is not None  # noqa: SLF001  the documented way to a frame


def frame_of(run: Run, top: FrameType | None) -> FrameType | None:
    """The frame of the chain that works for this run, on the stack that ends in `top`."""
    filename = run.hook_chain.filename
    while top is not None:
        if top.f_code.co_filename == filename and top.f_locals.get("call") is run:
            return top
        top = top.f_back
    return None


def position(call: Call) -> int:
    """The index of the subscription whose turn it is; -1 before the first one, or when the call is in no chain's code."""
    leg: Leg | None = getattr(call, "leg", None)
    if leg is not None:
        return leg.position
    coroutine = getattr(call, "coroutine", None)
    frame = coroutine.cr_frame if coroutine is not None else _frame_anywhere(call)
    return -1 if frame is None else frame.f_lineno - LINE_OF_FIRST_LINK


def _frame_anywhere(call: Call) -> FrameType | None:
    """The frame of its chain in whichever thread runs it."""
    for top in sys._current_frames().values():  # noqa: SLF001  the documented way to other threads' frames
        frame = frame_of(call, top)
        if frame is not None:
            return frame
    return None


CallToken = Token[Union[CallInfo, None]]  # noqa: UP007  `|` would need the class at run time
Mark = Union[Skip, Failure]  # noqa: UP007  the same
