"""`Membership`: this node among those of its database: joins, is seen, misses the others, and knows when it is cut off.

1. A name is taken while its node lives; one whose node was killed is free at once for the same data directory, else once it is missed.
2. What this node leases it holds while its own monotonic clock says so (`records`); then `on_lapsed` is called, before anybody else begins.
3. Where no heartbeat has come through for the whole limit, the node is cut off: the database refuses everything at once, until a heartbeat comes
   through again; then `on_rejoined` is called.
4. On SQLite a node is alone: nothing beats, and everything is held.
"""

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from typing import Any, TypeVar

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from isp_plugins.db.engine import Database
from isp_plugins.db.errors import DatabaseUnavailableError
from isp_plugins.db.migrate import known_revisions, read_schema
from isp_plugins.db.schema_state import Step, step_for
from isp_plugins.nodes import store
from isp_plugins.nodes.errors import NodeNameTakenError, SchemaLeftBehindError
from isp_plugins.nodes.records import Node, NodeOfPlugin, NodeState, Pace, Watched
from isp_plugins.nodes.singletons import Singletons
from isp_plugins.nodes.store import Card

AGAIN_S = 0.25
"""Pause after a heartbeat that did not come through."""
TRIES = 2
"""A process that was frozen for a while misses one heartbeat, and no more: only another one tells that the database is away."""
LOOK_S = 0.2
"""How often a start looks whether the node that has its name still lives."""
FAILED = (DatabaseUnavailableError, SQLAlchemyError, OSError)
T = TypeVar("T")
_log = logging.getLogger(__name__)


class Membership:
    """One node of one database; `open` it before anything that leases, `close` it after."""

    def __init__(
        self, database: Database, *, node: str, home: str, address: str = "", pace: Pace | None = None
    ) -> None:
        self.card = Card(
            name=node,
            incarnation=uuid.uuid4().hex[:16],
            home=home,
            version=version("isp-plugins"),
            revision=known_revisions()[-1],
            address=address,
        )
        self.pace = pace or Pace()
        self.is_alone = database.dialect == "sqlite"
        self.nodes: Sequence[Node] = ()
        """Those that live, as of the last heartbeat."""
        self.lag = 0
        """Plugins that this node has not brought to what is wanted yet, as of the last heartbeat."""
        self.cut_since: datetime | None = None
        """Since when this node is cut off; None: it is not."""
        self.why_cut = ""
        self.on_lapsed: Callable[[], None] = lambda: None
        """Told at once, on the loop, that what this node leased is not held any more."""
        self.on_look: Callable[[], None] = lambda: None
        """Told after every heartbeat."""
        self.on_lost: Callable[[Sequence[Node]], Awaitable[None]] = _nothing
        """Told of nodes that this one declared lost."""
        self.on_rejoined: Callable[[], Awaitable[None]] = _nothing
        """Told that the database was reached again after this node was cut off, or was declared lost: whatever changed meanwhile was missed."""
        self.singletons = Singletons(self, database)
        self._database = database
        self._line: Database | None = None
        """Of the heartbeats alone: nothing else can keep them waiting."""
        self._watched = Watched()
        self._held_until = 0.0
        self._losses = 0
        self._lapsed = False
        self._lapse: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._following: set[asyncio.Task[None]] = set()
        self._superseded = False
        self._failed = 0
        """Heartbeats in a row that did not come through."""
        self._joined = False

    # --- what others ask ---

    @property
    def holds(self) -> bool:
        """Whether what this node leased is still its own; a process that only looks, and did not join, leases nothing."""
        return self.is_alone or (time.monotonic() < self._held_until and not self._superseded)

    @property
    def is_cut(self) -> bool:
        """Whether the database cannot be reached."""
        return self.cut_since is not None

    def announce(self, url: str) -> None:
        """Where this node listens; others learn of it with the next heartbeat."""
        self.card = store.readdressed(self.card, url)

    async def everyone(self) -> list[Node]:
        """Every node that was ever there, by name; `DatabaseUnavailableError`."""
        async with self._database.reading() as session:
            return await store.everyone(session)

    async def of_plugin(self, plugin_id: int) -> list[NodeOfPlugin]:
        """What every node has of a plugin; `DatabaseUnavailableError`."""
        async with self._database.reading() as session:
            return await store.of_plugin(session, plugin_id)

    def myself(self) -> dict[str, Any]:
        """This node as it knows itself, without asking anybody."""
        return {
            "name": self.card.name,
            "incarnation": self.card.incarnation,
            "version": self.card.version,
            "is_cut_off": self.is_cut,
            "cut_off_since": self.cut_since,
            "cause": self.why_cut or None,
            "lag": self.lag,
            "others": sorted(one.name for one in self.nodes if one.incarnation != self.card.incarnation),
        }

    # --- life ---

    def unready(self) -> str | None:
        """Why this node is not to be sent work that changes anything, in words; None: it may be."""
        if self.cut_since is None:
            return None
        since = f"{self.cut_since:%Y-%m-%dT%H:%M:%SZ}"
        return f"node {self.card.name} is cut off from the database since {since} and goes on with what it has: {self.why_cut}"

    async def open(self) -> None:
        """Join, and be seen from now on; `NodeNameTakenError`."""
        if self.is_alone:
            await self._join(self._database)
            self.nodes = await self._living()
            return
        self._line = await Database.open(self._database.url.render_as_string(hide_password=False))
        try:
            sent = await self._join(self._line)
        except BaseException:
            await self._line.close()
            raise
        self._hold(sent)
        await self.beat()
        self._task = asyncio.get_running_loop().create_task(self._run(), name="isp-plugins-heartbeat")

    async def close(self) -> None:
        """Leave: others need not miss this node first."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None
        if self._lapse is not None:
            self._lapse.cancel()
        for task in tuple(self._following):
            task.cancel()
        if self._following:
            await asyncio.wait(tuple(self._following))
        line = self._line or self._database
        try:
            if self._joined and not self._superseded:
                await self._within_patience(line, self._leave)
        except (*FAILED, TimeoutError) as error:
            _log.warning("This node could not say that it leaves; the others will miss it: %s", error)
        finally:
            if self._line is not None:
                await self._line.close()

    async def _join(self, database: Database) -> float:
        """Take the name, waiting for a node that may have been killed; when the attempt was sent that worked."""
        deadline = time.monotonic() + self.pace.lost_after
        first: Node | None = None
        while True:
            sent = time.monotonic()
            async with database.transaction() as session:
                await self._check_schema(database, session)
                found = await store.find(session, self.card.name)
                over, home = found if found is not None else (None, "")
                free = over is None or over.state is not NodeState.ALIVE or home == self.card.home
                if first is None:
                    first = over
                if (free or sent >= deadline) and await store.join(session, self.card, over):
                    await store.forget_old(session)
                    self._joined = True
                    return sent
            if over is not None and first is not None and _lives(first, over):
                raise NodeNameTakenError(
                    node=self.card.name,
                    version=over.version,
                    address=over.address or "no address",
                    seen=round(over.now - over.seen_at, 1),
                )
            await asyncio.sleep(LOOK_S)

    async def _check_schema(self, database: Database, session: AsyncSession) -> None:
        """`SchemaLeftBehindError` where the database was migrated beyond us since we looked."""
        if database.dialect == "sqlite":
            return
        found = await (await session.connection()).run_sync(read_schema)
        known = known_revisions()
        if step_for(found, known) is not Step.KEEP:
            raise SchemaLeftBehindError(found=found.revision, known=known[-1])

    async def _leave(self, database: Database) -> None:
        async with database.transaction() as session:
            await store.leave(session, self.card)

    async def _living(self) -> list[Node]:
        async with self._database.reading() as session:
            self.singletons.learn(await store.holders(session))
            return await store.living(session)

    # --- heartbeats ---

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(min(AGAIN_S, self.pace.beat) if self._failed else self.pace.beat)
            try:
                await self.beat()
            except Exception:
                _log.exception("A heartbeat failed; it goes on.")

    async def beat(self) -> None:
        """Be seen, and look who else is; the loop does this by itself."""
        if self._line is None or self._superseded:
            return
        sent = time.monotonic()
        try:
            losses = await self._within_patience(self._line, self._exchange)
        except (*FAILED, TimeoutError) as error:
            self._missed(f"{error}" or "no answer in time")
            return
        if losses is None:
            self._was_superseded()
            return
        self._came_through(sent, losses)
        await self._miss_others(self._line)
        self.on_look()

    async def _exchange(self, line: Database) -> int | None:
        async with line.single() as session:  # no row is left locked by a node that is cut off
            losses = await store.beat(session, self.card)
            self.nodes = await store.living(session)
            self.lag = await store.lag(session, self.card.name)
            holders = await store.holders(session)
        self.singletons.learn(holders)
        return losses

    async def _within_patience(self, line: Database, work: Callable[[Database], Awaitable[T]]) -> T:
        """What the work returns; where the line hangs, it is broken, and whatever waits for it fails."""
        patience = self.pace.beat if self._failed else self.pace.held
        breaking = asyncio.get_running_loop().call_later(patience, line.sever)
        try:
            async with asyncio.timeout(patience):
                return await work(line)
        finally:
            breaking.cancel()

    def _came_through(self, sent: float, losses: int) -> None:
        was_out = self._lapsed or self.is_cut or losses != self._losses
        if losses != self._losses and not self._lapsed:
            self.on_lapsed()  # others have declared this node lost: what it leased is theirs
        self._losses = losses
        self._failed, self._lapsed = 0, False
        self._hold(sent)
        if self.is_cut:
            _log.warning("The database is reached again; this node catches up.")
            self.cut_since, self.why_cut = None, ""
            self._database.restored()
        if was_out:
            self._begin(self.on_rejoined(), "catching up")

    def _begin(self, work: Awaitable[None], what: str) -> None:
        """Do what follows beside the heartbeats, which must not wait for it."""
        task = asyncio.get_running_loop().create_task(_told(work, what), name=f"isp-plugins {what}")
        self._following.add(task)
        task.add_done_callback(self._following.discard)

    def _missed(self, why: str) -> None:
        self._failed += 1
        self._watched = Watched()  # who sees nothing cannot tell who is silent
        if self.is_cut:
            self.why_cut = why
            return
        _log.warning("A heartbeat did not come through: %s", why)
        if self._failed >= TRIES and time.monotonic() >= self._held_until + self.pace.grace:
            self._cut(why)

    def _cut(self, why: str) -> None:
        self.cut_since, self.why_cut = datetime.now(UTC), why
        _log.error(
            "This node is cut off from the database and goes on with what it has; nothing can be changed: %s",
            why,
        )
        self._database.cut_off(
            f"node {self.card.name} is cut off from it since {self.cut_since:%H:%M:%S} UTC"
        )

    def _was_superseded(self) -> None:
        """Another process has the name: this one must never lease anything again."""
        self._superseded = True
        _log.critical("Another process has taken the name of this node, %s; stop this one.", self.card.name)
        self._lapsed = True
        self.on_lapsed()
        self._cut(f"another process has taken the name {self.card.name}; this one must be stopped")

    def _hold(self, sent: float) -> None:
        self._held_until = sent + self.pace.held
        if self._lapse is not None:
            self._lapse.cancel()
        left = max(0.0, self._held_until - time.monotonic())
        self._lapse = asyncio.get_running_loop().call_later(left, self._lapses)

    def _lapses(self) -> None:
        if not self.holds and not self._lapsed:
            self._lapsed = True
            self.on_lapsed()

    async def _miss_others(self, line: Database) -> None:
        others = [node for node in self.nodes if node.incarnation != self.card.incarnation]
        silent = self._watched.silent(others, time.monotonic(), self.pace.lost_after)
        lost: list[Node] = []
        with contextlib.suppress(*FAILED, TimeoutError):
            for node in silent:
                if await self._within_patience(line, partial(self._lose, node)):
                    lost.append(node)  # noqa: PERF401  those before a failure are told, too
        for node in lost:
            _log.error("Node %s is lost: it was not seen for %g s.", node.name, self.pace.lost_after)
        if lost:
            self.nodes = [node for node in self.nodes if node not in lost]
            self._begin(self.on_lost(lost), "others' losses")

    async def _lose(self, node: Node, line: Database) -> bool:
        """Declare it lost; whether this node was the first to. What it had locked when it was cut off is free a moment later by itself."""
        async with line.transaction() as session:
            await store.wait_briefly(session)
            is_first = await store.lose(session, node)
        if is_first:
            with contextlib.suppress(*FAILED):
                async with line.transaction() as session:
                    await store.wait_briefly(session)
                    await store.free_leases(session, node)
        return is_first


async def _told(work: Awaitable[None], what: str) -> None:
    try:
        await work
    except FAILED as error:
        _log.warning("%s did not work: %s", what, error)
    except Exception:
        _log.exception("%s did not work", what)


def _lives(first: Node, now: Node) -> bool:
    """Whether a node was seen between two looks."""
    return now.state is NodeState.ALIVE and (now.incarnation, now.beats) != (first.incarnation, first.beats)


async def _nothing(*_: object) -> None:
    """What is done where nobody listens."""
