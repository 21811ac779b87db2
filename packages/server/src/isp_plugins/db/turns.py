"""One turn at a time, threads before tasks and else first come first served, for tasks of any event loop and for plain threads alike."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable


class Turns:
    """A fair lock that the tasks of a loop await and other threads block for; SQLite's one writer is behind it."""

    def __init__(self) -> None:
        self._held = False
        self._waiting: deque[Callable[[], bool]] = deque()
        """Each takes the turn; False where nobody waits there any more."""
        self._guard = threading.Lock()

    async def acquire(self) -> None:
        """Wait for the turn; a cancelled task leaves it to the next."""
        loop = asyncio.get_running_loop()
        mine: asyncio.Future[None] = loop.create_future()

        def take() -> bool:
            try:
                loop.call_soon_threadsafe(_settle, mine)
            except RuntimeError:  # that loop is closed
                return False
            return True

        if self._at_once(take):
            return
        try:
            await mine
        except asyncio.CancelledError:
            if not self._gave_up(take):
                self.release()
            raise

    def acquire_blocking(self, timeout: float) -> bool:
        """Wait for the turn on this thread, at most so many seconds; whether it came.

        It comes before those that await it: whoever blocks may be blocking their loop.
        """
        came = threading.Lock()
        came.acquire()

        def take() -> bool:
            came.release()
            return True

        return self._at_once(take, first=True) or came.acquire(timeout=timeout) or not self._gave_up(take)

    def release(self) -> None:
        """Hand the turn over to whoever has waited longest."""
        with self._guard:
            while self._waiting:
                if self._waiting.popleft()():
                    return
            self._held = False

    def _at_once(self, take: Callable[[], bool], *, first: bool = False) -> bool:
        with self._guard:
            if not self._held:
                self._held = True
                return True
            if first:
                self._waiting.appendleft(take)
            else:
                self._waiting.append(take)
            return False

    def _gave_up(self, take: Callable[[], bool]) -> bool:
        """Leave the queue; False where the turn came already."""
        with self._guard:
            try:
                self._waiting.remove(take)
            except ValueError:
                return False
            return True


def _settle(mine: "asyncio.Future[None]") -> None:
    if not mine.done():
        mine.set_result(None)
