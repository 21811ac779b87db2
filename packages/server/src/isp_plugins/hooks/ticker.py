"""The one coarse clock: a daemon thread that looks at every running dispatch, so that no dispatch looks at a clock or sets a timer.

1. A dispatch's time begins when the ticker first sees it, at most one tick after its start: a deadline is never early.
2. Past a deadline the ticker sets the call's flag; what awaits is cancelled on its loop, once a second until it ends.
3. With nothing to watch for `IDLE_TICKS` it parks: it puts itself into the slot of inline dispatches, where the next one finds it.
"""

import logging
import os
import threading
import time
import weakref
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Protocol

from isp_plugin_sdk.context import current_call
from isp_plugins.hooks.awaiting import awaiting, being_cancelled
from isp_plugins.hooks.calls import Call, position

TICK_S = 0.005
"""How exact deadlines are, in seconds."""
IDLE_TICKS = 400
SWEEP_TICKS = 200
"""Ticks between two looks at which chains ran; less than `IDLE_TICKS`, so that one comes before it parks."""
AGAIN_S = 1.0
"""Pause before an awaited call that swallowed its cancellation is cancelled again, in seconds."""
_log = logging.getLogger(__name__)


class Sweeps(Protocol):
    """Notes what ran."""

    def sweep(self, wall: float) -> None:
        """Look now; `wall` is seconds of the epoch."""
        ...


class Parked:
    """Sits in the slot of inline dispatches while the ticker sleeps."""

    hook = ""
    request_id = ""
    deadline = 0.0
    chain: tuple[str, ...] = ()
    context: Mapping[str, Any] = MappingProxyType({})

    def runs_here(self) -> bool:
        """It is no call."""
        return False


class Ticker:
    """Watches the calls in `live` and the one inline call; one for the whole process."""

    __slots__ = ("_lock", "_thread", "_wake", "live", "parked", "sweeps")

    def __init__(self) -> None:
        self.live: set[Call] = set()
        """Calls that are awaited, nested, or run while another thread holds the inline slot."""
        self.parked = True
        self.sweeps: weakref.WeakSet[Sweeps] = weakref.WeakSet()
        """Who wants to know once a second what ran."""
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        current_call.inline = PARKED

    def wake(self) -> None:
        """Tick again; cheap where it does so already."""
        if not self.parked:
            return
        with self._lock:
            self.parked = False
            if current_call.inline is PARKED:
                current_call.inline = None
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="isp-plugins-ticker", daemon=True)
                self._thread.start()
            self._wake.set()

    def running(self) -> list[Call]:
        """Every call that runs now."""
        calls = list(self.live.copy())
        inline = current_call.inline
        if isinstance(inline, Call):
            calls.append(inline)
        return calls

    def forget_thread(self) -> None:
        """In a forked child there is no thread; the next dispatch starts one."""
        self._thread, self._lock, self._wake = None, threading.Lock(), threading.Event()
        self.live.clear()
        self.parked = True
        current_call.inline = PARKED

    def _run(self) -> None:
        idle = ticks = 0
        while True:
            time.sleep(TICK_S)
            ticks += 1
            if ticks % SWEEP_TICKS == 0:
                self._sweep()
            calls = self.running()
            idle = 0 if calls else idle + 1
            if idle > IDLE_TICKS and self._park():
                self._wake.wait()
                idle = 0
            now = time.monotonic()
            for call in calls:
                self._look(call, now)

    def _sweep(self) -> None:
        try:
            for sweeps in list(self.sweeps):
                sweeps.sweep(time.time())
        except RuntimeError:  # one was added just now; a second later is soon enough
            return

    def _park(self) -> bool:
        """Whether it may sleep: nothing runs, and whoever comes next finds it parked."""
        with self._lock:
            self._wake.clear()
            self.parked = True
            if current_call.inline is None:
                current_call.inline = PARKED
            if self.live or current_call.inline is not PARKED:
                self.parked = False
                if current_call.inline is PARKED:
                    current_call.inline = None
        return self.parked

    def _look(self, call: Call, now: float) -> None:
        try:
            look(call, now)
        except Exception:
            _log.exception("A dispatch could not be looked after.")


def look(call: Call, now: float) -> None:
    """Compare one call with its deadlines."""
    more = call.more
    due = more.due if more.due is not None else call.arm(now + call.limit)
    if now >= due:
        if not more.late or now >= more.again:
            more.again = now + AGAIN_S
            more.late = True
            _interrupt(call, None)
    elif call.hook_chain.has_timeouts:
        _look_at_subscription(call, now)


def _look_at_subscription(call: Call, now: float) -> None:
    """Compare the subscription whose turn it is with its own deadline."""
    at = position(call)
    if not 0 <= at < len(call.hook_chain.links):
        return
    more = call.more
    if at != more.watched:
        more.watched, more.since = at, now
    limit = call.hook_chain.links[at].subscription.timeout_ms
    if limit is not None and more.overdue != at and now - more.since >= limit / 1000:
        more.overdue = at
        _interrupt(call, at)


def _interrupt(call: Call, at: int | None) -> None:
    """Raise the flag, and cancel what the call waits for."""
    call.flag = True
    leg = getattr(call, "leg", None)
    if leg is not None:
        leg.flag = True
    task = getattr(call, "task", None)
    waiting = call.more.waiting
    if task is not None:
        try:
            task.get_loop().call_soon_threadsafe(_cancel, call, at)
        except RuntimeError:  # that loop is closed, and with it the dispatch
            return
    elif waiting is not None:
        waiting.cancel()


def _cancel(call: Call, at: int | None) -> None:
    """On the loop: cancel what the chain awaits, unless it went on in the meantime."""
    if call.task is None or call.finished or (at is not None and position(call) != at):
        return
    task = awaiting(call.task, call.coroutine)
    if task is None or being_cancelled(task):
        return
    more = call.more
    if more.baseline is None:
        more.baseline = task.cancelling()
    more.cancels += 1
    task.cancel()


PARKED = Parked()
TICKER = Ticker()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=TICKER.forget_thread)
