"""The database behind one door: transactions that write, and snapshots that read, on SQLite and PostgreSQL alike.

1. SQLite: WAL, `synchronous=FULL`, foreign keys on; a write is `BEGIN IMMEDIATE`, one at a time in this process, and readers run
   beside it on connections that cannot write.
2. PostgreSQL: a write is READ COMMITTED; a reader is a REPEATABLE READ snapshot that cannot write, as on SQLite.
3. A transaction commits when its block ends and rolls back when it raises. Once the commit has been sent it is awaited, even by a
   cancelled task, so that nobody goes on while it is undecided.
4. A task has at most one writing transaction: a second inside the first would wait for itself, so it is refused.
5. What the database cannot do now is a `DatabaseUnavailableError`; every other error of SQLAlchemy passes through.
6. Whoever knows that the database cannot be reached says so (`cut_off`): what waits for it is given up, and what is asked for meanwhile
   fails at once. A cut network would else let everything wait for the kernel, which takes a quarter of an hour.
"""

import asyncio
import os
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Self

from sqlalchemy import event, select, text
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.pool import QueuePool

from isp_plugins.db.errors import DatabaseUnavailableError
from isp_plugins.db.links import CONNECT_TIMEOUT_S, ON_SERVER, watch
from isp_plugins.db.turns import Turns
from isp_plugins.db.unavailable import is_unavailable, short_cause
from isp_plugins.db.urls import SQLITE, engine_url

BUSY_TIMEOUT_S = 10
"""How long SQLite waits for another process's lock (a backup tool, say) before it is unavailable."""
READERS = 4
"""SQLite connections that read; each is a thread."""
POOL_SIZE = 10
MAX_OVERFLOW = 10
POOL_TIMEOUT_S = 10
IDLE_LIMIT_S = 10
"""PostgreSQL ends a transaction whose client says nothing for so long: one that is cut off in the middle of it would else keep its locks."""
RECYCLE_S = 1800
"""PostgreSQL connections are replaced after half an hour, before firewalls forget them."""
WAL_KEPT_BYTES = 64 * 1024 * 1024


class Database:
    """An open database; make one with `await Database.open(url)` and end it with `await close()`."""

    def __init__(self, url: URL, writer: AsyncEngine, reader: AsyncEngine, *, single_writer: bool) -> None:
        self.dialect = url.get_backend_name()
        self._writer = writer
        self._reader = reader
        self.url = url
        self.turns = Turns() if single_writer else None
        """SQLite's turns to write, for whoever opens a writing connection of its own; None where many may write."""
        self._writing: set[asyncio.Task[Any]] = set()
        self.transactions = 0
        """Writes that were committed."""
        self._refusal: str | None = None
        self._connected: weakref.WeakSet[Any] = weakref.WeakSet()
        if not single_writer:
            event.listen(writer.sync_engine, "connect", self._note)

    @classmethod
    async def open(cls, url: str) -> Self:
        """Connect and see that the database answers; `DatabaseUrlError`, `DatabaseUnavailableError`."""
        parsed = engine_url(url)
        database = cls._sqlite(parsed) if parsed.get_backend_name() == SQLITE else cls._postgresql(parsed)
        try:
            async with database.reading() as session:
                await session.execute(text("SELECT 1"))
        except BaseException:
            await database.close()
            raise
        return database

    @classmethod
    def _sqlite(cls, url: URL) -> Self:
        _create_private(Path(url.database or ""))
        options: dict[str, Any] = {
            "connect_args": {"timeout": BUSY_TIMEOUT_S, "isolation_level": None},
            "max_overflow": 0,
        }
        writer = create_async_engine(url, pool_size=1, **options)
        reader = create_async_engine(url, pool_size=READERS, pool_timeout=POOL_TIMEOUT_S, **options)
        _prepare(writer, begin="BEGIN IMMEDIATE", query_only=False)
        _prepare(reader, begin="BEGIN", query_only=True)
        return cls(url, writer, reader, single_writer=True)

    @classmethod
    def _postgresql(cls, url: URL) -> Self:
        writer = create_async_engine(
            url,
            pool_size=POOL_SIZE,
            max_overflow=MAX_OVERFLOW,
            pool_timeout=POOL_TIMEOUT_S,
            pool_pre_ping=True,
            pool_recycle=RECYCLE_S,
            isolation_level="READ COMMITTED",
            connect_args={
                "timeout": CONNECT_TIMEOUT_S,
                "server_settings": {
                    "application_name": "isp-plugins",
                    **ON_SERVER,
                    "timezone": "UTC",
                    "idle_in_transaction_session_timeout": f"{IDLE_LIMIT_S * 1000}",
                },
            },
        )
        reader = writer.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        return cls(url, writer, reader, single_writer=False)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """One write: committed when the block ends, rolled back when it raises; `DatabaseUnavailableError`."""
        async with self._own_turn():
            with self._unavailable():
                async with AsyncSession(self._writer, expire_on_commit=False) as session:
                    await self._begin(session)
                    yield session
                    await _finish(session.commit())
                    self.transactions += 1

    @asynccontextmanager
    async def single(self) -> AsyncIterator[AsyncSession]:
        """On PostgreSQL statements that are committed one by one as they end: who is cut off between them keeps nothing locked."""
        with self._unavailable():
            engine = self._writer.execution_options(isolation_level="AUTOCOMMIT")
            async with AsyncSession(engine, expire_on_commit=False) as session:
                await self._begin(session)
                yield session

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """One snapshot to read from; a write in it is refused by the database. `DatabaseUnavailableError`."""
        with self._unavailable():
            async with AsyncSession(self._reader, expire_on_commit=False) as session:
                await self._begin(session)
                yield session

    async def check(self) -> None:
        """Ask the database for an answer, whatever it says; `DatabaseUnavailableError`."""
        async with self.reading() as session:
            await session.execute(select(1))

    @property
    def connections(self) -> int:
        """Connections that are in use now."""
        pools = {id(engine.pool): engine.pool for engine in (self._writer, self._reader)}
        return sum(pool.checkedout() for pool in pools.values() if isinstance(pool, QueuePool))

    def cut_off(self, why: str) -> None:
        """The database cannot be reached, and why; until `restored`."""
        self._refusal = why
        self.sever()

    def restored(self) -> None:
        """It can be reached again."""
        self._refusal = None

    def sever(self) -> None:
        """Break every connection to PostgreSQL, so that whatever waits on one fails now."""
        for connection in tuple(self._connected):
            if not connection.is_closed():
                connection.terminate()

    def _note(self, connection: Any, _record: Any) -> None:
        self._connected.add(connection.driver_connection)
        watch(connection.driver_connection)

    async def close(self) -> None:
        """Close every connection; a block still open loses its connection when it ends."""
        await self._reader.dispose()
        await self._writer.dispose()

    @asynccontextmanager
    async def _own_turn(self) -> AsyncIterator[None]:
        task = asyncio.current_task()
        assert task is not None, "a transaction runs in a task"  # noqa: S101  narrows the type; a coroutine always has one
        if task in self._writing:
            raise RuntimeError(
                "this task already has a transaction open: pass its session on instead of opening a second one"
            )
        if self.turns is not None:
            await self.turns.acquire()
        self._writing.add(task)
        try:
            yield
        finally:
            self._writing.discard(task)
            if self.turns is not None:
                self.turns.release()

    async def _begin(self, session: AsyncSession) -> None:
        """Connect and begin now, so that a connection that fails is told from an error of the block."""
        if self._refusal is not None:
            raise DatabaseUnavailableError(dialect=self.dialect, cause=self._refusal)
        try:
            await session.connection()
        except (OSError, PoolTimeoutError, TimeoutError) as error:
            raise DatabaseUnavailableError(dialect=self.dialect, cause=short_cause(error)) from error

    @contextmanager
    def _unavailable(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            if not is_unavailable(error):
                raise
            raise DatabaseUnavailableError(dialect=self.dialect, cause=short_cause(error)) from error


async def _finish(commit: Coroutine[Any, Any, None]) -> None:
    """Await a commit to its end, whatever becomes of the task that asked for it."""
    task = asyncio.ensure_future(commit)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            if task.cancelled():
                break
            cancelled = error
    if cancelled is not None and not task.exception():
        raise cancelled
    task.result()


def _prepare(engine: AsyncEngine, *, begin: str, query_only: bool) -> None:
    """Set every pragma on connect, and begin transactions ourselves: the driver's own begin comes too late to lock."""
    pragmas = [
        f"PRAGMA busy_timeout={BUSY_TIMEOUT_S * 1000}",
        "PRAGMA journal_mode=WAL",
        "PRAGMA synchronous=FULL",
        "PRAGMA foreign_keys=ON",
        f"PRAGMA journal_size_limit={WAL_KEPT_BYTES}",
        f"PRAGMA query_only={'ON' if query_only else 'OFF'}",
    ]
    event.listen(engine.sync_engine, "connect", _on_connect(pragmas))
    event.listen(engine.sync_engine, "begin", _on_begin(begin))


def _on_connect(pragmas: list[str]) -> Callable[[Any, Any], None]:
    def connect(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(pragma)
        cursor.close()

    return connect


def _on_begin(begin: str) -> Callable[[Connection], None]:
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return start


def _create_private(file: Path) -> None:
    """Create the file for its owner alone; SQLite gives its companions (-wal, -shm) the same mode."""
    try:
        os.close(os.open(file, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise DatabaseUnavailableError(dialect=SQLITE, cause=f"{file}: {error.strerror}") from error
