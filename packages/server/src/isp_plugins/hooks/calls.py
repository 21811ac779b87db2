"""One dispatch: while it runs, what its chain writes to and its plugins see as the current call; afterwards, its result.

1. The ordinary path makes this one object and sets the five slots that differ from call to call; the other slots stay unset until
   somebody needs them, and what is needed seldom is in `Rare`.
2. `flag` is the only thing a chain looks at between callbacks; whoever sets it first says why (`late`, `overdue`, `abandoned`).
3. Where a call stands is not written down: it is read from the line number of its chain's frame, when somebody asks.
4. One class without bases: every base with slots would make each dispatch dearer.
"""

import asyncio
import sys
import threading
import time
import uuid
from collections.abc import Coroutine, Mapping
from concurrent.futures import Future
from types import FrameType, MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from isp_plugin_sdk.context import CallInfo
from isp_plugins.contracts.vocabulary import DispatchStatus, HookKind
from isp_plugins.hooks.marks import Skip
from isp_plugins.hooks.outcomes import Outcome, outcomes_of

if TYPE_CHECKING:
    from isp_plugins.hooks.chain import HookChain

LINE_OF_FIRST_LINK = 2
"""In a chain's code, line 1 is what comes before the first subscription, and each subscription has a line."""
_NOTHING: Mapping[str, Any] = MappingProxyType({})
_LOCK = threading.Lock()


class Run(Protocol):
    """What the code of a chain needs of whatever runs it: a whole dispatch, or one leg of it in a thread."""

    hook_chain: "HookChain"
    flag: bool
    """Set when something happened that the chain must look at before it goes on."""
    ended: DispatchStatus | None
    """How the chain ended early; None while or where it did not."""
    why: str | None
    """The rejection's reason, or what stopped it."""
    standing: Any
    """Of a filter: the value as it stands."""

    @property
    def whole(self) -> "DispatchResult":
        """The dispatch that it is part of."""
        ...

    @property
    def abandoned(self) -> bool:
        """Whether the engine went on without this thread."""
        ...


class Rare:
    """What most dispatches never need."""

    __slots__ = (
        "again", "baseline", "cancels", "due", "late", "made_id", "names", "outcomes", "overdue", "parent", "payload", "queued", "since", "took",
        "traced", "waiting", "watched",
    )  # fmt: skip

    def __init__(self) -> None:
        self.due: float | None = None
        self.late = False
        """Whether the deadline has passed, as the ticker saw it."""
        self.overdue = -1
        """The subscription whose own deadline has passed."""
        self.watched = -1
        """The subscription that the ticker saw last, and since when it has its turn."""
        self.since = 0.0
        self.again = 0.0
        """When a cancellation that had no effect is repeated."""
        self.baseline: int | None = None
        """Cancellations that the task had before the deadline added its own."""
        self.cancels = 0
        """Cancellations that the deadline made and nobody took back yet."""
        self.names: tuple[str, ...] = ()
        self.parent: CallInfo | None = None
        self.payload: Any = None
        self.traced = False
        self.made_id: str | None = None
        self.queued: dict[int, Skip | None] = {}
        self.waiting: Future[Any] | None = None
        self.took: dict[int, float] = {}
        """Durations of what ran in threads, in seconds by subscription."""
        self.outcomes: tuple[Outcome, ...] | None = None


class DispatchResult:
    """One dispatch of one hook; implements the SDK's `CallInfo`."""

    __slots__ = (
        "coroutine", "ended", "flag", "given_context", "given_id", "hook_chain", "leg", "rare", "stamps", "standing", "task",
        "timeout_ms", "values", "why",
    )  # fmt: skip

    hook_chain: "HookChain"
    flag: bool
    given_context: Mapping[str, Any] | None
    given_id: str | None
    timeout_ms: float | None
    ended: DispatchStatus | None
    why: str | None
    standing: Any
    values: tuple[Any, ...]
    """One for each subscription that had its turn: what it returned, a `Skip` or a `Failure`."""
    stamps: tuple[float | None, ...]
    """Where it was timed: when the chain began, then when each subscription ended (None: it did not run here), in seconds."""
    rare: Rare
    task: "asyncio.Task[Any] | None"
    """The task that awaits it; taken from the system's loop without a look at the thread, so it is checked before it is cancelled."""
    coroutine: Coroutine[Any, Any, Any]
    leg: "Leg | None"

    @property
    def hook(self) -> str:
        """The hook that is dispatched."""
        return self.hook_chain.hook

    @property
    def request_id(self) -> str:
        """The caller's id, the surrounding call's, or one made when it is first asked for."""
        return self.given_id or self.more.made_id or self._make_id()

    def _make_id(self) -> str:
        more = self.more
        made = more.parent.request_id if more.parent is not None else uuid.uuid4().hex
        with _LOCK:
            more.made_id = more.made_id or made
            return more.made_id

    @property
    def deadline(self) -> float:
        """When the dispatch must have ended, in seconds of `time.monotonic`."""
        due = self.more.due
        return due if due is not None else self.arm(time.monotonic() + self.limit)

    @property
    def limit(self) -> float:
        """How long the dispatch may last, in seconds."""
        milliseconds = self.timeout_ms if self.timeout_ms is not None else self.hook_chain.spec.deadline_ms
        return milliseconds / 1000

    @property
    def chain(self) -> tuple[str, ...]:
        """Plugins whose dispatches led here, outermost first."""
        return self.more.names

    @property
    def context(self) -> Mapping[str, Any]:
        """What the dispatch's caller gave along."""
        return _NOTHING if self.given_context is None else self.given_context

    @property
    def status(self) -> DispatchStatus:
        """How it ended."""
        return getattr(self, "ended", None) or DispatchStatus.COMPLETED

    @property
    def value(self) -> Any:
        """The final value of a filter, as it stood when the dispatch ended; None for an action."""
        if self.hook_chain.spec.kind is not HookKind.FILTER:
            return None
        return getattr(self, "standing", None)

    @property
    def reason(self) -> str | None:
        """Why it was rejected or stopped."""
        why: str | None = getattr(self, "why", None)
        return why

    @property
    def known(self) -> bool:
        """Whether the hook is in the catalogue."""
        return self.hook_chain.spec.known

    @property
    def duration_ms(self) -> float | None:
        """How long its chain took; None where it was not timed."""
        stamps = [stamp for stamp in getattr(self, "stamps", ()) if stamp is not None]
        return (stamps[-1] - stamps[0]) * 1000 if stamps else None

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """Every subscription of the hook, in the order of the chain."""
        more = self.more
        if more.outcomes is None:
            more.outcomes = outcomes_of(self)
        return more.outcomes

    def to_dict(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "hook": self.hook,
            "status": self.status,
            "request_id": self.request_id,
            "known": self.known,
            "value": self.value,
            "reason": self.reason,
            "duration_ms": self.duration_ms,
            "subscriptions": [outcome.to_dict() for outcome in self.outcomes],
        }

    @property
    def more(self) -> Rare:
        """What is needed seldom, made when it is first asked for."""
        try:
            return self.rare
        except AttributeError:
            with _LOCK:
                if not hasattr(self, "rare"):
                    self.rare = Rare()
            return self.rare

    @property
    def whole(self) -> "DispatchResult":
        """Itself."""
        return self

    @property
    def abandoned(self) -> bool:
        """Only legs are."""
        return False

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
        more = self.more
        with _LOCK:
            if more.due is None:
                more.due = due
            return more.due

    def runs_here(self) -> bool:
        """Whether its chain is on the stack of the thread that asks."""
        return frame_of(self, sys._getframe(1)) is not None  # noqa: SLF001  the documented way to a frame

    def __repr__(self) -> str:
        return f"<DispatchResult of {self.hook}: {self.status}>"


Call = DispatchResult
"""The name that the engine uses while it runs."""


class Leg:
    """A run of consecutive subscriptions of one call in a daemon thread; abandoned when it is overdue."""

    __slots__ = (
        "abandoned", "call", "ended", "first", "flag", "frozen", "hook_chain", "owner", "results", "standing", "started", "stop", "took",
        "why",
    )  # fmt: skip

    def __init__(self, call: Call, start: int, stop: int, owner: int) -> None:
        self.call = call
        self.hook_chain = call.hook_chain
        self.flag = False
        self.ended: DispatchStatus | None = None
        self.why: str | None = None
        self.first = start
        self.stop = stop
        self.started = False
        self.abandoned = False
        self.owner = owner
        """Id of the plugin that the thread is counted against."""
        self.results: list[Any] = []
        self.took: list[float | None] = []
        self.standing: Any = None
        self.frozen = b""
        """Of a filter: the value as JSON, from which each filter gets a copy of its own."""

    @property
    def whole(self) -> Call:
        """The dispatch that it is part of."""
        return self.call

    @property
    def context(self) -> Mapping[str, Any]:
        """What the dispatch's caller gave along."""
        return self.call.context

    @property
    def position(self) -> int:
        """The subscription whose turn it is, or -1 while no thread took it up."""
        return self.first + len(self.results) if self.started else -1

    def begin(self) -> None:
        """A thread took it up."""
        self.started = True


def frame_of(call: Call, top: FrameType | None) -> FrameType | None:
    """The frame of the chain that works for this call, on the stack that ends in `top`."""
    filename = call.hook_chain.filename
    while top is not None:
        if top.f_code.co_filename == filename and top.f_locals.get("call") is call:
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
