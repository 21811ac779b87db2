"""The worker's threads, leader and follower: whoever wakes up reads, takes one call and runs it, and the others wait on.

1. All idle threads wait in one edge-triggered epoll; the kernel wakes one of them when something came. It reads what is there, under a
   lock so that bytes keep their order, and hands each message to the desk: what is quick is done at once, calls are queued.
2. It runs the calls that wait, one after the other. At most `most` threads run calls, and one more always waits to read; threads are
   made when the last idle one takes a call.
3. Of calls that are left in the queue one other thread is told, so that none stands behind a slow one. While that thread is on its way,
   answers are held back to go out together; it sends them, too, so no answer stands behind a slow call either.
4. Where messages follow each other promptly, whoever has answered looks for the next one for a moment before it waits (`wire.busy_poll`),
   and runs a call that comes alone without a detour through the queue; nobody else is woken by what it takes.
5. While nothing comes, nothing runs: no polling and no wake-ups.
6. When the channel ends the process ends, whatever its threads do.
"""

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from isp_plugin_sdk.serve.ends import CHUNK
from isp_plugin_sdk.serve.link import Link
from isp_plugin_sdk.wire import MAX_CALLS
from isp_plugin_sdk.wire.busy_poll import BusyPoll
from isp_plugin_sdk.wire.framing import Lines, MessageTooLongError

EDGES = select.EPOLLIN | select.EPOLLET


class Desk(Protocol):
    """Decides what a message means."""

    def take(self, line: bytes) -> Any:
        """Do what is quick; the call to queue, or None."""
        ...

    def run(self, call: Any) -> bytes | None:
        """Run a queued call; its encoded answer, or None where that comes later."""
        ...


class Crew:
    """The threads around one channel."""

    def __init__(
        self, link: Link, desk: Desk, lines: Lines, *, over: Callable[[int], Any] = os._exit
    ) -> None:
        self._link = link
        self._desk = desk
        self._lines = lines
        self._most = MAX_CALLS
        self._over = over
        self._epoll = select.epoll()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._reading = threading.Lock()
        self._counting = threading.Lock()
        self.queue: deque[Any] = deque()
        """Calls that no thread has taken yet."""
        self._idle = 1
        """Threads that wait in the epoll, or will before they do anything else; the first is there already."""
        self._threads = 1
        self._busy = 0
        self._rung = False
        """Whether a thread was woken that has not come yet."""
        self.busy_poll = BusyPoll(0.0)
        self._rested = 0.0
        """When the last thread began to wait, by `time.monotonic`."""

    def limit(self, most: int) -> None:
        """Let fewer threads run calls than otherwise."""
        self._most = max(1, min(most, MAX_CALLS))

    def work(self) -> None:
        """What every thread does, for ever; the first one calls it."""
        self._epoll.register(self._link.end.fileno(), EDGES)
        self._epoll.register(self._bell, EDGES)
        self._follow()

    def withdraw(self, matches: Callable[[Any], bool]) -> bool:
        """Drop a call that waits; whether there was one."""
        found = next((call for call in tuple(self.queue) if matches(call)), None)
        if found is None:
            return False
        try:
            self.queue.remove(found)
        except ValueError:  # a thread has just taken it
            return False
        return True

    def beside(self, work: Callable[[], None]) -> None:
        """Run something in a thread of its own, beyond the crew."""
        threading.Thread(target=work, daemon=True, name="isp-plugin-nested").start()

    def _follow(self) -> None:
        poll, queue = self._epoll.poll, self.queue
        while True:
            poll(-1, 1)
            self.busy_poll.came(time.monotonic() - self._rested)
            with self._counting:
                self._idle -= 1
                self._rung = False
            self._read()
            self._link.flush()
            while queue and self._begin():
                self._work_off()
            self._rested = time.monotonic()
            with self._counting:
                self._idle += 1
            if queue and self._busy < self._most:  # it came after the last look, when nobody was idle
                self._ring()

    def _read(self) -> None:
        """Take in what is there, to the last byte: the kernel tells of it only once."""
        with self._reading:
            try:
                full = True
                while full:
                    data = self._link.end.receive()
                    full = len(data) == CHUNK
                    self._take_in(data)
            except (EOFError, OSError):
                self._over(0)

    def _look(self) -> bool:
        """While messages come promptly, and nobody else reads: look for the next one, and run and answer the call that comes alone.

        Whether calls wait in the queue now.
        """
        desk, end, lines, busy_poll = self._desk, self._link.end, self._lines, self.busy_poll
        channel, reading, arm, send = end.fileno(), self._reading, self._epoll.modify, self._link.send_text
        while busy_poll.on and reading.acquire(blocking=False):
            call = None
            try:
                arm(channel, 0)
                data = end.look(busy_poll.seconds)
                if not data:
                    busy_poll.missed()
                elif data.find(b"\n") == len(data) - 1 <= lines.limit and not lines.held:
                    busy_poll.hits += 1
                    call = desk.take(data[:-1])
                else:
                    busy_poll.hits += 1
                    self._take_in(data)
            except (EOFError, OSError):
                self._over(0)
            finally:
                arm(channel, EDGES)  # tells of what is there by now
                reading.release()
            answer = desk.run(call) if call is not None else None
            if answer is not None:
                send(answer)
            if self.queue:
                return True
        return False

    def _take_in(self, data: bytes) -> None:
        """Hand what came to the desk."""
        try:
            for line in self._lines.feed(data):
                call = self._desk.take(line)
                if call is not None:
                    self.queue.append(call)
        except MessageTooLongError as error:
            os.write(2, f"the host sent what is not the protocol: {error}\n".encode())
            self._over(1)

    def _begin(self) -> bool:
        """Become one of those that run calls, if there is room; somebody else reads then."""
        with self._counting:
            if self._busy >= self._most:
                return False
            self._busy += 1
            makes = self._idle == 0 and self._threads <= self._most
            self._idle += makes
            self._threads += makes
        if makes:
            self._make_thread()
        return True

    def _make_thread(self) -> None:
        """One more follower; where the system gives none, this call runs all the same and reading waits for its end."""
        try:
            threading.Thread(target=self._follow, daemon=True, name="isp-plugin-call").start()
        except RuntimeError:
            with self._counting:
                self._idle -= 1
                self._threads -= 1

    def _work_off(self) -> None:
        """Run calls until none waits, nor comes at once."""
        link, queue, desk = self._link, self.queue, self._desk
        try:
            while True:
                try:
                    call = queue.popleft()
                except IndexError:
                    if self._look():
                        continue
                    break
                if queue and not self._rung:
                    self._ring()
                answer = desk.run(call)
                if answer is None:
                    continue
                if queue and self._rung:  # somebody is on the way who sends it
                    link.hold(answer)
                else:
                    link.flush(answer)
        finally:
            with self._counting:
                self._busy -= 1
            link.flush()

    def _ring(self) -> None:
        """Wake one idle thread."""
        self._rung = True
        os.eventfd_write(self._bell, 1)
