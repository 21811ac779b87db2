"""The deliveries of one node: claims cursors, renews their leases, feeds plugins, and acknowledges in groups.

1. A cursor is claimed where its plugin runs here and nobody owns it, or its owner's lease has run out.
2. Attempts begin only while the leases are known to hold; a cursor that was lost is left at once.
3. All feeds are acknowledged together, at most every `ACK_PAUSE_S`: what was delivered since is delivered again after a crash.
4. Feeds are woken by what is written here and by what other nodes tell; a look every second is the safety net.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Container, Iterable, Sequence
from contextlib import asynccontextmanager
from contextvars import Context

from isp_plugins.contracts.hooks import Subscription
from isp_plugins.db.errors import DatabaseUnavailableError
from isp_plugins.events.attempts import Attempts
from isp_plugins.events.company import Company
from isp_plugins.events.feed import Feed
from isp_plugins.events.seams import Delivers
from isp_plugins.events.store import Ack, DeliveryStore

ACK_PAUSE_S = 0.02
AWAY_S = 0.5
"""Pause while the database is away."""
LOOK_S = 1.0
"""The safety net's pause."""
MARGIN = 0.7
"""Of a lease, the part in which attempts may begin."""
_log = logging.getLogger(__name__)


class Deliverer:
    """Every feed of this node."""

    def __init__(
        self,
        store: DeliveryStore,
        engine: Delivers,
        *,
        node: str,
        held: Container[str],
        lease_s: float,
        concurrency: int,
        masked: Callable[[int, str], str],
        attempts: Attempts,
        holds: Callable[[], bool] = lambda: True,
    ) -> None:
        self.attempts = attempts
        self.node = node
        self.held = held
        self.released: dict[int, None] = {}
        """Events of other nodes whose dispatches have ended; the newest."""
        self.masked = masked
        self.delivered = self.retried = self.dead = 0
        """Since the process began."""
        self.feeds: dict[int, Feed] = {}
        self._store = store
        self._engine = engine
        self._lease_s = lease_s
        self._concurrency = concurrency
        self._holds = holds
        self._valid_until = 0.0
        self._renew_at = 0.0
        self._look_at = 0.0
        self._seen = 0
        self._dirty: dict[int, Feed] = {}
        self._dirtied = asyncio.Event()
        self._changed = asyncio.Event()
        self._companies: dict[int, Company] = {}
        """By plugin."""
        self._quiet: dict[int, int] = {}
        """Cursors that an operator works on."""
        self._tasks: list[asyncio.Task[None]] = []

    # --- what feeds ask ---

    @property
    def may_begin(self) -> bool:
        """Whether the leases are known to hold."""
        return time.monotonic() < self._valid_until and self._holds()

    def dirty(self, feed: Feed) -> None:
        """The feed has something to acknowledge."""
        self._dirty[feed.id] = feed
        self._dirtied.set()

    def count(self, *, delivered: int = 0, retried: int = 0, dead: int = 0) -> None:
        """Count for the metrics."""
        self.delivered += delivered
        self.retried += retried
        self.dead += dead

    # --- what others tell ---

    def written(self, hooks: Container[str] | None = None) -> None:
        """Events of these hooks (None: of any) were written, and released."""
        for feed in self.feeds.values():
            if hooks is None or feed.subscription.hook in hooks:
                feed.wake()

    def release(self, event_id: int, owed: Iterable[int]) -> bool:
        """The dispatch of an event that was written here has ended; whether all its feeds are here."""
        here = True
        for subscription_id in owed:
            feed = self.feeds.get(subscription_id)
            if feed is None:
                here = False
            else:
                feed.release(event_id)
        return here

    def release_foreign(self, event_ids: Sequence[int]) -> None:
        """The dispatches of these events of other nodes have ended."""
        self.released.update(dict.fromkeys(event_ids))
        while len(self.released) > 10_000:
            del self.released[next(iter(self.released))]
        for feed in self.feeds.values():
            for event_id in event_ids:
                feed.release(event_id)

    def changed(self) -> None:
        """Plugins came or went, or an operator changed something: look now."""
        self._look_at = self._renew_at = 0.0
        self._changed.set()

    # --- life ---

    async def open(self) -> None:
        """Take over what an earlier process of this node left, and begin."""
        await self._store.disown(self.node)
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self._watch(), name="isp-plugins-events-watch", context=Context()),
            loop.create_task(self._acknowledge(), name="isp-plugins-events-acks", context=Context()),
        ]

    async def close(self, patience_s: float) -> None:
        """Wait for the attempts under way, acknowledge them, and leave the cursors to others."""
        tasks, self._tasks = self._tasks, []
        if not tasks:
            return
        await _cancel(tasks[0])
        await self._let_go(list(self.feeds.values()), patience_s)
        await _cancel(tasks[1])

    @asynccontextmanager
    async def quiet(self, subscription_ids: Iterable[int], patience_s: float = 5.0) -> AsyncIterator[None]:
        """While it is held, these cursors are not delivered here: an operator changes them."""
        mine = list(subscription_ids)
        for one in mine:
            self._quiet[one] = self._quiet.get(one, 0) + 1
        try:
            await self._let_go([self.feeds[one] for one in mine if one in self.feeds], patience_s)
            yield
        finally:
            for one in mine:
                self._quiet[one] -= 1
                if not self._quiet[one]:
                    del self._quiet[one]
            self.changed()

    # --- the watch ---

    async def _watch(self) -> None:
        while True:
            self._changed.clear()
            try:
                await self._look()
                pause = min(LOOK_S, self._lease_s / 3)
            except DatabaseUnavailableError as error:
                _log.warning("Events wait for the database: %s", error)
                pause = AWAY_S
            except Exception:
                _log.exception("The watch over events failed; it goes on.")
                pause = AWAY_S
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._changed.wait()

    async def _look(self) -> None:
        running = {one.id: one for one in self._engine.event_subscriptions() if one.callee is not None}
        await self._drop_stopped(running)
        await self._renew()
        await self._claim([one for one in running.values() if one.id not in self.feeds])
        await self._find_new()

    async def _drop_stopped(self, running: dict[int, Subscription]) -> None:
        gone = [feed for feed in self.feeds.values() if feed.id not in running]
        await self._let_go(gone, self._lease_s)
        for feed in self.feeds.values():
            feed.subscription = running[feed.id]
            feed.recheck()
            feed.wake(more=False)

    async def _let_go(self, feeds: Sequence[Feed], patience_s: float) -> None:
        """Stop feeds, acknowledge what they did, and leave their cursors to others."""
        if not feeds:
            return
        await asyncio.gather(*(feed.stop(patience_s) for feed in feeds))
        with contextlib.suppress(DatabaseUnavailableError):
            await self._write({feed.id: feed for feed in feeds})
            await self._store.give_up({feed.id: feed.claim.token for feed in feeds if not feed.pending.lost})
        for feed in feeds:
            self._forget(feed)

    def _forget(self, feed: Feed) -> None:
        feed.lose()
        feed.company.members.pop(feed, None)
        if self.feeds.get(feed.id) is feed:
            del self.feeds[feed.id]
        if self._dirty.get(feed.id) is feed:
            del self._dirty[feed.id]

    async def _renew(self) -> None:
        """Renew every lease; what is not ours any more is left at once."""
        now = time.monotonic()
        if not self.feeds or now < self._renew_at:
            return
        tokens = await self._store.renew(self._lease_s)
        self._renew_at = now + self._lease_s / 3
        self._valid_until = now + self._lease_s * MARGIN
        for feed in list(self.feeds.values()):
            if tokens.get(feed.id) != feed.claim.token:
                self._forget(feed)
            else:
                feed.wake(more=False)

    async def _claim(self, wanted: Sequence[Subscription]) -> None:
        now = time.monotonic()
        free = {one.id: one for one in wanted if one.id not in self._quiet}
        if not free or now < self._look_at:
            return
        self._look_at = now + LOOK_S
        claims = await self._store.claim(list(free), self._lease_s)
        if claims and not self.feeds:
            self._valid_until = now + self._lease_s * MARGIN
            self._renew_at = now + self._lease_s / 3
        for claim in claims:
            one = free[claim.subscription_id]
            company = self._companies.setdefault(one.plugin_id, Company())
            feed = Feed(
                claim, one, store=self._store, deliverer=self._engine, keeper=self, company=company, concurrency=self._concurrency
            )  # fmt: skip
            self.feeds[feed.id] = feed
            company.members[feed] = None
            feed.start()

    async def _find_new(self) -> None:
        last = await self._store.last_event()
        if last != self._seen:
            self._seen = last
            self.written()

    # --- acknowledgements ---

    async def _acknowledge(self) -> None:
        while True:
            await self._dirtied.wait()
            self._dirtied.clear()
            feeds, self._dirty = self._dirty, {}
            try:
                await self._write(feeds)
                pause = ACK_PAUSE_S
            except DatabaseUnavailableError:
                pause = AWAY_S
            except Exception:
                _log.exception("Deliveries could not be acknowledged; it is tried again.")
                pause = AWAY_S
            await asyncio.sleep(pause)

    async def _write(self, feeds: dict[int, Feed]) -> None:
        taken: list[tuple[Feed, Ack]] = [
            (feed, feed.pending.take(*feed.standing())) for feed in feeds.values() if not feed.pending.lost
        ]
        if not taken:
            return
        try:
            stale = await self._store.acknowledge([ack for _, ack in taken])
        except BaseException:
            for feed, ack in taken:
                feed.pending.put_back(ack)
                self.dirty(feed)
            raise
        for feed, _ in taken:
            feed.pending.wrote()
            if feed.id in stale:
                _log.warning("Subscription %d belongs to another node by now.", feed.id)
                self._forget(feed)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
