"""Reads what the database says of itself: schema, integrity, latency, clock; keys and audit heads against it.

1. A SQLite file is looked at through a connection of the doctor's own that cannot write: a file that is foreign, damaged or newer is
   left as it is, and a long check can be interrupted.
2. Write latency is measured with a row that is written as it was.
"""

import asyncio
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError

from isp_plugins.audit import rows
from isp_plugins.audit.chain import same
from isp_plugins.audit.head_file import HeadFile, HeadFileUnreadableError
from isp_plugins.audit.verification import SealedHead
from isp_plugins.audit.writer import AuditKeys
from isp_plugins.clock import Clock
from isp_plugins.configuration.cipher import ConfigurationCipher
from isp_plugins.configuration.store import encrypted_rows
from isp_plugins.db.engine import Database
from isp_plugins.db.errors import DatabaseUnavailableError
from isp_plugins.db.migrate import known_revisions, read_schema
from isp_plugins.db.schema_state import Found
from isp_plugins.db.tables import AuditEntry, Plugin
from isp_plugins.db.unavailable import short_cause
from isp_plugins.db.urls import POSTGRESQL, SQLITE, sqlite_file
from isp_plugins.keyring import KeyRing, SecretUnreadableError
from isp_plugins.lifecycle.doctor.facts import DatabaseFacts, HeadFacts
from isp_plugins.lifecycle.doctor.findings import Unread

INTEGRITY_WITHIN_S = 5.0
"""SQLite reads some 500 MB/s; a larger database's check is given up and told as not made."""
COMPLAINTS = 3
INSTRUCTIONS_BETWEEN_LOOKS = 10_000
WRITES = 5
UNAVAILABLE = (DatabaseUnavailableError, SQLAlchemyError)
_SAME_AGAIN = text("UPDATE system_metadata SET value = value WHERE name = 'application'")
_CLOCK = {
    SQLITE: "SELECT (julianday('now') - 2440587.5) * 86400.0",
    POSTGRESQL: "SELECT extract(epoch FROM clock_timestamp())",
}


async def database_facts(
    url: str, database: Database | Unread, clock: Clock, *, within_s: float = INTEGRITY_WITHIN_S
) -> DatabaseFacts:
    """What there is at the URL; `database` is open, or could not be (then a SQLite file is still looked at)."""
    file = sqlite_file(url)
    facts: dict[str, Any] = {"dialect": SQLITE if file else POSTGRESQL, "known_revisions": known_revisions()}
    if file is not None:
        facts |= await asyncio.to_thread(_look_into, file, within_s)
    elif isinstance(database, Unread):
        facts |= {"answers": database, "schema": database}
    else:
        facts |= await _postgresql_schema(database)
    if isinstance(database, Unread) or isinstance(facts["answers"], Unread):
        why = database if isinstance(database, Unread) else Unread("the database does not answer")
        return DatabaseFacts(**facts, write_ms=why, clock_ahead_s=why)
    return DatabaseFacts(
        **facts, write_ms=await _write_latency(database), clock_ahead_s=await _clock_ahead(database, clock)
    )


def _look_into(file: Path, within_s: float) -> dict[str, Any]:
    """A SQLite file, read only."""
    if not file.exists():
        return {"answers": False, "schema": Unread("there is no database yet")}
    facts: dict[str, Any] = {"answers": True, "size": _size(file), "wal_size": _size(Path(f"{file}-wal"))}
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=within_s)) as connection:
            facts["schema"] = _schema(connection)
            facts["integrity"] = _quick_check(connection, within_s)
    except (sqlite3.Error, OSError) as error:
        facts |= {"answers": Unread(f"{file}: {error}"), "schema": Unread("the database cannot be read")}
    return facts


def _schema(connection: sqlite3.Connection) -> Found:
    tables = frozenset(
        name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    )
    if not {"system_metadata", "alembic_version"} <= tables:
        return Found(tables - {"sqlite_sequence"})
    named = dict(connection.execute("SELECT name, value FROM system_metadata").fetchall())
    revision = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return Found(tables, named.get("application"), revision and revision[0], named.get("compatible_from"))


def _quick_check(connection: sqlite3.Connection, within_s: float) -> list[str] | Unread:
    deadline = time.monotonic() + within_s
    connection.set_progress_handler(lambda: time.monotonic() > deadline, INSTRUCTIONS_BETWEEN_LOOKS)
    try:
        found = [row[0] for row in connection.execute(f"PRAGMA quick_check({COMPLAINTS})")]
    except sqlite3.OperationalError as error:
        if "interrupt" not in str(error):
            raise
        return Unread(
            f"it takes longer than {within_s:g} s with a database of this size; 'PRAGMA quick_check' in sqlite3 makes it"
        )
    return [] if found == ["ok"] else found


async def _postgresql_schema(database: Database) -> dict[str, Any]:
    try:
        async with database.reading() as session:
            connection = await session.connection()
            return {"answers": True, "schema": await connection.run_sync(read_schema)}
    except UNAVAILABLE as error:
        return {"answers": Unread(cause_of(error)), "schema": Unread("the database does not answer")}


async def _write_latency(database: Database) -> Sequence[float] | Unread:
    found = []
    try:
        for _ in range(WRITES):
            began = time.perf_counter()
            async with database.transaction() as session:
                await session.execute(_SAME_AGAIN)
            found.append((time.perf_counter() - began) * 1000)
    except UNAVAILABLE as error:
        return Unread(f"a write fails: {cause_of(error)}")
    return found


async def _clock_ahead(database: Database, clock: Clock) -> float | Unread:
    try:
        async with database.reading() as session:
            before = clock.now().timestamp()
            said = float((await session.scalar(text(_CLOCK[database.dialect]))) or 0.0)
            after = clock.now().timestamp()
    except UNAVAILABLE as error:
        return Unread(cause_of(error))
    return said - (before + after) / 2


async def unreadable_secrets(database: Database, keyring: KeyRing) -> tuple[int, Mapping[str, int]]:
    """How many secrets are stored, and how many of each plugin no key opens."""
    cipher, unreadable = ConfigurationCipher(keyring), Counter[int]()
    async with database.reading() as session:
        stored = await encrypted_rows(session)
        names = {row.id: row.name for row in await session.execute(select(Plugin.id, Plugin.name))}
    for row in stored:
        try:
            cipher.open(row.plugin_id, row.key, row.ciphertext or b"")
        except SecretUnreadableError:
            unreadable[row.plugin_id] += 1
    return len(stored), {
        names.get(plugin_id, f"plugin {plugin_id}"): count for plugin_id, count in unreadable.items()
    }


async def audit_heads(database: Database, keyring: KeyRing, head_file: Path | None) -> list[HeadFacts]:
    """The end of every node's chain."""
    keys = AuditKeys(keyring)
    async with database.reading() as session:
        heads = await rows.heads(session)
        newest = select(AuditEntry.node, func.max(AuditEntry.sequence).label("last")).group_by(
            AuditEntry.node
        )
        last = {row.node: row.last for row in await session.execute(newest)}
        macs = {
            node: await session.scalar(
                select(AuditEntry.mac).where(AuditEntry.node == node, AuditEntry.sequence == sequence)
            )
            for node, sequence in last.items()
        }
    file = _read(head_file)
    return [
        _head(node, heads.get(node), (last.get(node, 0), macs.get(node)), keys.get, file)
        for node in sorted({*heads, *last, *([file.head.node] if file else [])})
    ]


def _head(
    node: str,
    sealed: SealedHead | None,
    newest: tuple[int, bytes | None],
    key_of: Callable[[str], bytes | None],
    file: SealedHead | None,
) -> HeadFacts:
    (last, mac), key = newest, key_of(sealed.head.key_id) if sealed else None
    return HeadFacts(
        node=node,
        head_count=sealed.head.count if sealed else None,
        last_sequence=last,
        mac_fits=sealed is not None and mac is not None and same(sealed.head.mac, mac),
        seal_fits=same(sealed.head.seal(key), sealed.seal) if sealed and key else None,
        file_count=file.head.count if file and file.head.node == node else None,
    )


def _read(head_file: Path | None) -> SealedHead | None:
    try:
        return HeadFile(head_file).read() if head_file else None
    except HeadFileUnreadableError:
        return None


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def cause_of(error: BaseException) -> str:
    """An error of the database in one line."""
    return str(error) if isinstance(error, DatabaseUnavailableError) else short_cause(error)
