"""Daemon threads that run plugin code which may block: reused, bounded, abandoned when overdue, never joined.

1. A thread that is free is taken before a new one is made; beyond the limit work waits in order.
2. Work runs under a copy of its caller's context variables.
3. Work that its caller gave up is abandoned: its thread no longer counts towards the limit, and counts against its owner until it ends.
4. The threads are daemons: none of them keeps the process from ending.
"""

import asyncio
import contextvars
import itertools
import threading
from collections import Counter, deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

IDLE_S = 60.0
"""How long a free thread waits for work before it ends, in seconds."""


class _Job:
    """One piece of work, and the future that its caller awaits."""

    __slots__ = ("abandoned", "context", "future", "given_up", "loop", "owner", "started", "work")

    def __init__(self, work: Callable[[], Any], owner: int) -> None:
        self.work = work
        self.owner = owner
        self.context = contextvars.copy_context()
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()
        self.started = False
        self.given_up = False
        self.abandoned: int | None = None
        """The plugin that it is counted against once its caller gave it up."""

    @property
    def blamed(self) -> int:
        """The plugin to count against; work of several plugins tells by its `owner` which one hangs."""
        owner: int = getattr(self.work, "owner", self.owner)
        return owner

    def run(self) -> tuple[Any, BaseException | None]:
        """Run it; its result or its error."""
        try:
            return self.context.run(self.work), None
        except BaseException as error:  # SystemExit of a plugin must not end the pool's thread
            return None, error

    def tell(self, result: Any, error: BaseException | None) -> None:
        """Hand result or error to its loop."""
        try:
            self.loop.call_soon_threadsafe(self._finish, result, error)
        except RuntimeError:  # the loop is closed: nobody waits
            return

    def _finish(self, result: Any, error: BaseException | None) -> None:
        if self.future.done():
            return
        if error is None:
            self.future.set_result(result)
        elif isinstance(error, StopIteration):  # which a future refuses
            self.future.set_exception(RuntimeError(f"StopIteration: {error}"))
        else:
            self.future.set_exception(error)


class _Thread(threading.Thread):
    """One daemon thread with a mailbox of its own."""

    def __init__(self, pool: "DaemonThreads", number: int) -> None:
        super().__init__(name=f"isp-plugin-{number}", daemon=True)
        self.pool = pool
        self.box: SimpleQueue[_Job] = SimpleQueue()

    def run(self) -> None:
        """Work until nothing came for a while."""
        while True:
            try:
                job = self.box.get(timeout=IDLE_S)
            except Empty:
                if self.pool.retire(self):
                    return
                continue
            following: _Job | None = job
            while following is not None:
                job = following
                ending = job.run()
                following = self.pool.next_for(self, job)
                job.tell(*ending)
            del job, following, ending  # a free thread keeps no payload alive


class DaemonThreads:
    """A small pool; implements `contracts.calls.Threads`."""

    def __init__(self, max_threads: int) -> None:
        self.max_threads = max_threads
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._free: list[_Thread] = []
        self._waiting: deque[_Job] = deque()
        self._busy = 0
        self._running: dict[_Job, None] = {}
        """Jobs that have a thread, oldest first."""
        self._abandoned: Counter[int] = Counter()

    async def run(self, work: Callable[[], Any], *, owner: int) -> Any:
        """Run `work` in a daemon thread and return its result; if the caller is cancelled, `abandon` may follow."""
        job = _Job(work, owner)
        self._start(job)
        try:
            return await job.future
        except asyncio.CancelledError:
            self._give_up(job)
            raise

    def abandon(self, owner: int) -> int:
        """Count one thread of this plugin as abandoned, one whose caller gave up if there is one; how many it holds now."""
        with self._lock:
            mine = [job for job in self._running if job.abandoned is None and job.blamed == owner]
            if mine:
                job = next((job for job in mine if job.given_up), mine[0])
                job.abandoned = owner
                self._abandoned[owner] += 1
                self._busy -= 1
                self._start_waiting()
            return self._abandoned[owner]

    def abandoned(self, owner: int) -> int:
        """Threads that the plugin's overdue calls still hold."""
        return self._abandoned[owner]

    @property
    def busy(self) -> int:
        """Threads at work, abandoned ones not counted."""
        return self._busy

    def _start(self, job: _Job) -> None:
        with self._lock:
            if self._busy >= self.max_threads:
                self._waiting.append(job)
                return
            self._give(job)

    def _give(self, job: _Job) -> None:
        """Hand the job to a free thread or a new one; the lock is held."""
        self._take_up(job)
        if self._free:
            thread = self._free.pop()
        else:
            thread = _Thread(self, next(self._numbers))
            thread.start()
        thread.box.put(job)

    def _take_up(self, job: _Job) -> None:
        self._busy += 1
        self._running[job] = None
        job.started = True

    def _start_waiting(self) -> None:
        """A place is free: give it to who waits longest; the lock is held."""
        while self._waiting and self._busy < self.max_threads:
            self._give(self._waiting.popleft())

    def _give_up(self, job: _Job) -> None:
        """The caller is gone: work that waits is dropped; an abandonment that was counted too early is meant for this one."""
        with self._lock:
            job.given_up = True
            if not job.started:
                self._waiting.remove(job)
            elif job in self._running and job.abandoned is None:
                early = [one for one in self._running if one.abandoned == job.blamed and not one.given_up]
                if early:
                    job.abandoned, early[0].abandoned = early[0].abandoned, None

    def next_for(self, thread: _Thread, done: _Job) -> _Job | None:
        """Called by a thread that finished: its next job, or None and the thread is free."""
        with self._lock:
            self._end(done)
            if self._waiting and self._busy < self.max_threads:
                job = self._waiting.popleft()
                self._take_up(job)
                return job
            self._free.append(thread)
            return None

    def _end(self, job: _Job) -> None:
        """A job came to its end; the lock is held."""
        del self._running[job]
        if job.abandoned is None:
            self._busy -= 1
        else:
            self._abandoned[job.abandoned] -= 1

    def retire(self, thread: _Thread) -> bool:
        """Called by a thread that had nothing to do for long: whether it may end."""
        with self._lock:
            if thread in self._free:
                self._free.remove(thread)
                return True
            return False
