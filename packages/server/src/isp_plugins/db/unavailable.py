"""Tells a database that cannot work now from a statement that is wrong.

1. A lost or refused connection, a lock waited for too long, a full or failing disk, too many connections, a deadlock and a server
   that shuts down: the same request may succeed later.
2. Everything else (a broken constraint, bad SQL) is the caller's.
"""

from sqlalchemy.exc import DBAPIError

SQLITE_PRIMARY_CODES = frozenset({5, 6, 8, 10, 13, 14, 15, 26})
"""BUSY, LOCKED, READONLY, IOERR, FULL, CANTOPEN, PROTOCOL, NOTADB; https://sqlite.org/rescode.html"""
POSTGRESQL_CLASSES = ("08", "25P03", "53", "57P", "58", "40001", "40P01", "55P03", "28", "3D000")
"""SQLSTATE prefixes: connection, an idle transaction that was ended, resources, shutdown, input/output, serialisation, deadlock, lock, log-in, no such database."""


def is_unavailable(error: DBAPIError) -> bool:
    """Whether the same request may succeed later."""
    if error.connection_invalidated:
        return True
    original = error.orig
    sqlstate = getattr(original, "sqlstate", None)
    if isinstance(sqlstate, str):
        return sqlstate.startswith(POSTGRESQL_CLASSES)
    code = getattr(original, "sqlite_errorcode", None)
    # SQLite's extended codes keep the primary one in their lowest byte.
    return isinstance(code, int) and code & 0xFF in SQLITE_PRIMARY_CODES


def short_cause(error: BaseException) -> str:
    """The driver's own words in one line, without the statement and its values."""
    original = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    lines = str(original).strip().splitlines()
    # SQLAlchemy's asyncpg adapter puts the driver's class before its words.
    return (lines[0].rpartition(">: ")[2] if lines else "") or type(original).__name__
