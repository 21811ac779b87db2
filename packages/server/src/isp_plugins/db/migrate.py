"""Brings a database to this version's schema at start: under a lock, after a backup, whole or not at all.

1. SQLite: `flock` on `<file>.migrate`; PostgreSQL: an advisory lock. Whoever waited finds the work done.
2. All migrations that are due run in one transaction, on both databases: a killed process leaves the schema as it was.
3. An older SQLite file is copied to the backup folder first, under a name that says from which schema and when.
4. Newer and foreign databases are refused untouched; `schema_state` decides.
5. A migration says with which older schema's code its own can still be used (`compatible_from` in its file): it expands. One that
   does not say so contracts: it is for its own version only, and refused while nodes of an older one live.
"""

import asyncio
import fcntl
import functools
import os
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from types import MappingProxyType

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, select, text, update
from sqlalchemy.exc import SQLAlchemyError

from isp_plugins.clock import Clock, SystemClock
from isp_plugins.db.database_time import now_of
from isp_plugins.db.engine import Database
from isp_plugins.db.errors import MigrationFailedError, MigrationTooEarlyError
from isp_plugins.db.schema_state import Found, Step, compatible_from, step_for
from isp_plugins.db.tables.nodes import NodeRow
from isp_plugins.db.tables.system import SystemMetadata
from isp_plugins.db.unavailable import short_cause
from isp_plugins.db.urls import sqlite_file
from isp_plugins.durable_file import replace_when_written

ADVISORY_LOCK = 0x697370706C7567
"""PostgreSQL's lock of the migration: "ispplug" in ASCII."""
LIVES_S = 60.0
"""A node counts as living so long after its last heartbeat, where nobody is left to miss it."""
MIGRATIONS = Path(__file__).parent / "migrations"


async def migrate(
    url: str,
    *,
    backup_folder: Path,
    clock: Clock | None = None,
    migrations: Path = MIGRATIONS,
    home: str = "",
) -> None:
    """Create or upgrade the database; a `StartupError` or `DatabaseUnavailableError` leaves it as it was.

    `migrations` is Alembic's script folder: this version's own, unless a test brings another. `home` is the data directory that this
    process has locked: a node that had it lives no more.
    """
    file = sqlite_file(url)
    async with _file_lock(file):
        database = await Database.open(url)
        try:
            await _migrate(database, file, backup_folder, clock or SystemClock(), migrations, home)
        finally:
            await database.close()


def known_revisions(migrations: Path = MIGRATIONS) -> list[str]:
    """Every revision of this version, oldest first."""
    return list(marks(migrations))


@functools.cache
def marks(migrations: Path = MIGRATIONS) -> Mapping[str, str]:
    """Every revision of this version, oldest first, with the oldest one whose code can use its schema; read once, as code is."""
    scripts = [*ScriptDirectory.from_config(_config(migrations)).walk_revisions()][::-1]
    return MappingProxyType(
        {script.revision: getattr(script.module, "compatible_from", script.revision) for script in scripts}
    )


async def _migrate(  # noqa: PLR0917  what `migrate` was given
    database: Database, file: Path | None, backup_folder: Path, clock: Clock, migrations: Path, home: str
) -> None:
    marked = marks(migrations)
    known = list(marked)
    async with database.transaction() as session:
        connection = await session.connection()
        if file is None:
            await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
        found = await connection.run_sync(read_schema)
        step = step_for(found, known)
        if step is Step.KEEP:
            return
        oldest = compatible_from(found, marked)
        if step is Step.UPGRADE and "nodes" in found.tables:
            await connection.run_sync(_refuse_older_nodes, known[: known.index(oldest)], known[-1], home)
        backup = None
        try:
            if step is Step.UPGRADE and file is not None:
                backup = await asyncio.to_thread(_back_up, file, backup_folder, found.revision, clock)
            await connection.run_sync(_upgrade, _config(migrations), oldest)
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            raise MigrationFailedError(
                found=found.revision or "(none)",
                target=known[-1],
                cause=short_cause(error),
                backup=f"; a backup is in {backup}" if backup else "",
            ) from error


def read_schema(connection: Connection) -> Found:
    """What there is in the database: tables and, if they are ours, the marks that say of which version."""
    tables = frozenset(inspect(connection).get_table_names())
    if not {"system_metadata", "alembic_version"} <= tables:
        return Found(tables)
    facts = {
        row.name: row.value for row in connection.execute(text("SELECT name, value FROM system_metadata"))
    }
    return Found(
        tables,
        application=facts.get("application"),
        revision=connection.scalar(text("SELECT version_num FROM alembic_version")),
        compatible_from=facts.get("compatible_from"),
    )


def _upgrade(connection: Connection, config: Config, oldest: str) -> None:
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    mark = update(SystemMetadata).where(SystemMetadata.name == "compatible_from")
    connection.execute(mark.values(value=oldest))


def _refuse_older_nodes(connection: Connection, too_old: Sequence[str], target: str, home: str) -> None:
    """`MigrationTooEarlyError` with the nodes that live and could not go on."""
    living = select(NodeRow.name, NodeRow.version, NodeRow.revision).where(
        NodeRow.state == "alive",
        NodeRow.seen_at > now_of(connection.dialect.name) - LIVES_S,
        NodeRow.home != home,
        NodeRow.revision.in_(too_old),
    )
    found = connection.execute(living.order_by(NodeRow.name)).all()
    if found:
        nodes = ", ".join(f"{row.name} (version {row.version}, schema {row.revision})" for row in found)
        raise MigrationTooEarlyError(target=target, nodes=nodes)


def _config(migrations: Path) -> Config:
    config = Config()
    # The interpolation of Config treats a percent sign in a path as its own.
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _back_up(file: Path, folder: Path, revision: str | None, clock: Clock) -> Path:
    """A consistent copy of the file, complete or absent, for its owner alone."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    moment = clock.now().strftime("%Y%m%dT%H%M%SZ")
    target = folder / f"{file.stem}-schema-{revision}-{moment}.db"
    with (
        replace_when_written(target) as part,
        closing(sqlite3.connect(file)) as source,
        closing(sqlite3.connect(part)) as copy,
    ):
        source.backup(copy)
    return target


@asynccontextmanager
async def _file_lock(file: Path | None) -> AsyncIterator[None]:
    """Wait for whoever else migrates this SQLite file; PostgreSQL has a lock of its own."""
    if file is None:
        yield
        return
    with _lock_file(file) as handle:
        await asyncio.to_thread(fcntl.flock, handle, fcntl.LOCK_EX)
        yield


@contextmanager
def _lock_file(file: Path) -> Iterator[int]:
    try:
        handle = os.open(f"{file}.migrate", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise MigrationFailedError(
            found="(unread)", target=known_revisions()[-1], cause=str(error), backup=""
        ) from error
    try:
        yield handle
    finally:
        os.close(handle)
