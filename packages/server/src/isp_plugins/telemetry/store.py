"""Writes batches of log rows, and in the same transaction what is counted of them.

1. On SQLite a batch is a few statements of many rows: each statement lets go of Python's lock once, so that a thread that computes
   without a pause costs a batch a few switches instead of one a row.
2. On PostgreSQL the nodes store one after the other: ids become visible in their order, which is what followers rely on.
3. A row that the database refuses for what it holds is left out; the others are stored all the same, all or none of them.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import Table, insert, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, StatementError
from sqlalchemy.ext.asyncio import AsyncConnection

from isp_plugins.db.engine import Database
from isp_plugins.db.tables.logs import PluginLog, PluginLogTotals
from isp_plugins.telemetry.buffer import Row, size_of

ROWS_A_STATEMENT = 250
"""Preparing a row costs the event loop a few us: between statements others have their turn."""
ORDER_LOCK = 0x69737070_6C6F6773
"""PostgreSQL's lock of whoever stores logs: "ispplogs" in ASCII."""
VALUE_ERRORS = (ValueError, TypeError, AttributeError, OverflowError, IntegrityError, DataError)
"""What a row that cannot be stored raises, on its way to the database or in it."""
COLUMNS = (
    "at",
    "node",
    "plugin_id",
    "plugin_name",
    "level",
    "message",
    "hook",
    "method",
    "request_id",
    "duration_ms",
    "traceback",
)
ADDED = ("records", "bytes", "written", "dropped", "deleted_by_age", "deleted_by_size")
_TOTALS = cast("Table", PluginLogTotals.__table__)
_moment = PluginLog.at.type.bind_processor(sqlite.dialect())

Lost = Mapping[tuple[int, str], int]
"""How many records of a plugin (id and name) were dropped."""
Insert = Callable[[AsyncConnection, Sequence[Row]], Awaitable[list[Row]]]


async def store(database: Database, rows: Sequence[Row], lost: Lost | None = None) -> list[Row]:
    """Store the rows, count them and what was lost, and return the rows that the database refuses for what they hold.

    Any other error means that nothing was stored.
    """
    try:
        return await _store(database, rows, lost or {}, _insert_all)
    except Exception as error:
        if not _is_about_values(error):
            raise
    return await _store(database, rows, lost or {}, _insert_fitting)


async def _store(database: Database, rows: Sequence[Row], lost: Lost, insert_rows: Insert) -> list[Row]:
    async with database.transaction() as session:
        connection = await session.connection()
        if database.dialect == "postgresql":
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ORDER_LOCK})
        refused = await insert_rows(connection, rows)
        counted = totals_of(_without(rows, refused), lost)
        if counted:
            await connection.execute(_count_in(database.dialect), counted)
    return refused


async def _insert_all(connection: AsyncConnection, rows: Sequence[Row]) -> list[Row]:
    for start in range(0, len(rows), ROWS_A_STATEMENT):
        some = rows[start : start + ROWS_A_STATEMENT]
        if connection.dialect.name == "sqlite":
            values = tuple(value for row in some for value in _values(row))
            await connection.exec_driver_sql(_insert_many(len(some)), values)
        else:
            await connection.execute(insert(PluginLog), some)
    return []


async def _insert_fitting(connection: AsyncConnection, rows: Sequence[Row]) -> list[Row]:
    """Halve what is refused until the bad rows stand alone."""
    try:
        async with connection.begin_nested():
            return await _insert_all(connection, rows)
    except Exception as error:
        if not _is_about_values(error):
            raise
    if len(rows) == 1:
        return list(rows)
    half = len(rows) // 2
    return await _insert_fitting(connection, rows[:half]) + await _insert_fitting(connection, rows[half:])


def totals_of(rows: Sequence[Row], lost: Lost) -> list[dict[str, Any]]:
    """What the rows and the losses add to each plugin's counts, in the order of ids, so that nodes never wait for each other in a circle."""
    found: dict[int, dict[str, Any]] = {}
    for row in rows:
        count = found.get(row["plugin_id"]) or _nothing(found, row["plugin_id"])
        count["plugin_name"] = row["plugin_name"]
        count["records"] += 1
        count["bytes"] += size_of(row)
    for count in found.values():
        count["written"] = count["records"]
    for (plugin_id, name), number in lost.items():
        count = found.get(plugin_id) or _nothing(found, plugin_id)
        count["plugin_name"] = name
        count["dropped"] += number
    return [found[plugin_id] for plugin_id in sorted(found)]


def _nothing(found: dict[int, dict[str, Any]], plugin_id: int) -> dict[str, Any]:
    count = found[plugin_id] = {"plugin_id": plugin_id, **dict.fromkeys(ADDED, 0), "deleted_through": 0}
    return count


@lru_cache
def _count_in(dialect: str) -> Any:
    """Add to a plugin's counts, or begin them."""
    new = (postgresql.insert if dialect == "postgresql" else sqlite.insert)(_TOTALS)
    added = {name: _TOTALS.c[name] + new.excluded[name] for name in ADDED}
    return new.on_conflict_do_update(
        index_elements=[_TOTALS.c.plugin_id], set_={"plugin_name": new.excluded.plugin_name, **added}
    )


def _without(rows: Sequence[Row], refused: Sequence[Row]) -> Sequence[Row]:
    left_out = set(map(id, refused))
    return [row for row in rows if id(row) not in left_out] if refused else rows


def _values(row: Row) -> tuple[Any, ...]:
    """A row as SQLite takes it."""
    moment = _moment(row["at"]) if _moment else row["at"]
    return moment, *(row[name] for name in COLUMNS[1:])


@lru_cache
def _insert_many(count: int) -> str:
    """The statement that inserts so many rows; made of constants only."""
    one = f"({', '.join('?' * len(COLUMNS))})"
    return f"INSERT INTO {PluginLog.__tablename__} ({', '.join(COLUMNS)}) VALUES {', '.join([one] * count)}"  # noqa: S608  no value is in it


def _is_about_values(error: Exception) -> bool:
    """Whether the database refuses what the rows hold, instead of not working."""
    if isinstance(error, DBAPIError) and not isinstance(error, VALUE_ERRORS):
        # asyncpg's errors come without a kind of their own; SQLSTATE 22 is bad data, 23 a broken constraint.
        return str(getattr(error.orig, "sqlstate", "")).startswith(("22", "23"))
    return isinstance(error, (*VALUE_ERRORS, StatementError))
