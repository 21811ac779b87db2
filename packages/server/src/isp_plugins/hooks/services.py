"""What every chain of one engine shares: whom it tells, how it reaches threads and the loop."""

import asyncio
import hashlib
import logging
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import orjson

from isp_plugins.clock import Clock
from isp_plugins.contracts.calls import Threads
from isp_plugins.contracts.hooks import DispatchObserver, EventSink, Subscription
from isp_plugins.hooks.calls import Call


class _PresentTasks(dict[Any, Any]):
    """The running task by loop; what the table of asyncio does not know is asked for."""

    def __missing__(self, loop: asyncio.AbstractEventLoop) -> "asyncio.Task[Any] | None":
        return asyncio.current_task()


PRESENT_TASKS: dict[Any, Any] = getattr(asyncio.tasks, "_current_tasks", _PresentTasks())
"""The running task by loop: before Python 3.12 `asyncio.current_task` costs as much as three listeners."""
_log = logging.getLogger(__name__)
Announce = Callable[[dict[str, Any], tuple[str, ...]], None]


class Services:
    """The engine's neighbours, as its chains see them; an observer that fails disturbs no dispatch."""

    __slots__ = ("again", "announce", "clock", "events", "loop", "observer", "thread", "threads")

    def __init__(
        self,
        *,
        threads: Threads,
        events: EventSink,
        observer: DispatchObserver,
        clock: Clock,
        announce: Announce,
        again: Callable[[Call, Any], Coroutine[Any, Any, Call]],
    ) -> None:
        self.threads = threads
        self.events = events
        self.observer = observer
        self.clock = clock
        self.again = again
        self.announce = announce
        """Dispatches `plugin_hook_failed`, where anybody listens."""
        self.loop: asyncio.AbstractEventLoop | None = None
        """The system's loop, on which coroutine methods run when a dispatch is synchronous."""
        self.thread = 0
        """The thread that runs it."""

    def bind(self) -> None:
        """Take the running loop for the system's, unless there is one that lives."""
        if self.loop is None or self.loop.is_closed():
            try:
                self.loop = asyncio.get_running_loop()
            except RuntimeError:
                return
            self.thread = threading.get_ident()

    def present_task(self) -> "asyncio.Task[Any]":
        """The task that runs here, the slow way."""
        self.bind()
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("A dispatch must be awaited inside a task of asyncio.")
        return task

    def tell_failure(
        self,
        call: Any,
        subscription: Subscription,
        error: BaseException,
        payload: Any,
        milliseconds: float | None,
    ) -> None:
        """Tell the observer and announce `plugin_hook_failed`; a failure inside a `plugin_*` hook is not announced."""
        request_id = call.request_id
        self._tell(
            lambda: self.observer.failed(subscription, error, request_id=request_id, duration_ms=milliseconds)
        )
        if isinstance(call, Call) and not call.hook.startswith("plugin_"):
            about = {
                "plugin": subscription.plugin_name,
                "hook": call.hook,
                "error": f"{type(error).__name__}: {error}",
                "ms": milliseconds,
                "input_digest": digest(payload),
            }
            self._tell(lambda: self.announce(about, (*call.chain, subscription.plugin_name)))

    def tell_condition(self, subscription: Subscription, error: Exception, request_id: str) -> None:
        """Tell the observer that a condition had no value."""
        self._tell(lambda: self.observer.condition_failed(subscription, error, request_id=request_id))

    def tell_invoked(
        self, subscription: Subscription, request_id: str, milliseconds: float, outcome: str
    ) -> None:
        """Tell the observer of one call into a plugin that is at DEBUG."""
        self._tell(
            lambda: self.observer.invoked(
                subscription, request_id=request_id, duration_ms=milliseconds, outcome=outcome
            )
        )

    def tell_abandoned(self, plugin_id: int, count: int) -> None:
        """Tell the observer of one more thread that was given up."""
        self._tell(lambda: self.observer.abandoned(plugin_id, count))

    def _tell(self, telling: Callable[[], None]) -> None:
        try:
            telling()
        except Exception:
            _log.exception("The dispatch observer failed.")


def digest(payload: Any) -> str:
    """A payload's SHA-256, first 16 hex digits; empty where it is no JSON value."""
    try:
        return hashlib.sha256(orjson.dumps(payload, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
    except TypeError:
        return ""
