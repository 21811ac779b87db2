"""The connections that write events: SQLite in this thread, PostgreSQL through a small loop of its own.

1. SQLite: WAL, `synchronous=FULL`, `BEGIN IMMEDIATE` in a turn shared with the product's other writer; this host alone gives ids.
2. PostgreSQL: one statement a group, which takes a lock, gives ids, writes and tells the other nodes; nothing of it can be left
   half done by a client that is cut off, and the lock lasts no longer than the statement.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import Sequence
from typing import Any

import uvloop
from sqlalchemy.engine import URL

from isp_plugins.db.engine import BUSY_TIMEOUT_S, WAL_KEPT_BYTES, Database
from isp_plugins.db.links import connect
from isp_plugins.db.turns import Turns
from isp_plugins.db.urls import dsn_of
from isp_plugins.events.journal import Line, Row

SQLITE_NOW = "(julianday('now') - 2440587.5) * 86400.0"
POSTGRES_NOW = "extract(epoch from clock_timestamp())::float8"
CHANNEL = "isp_plugins_events"
"""PostgreSQL's channel on which nodes tell each other what there is to do."""
LOCK = 0x6973706576656E74
"""PostgreSQL's lock that orders the groups of all nodes: "ispevent" in ASCII."""
BUSY = (
    "another writer has held it for 5 s; on the thread of the host's own loop write `await system.dispatch(...)`, since "
    "`dispatch_sync` there keeps that writer from ending"
)
MAX_TOLD = 7000
"""PostgreSQL takes 8,000 bytes in a notification."""
PATIENCE_S = 5.0
"""How long one group may take before its dispatches fail."""


def others_own(subscriptions: str, own: str) -> str:
    """SQL: whether another node delivers one of these; a notification costs as much as the row that it tells of."""
    return (
        f"EXISTS (SELECT FROM event_cursors WHERE subscription_id = ANY ({subscriptions}) AND owner IS NOT NULL "
        f"AND NOT starts_with(owner, {own}))"
    )


_INSERT = f"""
INSERT INTO events (id, uid, hook, key, payload, context, request_id, owed, node, written_at, held_until)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, {SQLITE_NOW}, CASE WHEN ? > 0 THEN {SQLITE_NOW} + ? ELSE 0 END)
"""  # noqa: S608  a constant
_LAST = "SELECT max(coalesce((SELECT max(id) FROM events), 0), coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0))"
_POSTGRES = f"""
WITH turn AS MATERIALIZED (SELECT pg_advisory_xact_lock({LOCK}) AS taken),
     added AS (
        INSERT INTO events (uid, hook, key, payload, context, request_id, owed, node, written_at, held_until)
        SELECT one.uid, one.hook, one.key, one.payload, one.context, one.request_id, one.owed, $9, {POSTGRES_NOW},
               CASE WHEN one.hold > 0 THEN {POSTGRES_NOW} + one.hold ELSE 0 END
        FROM turn, unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::bytea[], $6::text[], $7::text[], $8::float8[])
             WITH ORDINALITY AS one(uid, hook, key, payload, context, request_id, owed, hold, place)
        ORDER BY one.place
        RETURNING id
     )
SELECT array_agg(id ORDER BY id),
       CASE WHEN {others_own("$11::int[]", "$12")} THEN pg_notify('{CHANNEL}', $10)::text END
FROM added
"""  # noqa: S608  constants


def line_of(database: Database, node: str) -> Line:
    """The line for a database."""
    if database.turns is not None:
        return SqliteLine(database.url, database.turns, node)
    return PostgresLine(database.url, node)


def awaited_line_of(database: Database, node: str) -> "PostgresConnection | None":
    """The line for the host's own loop; None where the driver knows threads alone."""
    return None if database.turns is not None else PostgresConnection(database.url, node)


class SqliteLine:
    """SQLite; connects at the first write, and again after an error."""

    def __init__(self, url: URL, turns: Turns, node: str) -> None:
        self._file = str(url.database)
        self._turns = turns
        self._node = node
        self._connection: sqlite3.Connection | None = None
        self._last = 0

    def write(self, rows: Sequence[Row]) -> Sequence[int]:
        """Commit the rows and give their ids."""
        if not self._turns.acquire_blocking(PATIENCE_S):
            raise TimeoutError(BUSY)
        try:
            return self._insist(rows)
        except Exception:
            self.close()
            raise
        finally:
            self._turns.release()

    def _insist(self, rows: Sequence[Row]) -> Sequence[int]:
        """Write; where somebody else has taken the next id (a file that was put back by hand), look once more."""
        try:
            return self._write(self._connection or self._connect(), rows)
        except sqlite3.IntegrityError:
            self.close()
            return self._write(self._connect(), rows)

    def _write(self, connection: sqlite3.Connection, rows: Sequence[Row]) -> Sequence[int]:
        ids = range(self._last + 1, self._last + 1 + len(rows))
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(
            _INSERT,
            [
                (event_id, *row[:7], self._node, row[7], row[7])
                for event_id, row in zip(ids, rows, strict=True)
            ],
        )
        connection.execute("COMMIT")
        self._last += len(rows)
        return ids

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._file, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        self._connection = connection
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"journal_size_limit={WAL_KEPT_BYTES}",
        ):
            connection.execute(f"PRAGMA {pragma}")
        self._last = int(connection.execute(_LAST).fetchone()[0])
        return connection

    def close(self) -> None:
        """Close the connection; what was begun is rolled back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()


class PostgresConnection:
    """PostgreSQL, on the loop that uses it; connects at the first write, and again after an error."""

    def __init__(self, url: URL, node: str) -> None:
        self._dsn = dsn_of(url)
        self._node = node
        self._connection: Any = None

    async def write(self, rows: Sequence[Row]) -> Sequence[int]:
        """Commit the rows and give their ids."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._write(rows)
        except TimeoutError:
            self.drop()
            raise TimeoutError(f"PostgreSQL did not answer within {PATIENCE_S:g} s") from None
        except BaseException:
            self.drop()
            raise

    async def close(self) -> None:
        """Close the connection."""
        self.drop()
        await asyncio.sleep(0)

    def drop(self) -> None:
        """Leave the connection as it is: what it was asked is done or not."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def _write(self, rows: Sequence[Row]) -> Sequence[int]:
        if self._connection is None or self._connection.is_closed():
            self._connection = await connect(
                self._dsn, name="isp-plugins events", within=PATIENCE_S, synchronous_commit="on"
            )
        columns = list(zip(*rows, strict=True))
        hooks = ",".join(sorted({row[1] for row in rows}))
        told = f"written {self._node} {hooks if len(hooks) < MAX_TOLD else '*'}"
        owed = list({int(one) for row in rows for one in row[6].split(",") if one})
        own = f"{self._node}/"
        ids, _ = await self._connection.fetchrow(_POSTGRES, *columns, self._node, told, owed, own)
        return list(ids)


class PostgresLine:
    """PostgreSQL for the journal's thread: a small loop runs while the thread waits for an answer."""

    def __init__(self, url: URL, node: str) -> None:
        self._loop = uvloop.new_event_loop()
        self._awaited = PostgresConnection(url, node)

    def write(self, rows: Sequence[Row]) -> Sequence[int]:
        """Commit the rows and give their ids."""
        return self._loop.run_until_complete(self._write(rows))

    async def _write(self, rows: Sequence[Row]) -> Sequence[int]:
        await asyncio.sleep(0)  # lets a connection that was lost meanwhile say so
        return await self._awaited.write(rows)

    def close(self) -> None:
        """Close the connection."""
        self._loop.run_until_complete(self._awaited.close())
        self._loop.close()
