"""A gate in front of one plugin while it is reloaded exclusively: dispatches that would call it wait until it is lifted.

1. While the old instance drains, what is nested in a dispatch that already runs passes, or both would wait for each other.
2. Once it is closed, everything waits, at most until its own deadline.
"""

import asyncio
import threading
import time


class Gate:
    """One plugin's gate; lifted once."""

    def __init__(self, plugin_id: int, hooks: frozenset[str], subscription_ids: frozenset[int]) -> None:
        self.plugin_id = plugin_id
        self.hooks = hooks
        """The hooks whose dispatches wait, also while the plugin has no subscriptions."""
        self.subscription_ids = subscription_ids
        """The event subscriptions whose deliveries wait."""
        self.closed = False
        """Whether the old instance takes no call any more, nested ones included."""
        self._lifted = threading.Event()
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []
        self._lock = threading.Lock()

    def lift(self) -> None:
        """Let everything through."""
        with self._lock:
            self._lifted.set()
            waiting, self._waiting = self._waiting, []
        for loop, future in waiting:
            try:
                loop.call_soon_threadsafe(_wake, future)
            except RuntimeError:  # that loop is closed: nobody waits there
                continue

    def wait_blocking(self, deadline: float) -> bool:
        """Block until it is lifted; False where the deadline (seconds of `time.monotonic`) came first."""
        return self._lifted.wait(max(0.0, deadline - time.monotonic()))

    async def wait(self, deadline: float) -> bool:
        """Await the lifting; False where the deadline (seconds of `time.monotonic`) came first."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        with self._lock:
            if self._lifted.is_set():
                return True
            self._waiting.append((loop, future))
        await asyncio.wait([future], timeout=max(0.0, deadline - time.monotonic()))
        return future.done()


def _wake(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
