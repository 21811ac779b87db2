"""What only one node may work on at a time: a plugin that is being installed, upgraded or returned to an older release.

1. A claim is a lock of PostgreSQL's on a connection of its own: it ends with the work, with the process, and with the machine.
2. Where the connection is lost the work goes on, and whoever ends first has done it: its last step is conditional (`lifecycle.ledger`).
3. On SQLite there is nobody else.
"""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg

from isp_plugins.db.engine import Database
from isp_plugins.db.errors import DatabaseUnavailableError
from isp_plugins.db.links import CONNECT_TIMEOUT_S, connect
from isp_plugins.db.unavailable import short_cause
from isp_plugins.db.urls import dsn_of
from isp_plugins.errors import ConflictError

_APPLICATION = "isp-plugins of "
_HOLDER = """
SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND l.classid::bigint = $1 AND l.objid::bigint = $2
"""


class ClaimedElsewhereError(ConflictError):
    """Plugin {name} is being installed, upgraded or rolled back by node {node}. Nothing was done here; wait until that has ended, then look at the plugin and ask again."""


class Claims:
    """The claims of one node."""

    def __init__(self, database: Database, node: str) -> None:
        self._dsn = dsn_of(database.url) if database.dialect == "postgresql" else None
        self._node = node

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncIterator[None]:
        """Be the one node that works on the plugin of this name; `ClaimedElsewhereError`, `DatabaseUnavailableError`."""
        if self._dsn is None:
            yield
            return
        connection = await self._claimed(self._dsn, name)
        try:
            yield
        finally:
            with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await connection.close(timeout=CONNECT_TIMEOUT_S)
            connection.terminate()

    async def _claimed(self, dsn: str, name: str) -> "asyncpg.Connection[asyncpg.Record]":
        try:
            application = f"{_APPLICATION}{self._node}"[:63]
            connection = await connect(dsn, name=application, command_timeout=CONNECT_TIMEOUT_S)
        except (OSError, TimeoutError, asyncpg.PostgresError) as error:
            raise _unavailable(error) from error
        try:
            holder = await _lock(connection, name)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            connection.terminate()
            raise _unavailable(error) from error
        except BaseException:
            connection.terminate()
            raise
        if holder is None:
            return connection
        connection.terminate()
        raise ClaimedElsewhereError(name=name, node=holder)


async def _lock(connection: "asyncpg.Connection[asyncpg.Record]", name: str) -> str | None:
    """Take the plugin's lock; the node that has it, where that is another."""
    high, low = _key(name)
    if await connection.fetchval("SELECT pg_try_advisory_lock($1)", _signed(high << 32 | low)):
        return None
    holder = await connection.fetchval(_HOLDER, high, low)
    return str(holder or "").removeprefix(_APPLICATION) or "(which has just ended it)"


def _unavailable(error: BaseException) -> DatabaseUnavailableError:
    return DatabaseUnavailableError(dialect="postgresql", cause=short_cause(error))


def _key(name: str) -> tuple[int, int]:
    """The lock of a plugin, as the two halves under which PostgreSQL shows it."""
    digest = hashlib.sha256(f"isp-plugins plugin {name}".encode()).digest()
    return int.from_bytes(digest[:4], "big"), int.from_bytes(digest[4:8], "big")


def _signed(number: int) -> int:
    return number - (1 << 64) if number >= 1 << 63 else number
