"""Delivers the events of one subscription, on the node that owns its cursor.

1. It reads ahead of its position, at most `AHEAD` events, and has at most so many attempts under way as the settings say.
2. A failure parks its event and what comes behind it in its lane; the lane goes on with the retry.
3. What it did is acknowledged together; where the acknowledgement is stale, somebody else owns the cursor and it stops at once.
4. What was under way when its process died is tried alone (`events.company`).
5. While its plugin does not run here, or must not be called, it begins nothing; an attempt that did not take place does not count.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context
from dataclasses import replace
from functools import partial
from typing import Any

import orjson

from isp_plugins.contracts.hooks import Event, Subscription
from isp_plugins.contracts.vocabulary import DeliveryStatus, OutcomeStatus
from isp_plugins.db.errors import DatabaseUnavailableError
from isp_plugins.events.acks import Pending
from isp_plugins.events.attempts import cut_off
from isp_plugins.events.company import Company
from isp_plugins.events.parking import KEPT, Head, Parking, Queue
from isp_plugins.events.retries import DEFAULT_RETRY, Tried, later_of, pause, words_of
from isp_plugins.events.seams import Answer, Delivers, Keeper
from isp_plugins.events.store import Claim, DeliveryStore, row_values
from isp_plugins.events.window import Item, Window, lane_of

AHEAD = 1000
"""Events that one feed holds in memory."""
AHEAD_BYTES = 16 * 1024 * 1024
"""Their payloads together."""
BATCH = 250
"""Events that are read at a time."""
REST_S = 0.2
"""Pause after an attempt that did not take place."""
AGAIN_S = 0.5
"""Pause while the database is away."""
MAX_HISTORY = 20
UNTRIED = Tried()
_log = logging.getLogger(__name__)


class Feed:
    """One owned cursor."""

    def __init__(
        self,
        claim: Claim,
        subscription: Subscription,
        *,
        store: DeliveryStore,
        deliverer: Delivers,
        keeper: Keeper,
        company: Company,
        concurrency: int,
    ) -> None:
        self.claim = claim
        self.company = company
        self.alone = False
        self.subscription = subscription
        self.pending = Pending(claim.subscription_id, claim.token, keeper.attempts)
        """What is not acknowledged yet."""
        self._store = store
        self._deliverer = deliverer
        self._keeper = keeper
        self._concurrency = concurrency
        self._window = Window(claim.position, claim.done)
        self._parking = Parking()
        self._changed = asyncio.Event()
        self._attempts: set[asyncio.Task[None]] = set()
        self._retrying = 0
        self._more = True
        """Whether there may be events that were not read."""
        self._stopping = False
        self._rests_until = 0.0
        self._task: asyncio.Task[None] | None = None

    @property
    def id(self) -> int:
        """The subscription's id."""
        return self.subscription.id

    @property
    def under_way(self) -> bool:
        """Whether attempts are under way."""
        return bool(self._attempts)

    @property
    def wants_alone(self) -> bool:
        """Whether a suspect is due and may be tried."""
        return self._parking.suspect_due and self._may_begin()

    def start(self) -> None:
        """Begin to deliver."""
        self._task = asyncio.get_running_loop().create_task(
            self._run(), name=f"events of subscription {self.id}", context=Context()
        )

    def wake(self, *, more: bool = True) -> None:
        """There may be new events, or the plugin may be called again."""
        self._more = self._more or more
        self._changed.set()

    def release(self, event_id: int) -> None:
        """The dispatch of an event has ended."""
        self._window.release(event_id)
        self.wake()

    def recheck(self) -> None:
        """Let go what is held for a dispatch that is known no more."""
        for item in self._window.held:
            if item.event.node == self._keeper.node and item.event.uid not in self._keeper.held:
                self.release(item.id)

    def lose(self) -> None:
        """Somebody else owns the cursor: begin nothing any more, acknowledge nothing."""
        self._stopping = True
        self.pending.lose()
        self._changed.set()

    async def stop(self, patience_s: float) -> bool:
        """Begin nothing any more and wait for the attempts under way; whether they all ended."""
        self._stopping = True
        self._changed.set()
        if self._attempts:
            await asyncio.wait(tuple(self._attempts), timeout=patience_s)
        ended = not self._attempts
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        return ended

    def standing(self) -> tuple[int, list[int]]:
        """How far it has come: its position, and what is settled beyond it."""
        return self._window.position, self._window.done

    # --- the loop ---

    async def _run(self) -> None:
        await self._insist(self._load_parked)
        while not self._stopping:
            self._changed.clear()
            if self._may_begin():
                if self._wants_more():
                    await self._insist(self._fill)
                self._begin()
            await self._wait()

    async def _insist(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do it; while the database is away, again and again."""
        while not self._stopping:
            try:
                await work()
                return
            except DatabaseUnavailableError as error:
                _log.warning("Events of subscription %d wait: %s", self.id, error)
                self._more = True
                await asyncio.sleep(AGAIN_S)

    def _may_begin(self) -> bool:
        return (
            not self._stopping
            and self._keeper.may_begin
            and self._deliverer.delivers(self.id)
            and time.monotonic() >= self._rests_until
        )

    def _wants_more(self) -> bool:
        return self._more and self._window.size < AHEAD and self._window.weight < AHEAD_BYTES

    async def _wait(self) -> None:
        """Until something changes, or a retry is due."""
        if not self._may_begin():
            timeout: float | None = max(0.0, self._rests_until - time.monotonic()) or None
        elif self._wants_more() or self.company.is_turn_of(self):
            return
        elif self.company.barred:
            timeout = None
        else:
            timeout = self._parking.next_in() if self._retrying < self._concurrency else None
        try:
            async with asyncio.timeout(timeout):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _fill(self) -> None:
        """Read on from the end of the window."""
        self._more = False
        read = await self._store.events_after(self.claim, self.subscription.hook, self._window.end, BATCH)
        self._more = self._more or read.rest
        owed = [row for row in read.rows if self._owed(row)]
        items = [Item(row.id, lane_of(row.key, row.id), row, len(row.payload)) for row in owed]
        held = [row.id for row in owed if self._is_held(row, read.now)]
        for behind in self._window.load(items, read.upto, held):
            self._park_behind(behind)
        if read.rows:
            self._keeper.dirty(self)

    def _owed(self, row: Any) -> bool:
        if row.id > self.claim.judged_until:
            return f",{self.id}," in row.owed
        context, _ = orjson.loads(row.context)
        return self._deliverer.is_owed(self.id, orjson.loads(row.payload), context)

    def _is_held(self, row: Any, now: float) -> bool:
        """Whether the event's dispatch has not ended, as far as this node knows."""
        if not row.held_until:
            return False
        if row.node == self._keeper.node:
            return row.uid in self._keeper.held
        left = row.held_until - now
        if left <= 0 or row.id in self._keeper.released:
            return False
        asyncio.get_running_loop().call_later(left, self.release, row.id)
        return True

    def _begin(self) -> None:
        """Begin as many attempts as may be under way."""
        self.alone = self.alone or self.company.is_turn_of(self)
        while self._may_retry() and (head := self._parking.due()) is not None:
            self._retrying += 1
            self._spawn(self._retry(head))
        while len(self._attempts) - self._retrying < self._concurrency and not self.company.barred:
            item = self._window.next()
            if item is None:
                return
            self._spawn(self._first(item))

    def _may_retry(self) -> bool:
        if self.alone:
            return not self._retrying
        return self._retrying < self._concurrency and not self.company.barred

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, context=Context())
        self._attempts.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._attempts.discard(task)
        self.company.ended(alone=False)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            _log.error("A delivery of subscription %d broke.", self.id, exc_info=error)
        if self._may_begin():
            self._begin()
        self._changed.set()

    # --- attempts ---

    async def _first(self, item: Item) -> None:
        tried = self._keeper.attempts.left(self.id, item.event) or UNTRIED
        # The first time that a process ends in its midst may be chance; then the event has its pauses like any that fails.
        cut = tried.failures > 1
        answer = cut_off() if cut else await self._call(item.event, tried, 0)
        if answer is None:
            self._window.back(item.id)
        elif answer.status is OutcomeStatus.OK:
            self._window.settle(item.id)
            self._delivered(item.id, tried)
        else:
            self._parking.queues[item.lane] = Queue(whole=True, last=item.id)
            for behind in self._window.park(item.id):
                self._park_behind(behind)
            before = tried.before() if cut else tried
            self._failed(Head(item.id, item.lane, before, event=item.event), answer)

    async def _retry(self, head: Head) -> None:
        try:
            head, answer = await self._try_again(head)
        finally:
            self._retrying -= 1
            alone, self.alone = self.alone, False
            self.company.ended(alone=alone)
        if answer is None:
            self._plan(head, REST_S)
        elif answer.status is not OutcomeStatus.OK:
            self._failed(head, answer)
        else:
            self._delivered(head.event_id, head.tried)
            self.pending.rows[head.event_id] = None
            await self._next_of(head.lane)

    async def _try_again(self, head: Head) -> tuple[Head, Answer | None]:
        if head.event is None:
            try:
                head.event = await self._store.event(head.event_id)
            except DatabaseUnavailableError:
                return head, None
        if head.event is None:
            return head, None
        left = self._keeper.attempts.left(self.id, head.event)
        if left is not None and left.failures > head.tried.failures:
            return replace(head, tried=left.before()), cut_off()
        if left is not None and left.attempts > head.tried.attempts:
            head = replace(head, tried=left)
        return head, await self._call(head.event, head.tried, head.round)

    async def _call(self, row: Any, tried: Tried, round_: int) -> Answer | None:
        """One attempt; None where it did not take place."""
        if not self._may_begin():
            return None
        context, chain = orjson.loads(row.context)
        key = f"{row.uid}:{self.id}:{round_}" if round_ else f"{row.uid}:{self.id}"
        context |= {"idempotency_key": key, "attempt": tried.attempts + 1, "event_id": row.id}
        context["never_tried"] = tried is UNTRIED and row.id > self.claim.newest
        hook, payload = self.subscription.hook, orjson.loads(row.payload)
        self._keeper.attempts.begin(self.id, row, tried)
        answer = await self._deliverer.deliver(
            Event(self.id, hook, payload, row.request_id, context, tuple(chain))
        )
        if answer.status is OutcomeStatus.SKIPPED or getattr(answer.error, "never_begun", False):
            self._rests_until = time.monotonic() + REST_S
            self._keeper.attempts.end(self.id, row.id)
            return None
        if answer.status is OutcomeStatus.OK:
            self._keeper.attempts.succeeded(self.id, row, tried)
        return answer

    def _delivered(self, event_id: int, tried: Tried) -> None:
        self.pending.ended.append((event_id, tried.attempts + 1))
        self.pending.delivered += 1
        self._keeper.count(delivered=1)
        self._keeper.dirty(self)

    def _failed(self, head: Head, answer: Answer) -> None:
        """Plan the next attempt, or give it up as a dead letter."""
        later = later_of(answer.error)
        tried = head.tried.after(later)
        self.pending.ended.append((head.event_id, tried.attempts))
        wait = pause(self.subscription.retry or DEFAULT_RETRY, tried, later, random.random())  # noqa: S311  jitter
        mask = partial(self._keeper.masked, self.subscription.plugin_id)
        words = words_of(answer.error, answer.status, mask)
        entry: dict[str, object] = {"attempt": tried.attempts, "at": time.time(), "node": self._keeper.node}
        entry |= {"error": words, "duration_ms": answer.duration_ms}
        suspect = getattr(answer.error, "cut_off", False)
        head = replace(head, tried=tried, history=[*head.history, entry][-MAX_HISTORY:], suspect=suspect)
        status = DeliveryStatus.DEAD if wait is None else DeliveryStatus.RETRYING
        self.pending.rows[head.event_id] = row_values(
            head.lane, status, tried.attempts, tried.failures, head.round, wait or 0.0, words, head.history
        )
        if wait is None:
            self.pending.dead += 1
            self._keeper.count(dead=1)
            self._spawn(self._next_of(head.lane))
        else:
            self.pending.retried += 1
            self._keeper.count(retried=1)
            self._plan(head, wait)
        self._keeper.dirty(self)

    def _plan(self, head: Head, wait: float) -> None:
        self._parking.plan(head, wait)
        self._changed.set()

    async def _next_of(self, lane: str) -> None:
        """A parked event is delivered or given up: the next of its lane comes."""
        queue = self._parking.queues[lane]
        self._keeper.dirty(self)
        if not self._window.unpark(lane):
            del self._parking.queues[lane]
        elif queue.waiting:
            self._plan(queue.waiting.popleft(), 0.0)
        else:
            await self.pending.written()  # what was parked meanwhile can be read then
            if not self.pending.lost:
                await self._insist(lambda: self._read_lane(lane, queue))

    async def _read_lane(self, lane: str, queue: Queue) -> None:
        found = await self._store.lane(self.id, lane, queue.last, KEPT)
        unread = self._window.parked.get(lane, 0) - len(found)
        self._parking.filled(queue, (Head.of(one) for one in found), whole=unread <= 0)
        if queue.waiting:
            self._plan(queue.waiting.popleft(), found[0].due_in)
        elif self._window.parked.pop(lane, None) is not None:  # somebody took the rest away by hand
            del self._parking.queues[lane]

    def _park_behind(self, item: Item) -> None:
        self.pending.rows[item.id] = row_values(item.lane, DeliveryStatus.HELD_BACK)
        self._parking.behind(Head(item.id, item.lane, UNTRIED, event=item.event))
        self._keeper.dirty(self)

    async def _load_parked(self) -> None:
        """What was parked when the cursor was claimed."""
        lanes = await self._store.lanes(self.id)
        self._window.parked = {lane: count for lane, (count, _) in lanes.items()}
        self._parking.queues = {
            lane: Queue(whole=count == 1, last=first) for lane, (count, first) in lanes.items()
        }
        heads = {first for _, first in lanes.values()}
        self._keeper.attempts.settled(self.id, self.claim.position, heads)
        for parked in await self._store.heads(self.id, list(heads)):
            self._plan(Head.of(parked), parked.due_in)
