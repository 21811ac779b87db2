"""Writes batches of log rows."""

from collections.abc import Sequence

from sqlalchemy import insert
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, StatementError

from isp_plugins.db.engine import Database
from isp_plugins.db.tables.logs import PluginLog
from isp_plugins.telemetry.buffer import Row

INSERT = insert(PluginLog)
ROWS_A_STATEMENT = 250
"""Preparing a row costs the event loop about 10 us: between statements others have their turn."""
VALUE_ERRORS = (ValueError, TypeError, OverflowError, IntegrityError, DataError)


async def store(database: Database, rows: Sequence[Row]) -> list[Row]:
    """Insert the rows in one transaction and return those that the database refuses for what they hold.

    A refused batch is halved until the bad rows stand alone, so that one row cannot keep the others out. Any other error means that
    nothing was stored.
    """
    try:
        async with database.transaction() as session:
            connection = await session.connection()
            for start in range(0, len(rows), ROWS_A_STATEMENT):
                await connection.execute(INSERT, rows[start : start + ROWS_A_STATEMENT])
    except Exception as error:
        if not _is_about_values(error):
            raise
        if len(rows) == 1:
            return list(rows)
        half = len(rows) // 2
        return await store(database, rows[:half]) + await store(database, rows[half:])
    return []


def _is_about_values(error: Exception) -> bool:
    """Whether the database refuses what the rows hold, instead of not working."""
    if isinstance(error, DBAPIError) and not isinstance(error, VALUE_ERRORS):
        # asyncpg's errors come without a kind of their own; SQLSTATE 22 is bad data, 23 a broken constraint.
        return str(getattr(error.orig, "sqlstate", "")).startswith(("22", "23"))
    return isinstance(error, (*VALUE_ERRORS, StatementError))
