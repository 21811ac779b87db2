"""Whatever single thing is changed in the audit tables, verification finds it."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isp_plugins.actors import Actor, ActorType
from isp_plugins.audit import AuditLog, AuditTag
from isp_plugins.audit.rows import COLUMNS
from isp_plugins.db.engine import Database
from isp_plugins.keyring import KeyRing
from isp_plugins.testing import FakeClock

ENTRIES = 6
HEAD_COLUMNS = ("node", "count", "mac", "seal", "key_id")
ADA = Actor(ActorType.API_KEY, "7", "ada", "192.0.2.1")
VALUES = st.one_of(
    st.none(),
    st.integers(-2, 12),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(codec="utf-8"), max_size=20),
    st.binary(max_size=40),
    st.sampled_from(
        [
            "{}",
            '{"n": 1, "n": 2}',
            '{"n": 1e0}',
            "[]",
            "NaN",
            b"\xff\xfe",
            "2030-01-01 00:00:00",
            "2030-01-01T00:00:00.000000",
        ]
    ),
)
SEQUENCES = st.integers(1, ENTRIES)
CHANGES = st.one_of(
    st.tuples(st.just("edit"), SEQUENCES, st.sampled_from(COLUMNS), VALUES),
    st.tuples(st.just("flip"), SEQUENCES, st.sampled_from(COLUMNS), st.integers(0, 63)),
    st.tuples(st.just("delete"), SEQUENCES),
    st.tuples(st.just("cut"), SEQUENCES),
    st.tuples(st.just("swap"), SEQUENCES, SEQUENCES),
    st.tuples(st.just("copy"), SEQUENCES, st.integers(-3, 20)),
    st.tuples(st.just("head"), st.sampled_from(HEAD_COLUMNS), VALUES),
    st.tuples(st.just("drop head")),
)


@pytest.fixture
async def recorded(sqlite_url: str, keyring: KeyRing, clock: FakeClock, tmp_path: Path) -> bytes:
    """The content of a database with a few entries, no two alike; its constraints are taken away, as whoever edits a file can."""
    database = await Database.open(sqlite_url)
    audit = AuditLog(database, keyring, node="local", clock=clock)
    for number in range(ENTRIES):
        clock.advance(1)
        await audit.record_alone(
            AuditTag.PLUGIN_ENABLED,
            ADA,
            subject=("plugin", str(number)),
            details={"n": number},
            request_id="r",
        )
    await database.close()
    file = sqlite_url.removeprefix("sqlite:///")
    with sqlite3.connect(file, isolation_level=None) as connection:
        for table in ("audit_entries", "audit_heads"):
            connection.execute(f"CREATE TABLE copied AS SELECT * FROM {table}")
            connection.execute(f"DROP TABLE {table}")
            connection.execute(f"ALTER TABLE copied RENAME TO {table}")
    connection.close()
    return Path(file).read_bytes()


def apply(connection: sqlite3.Connection, change: tuple[Any, ...]) -> None:
    match change:
        case ("edit", sequence, column, value):
            connection.execute(
                f'UPDATE audit_entries SET "{column}" = ? WHERE sequence = ?', (value, sequence)
            )
        case ("flip", sequence, column, place):
            (value,) = connection.execute(
                f'SELECT CAST("{column}" AS BLOB) FROM audit_entries WHERE sequence = ?', (sequence,)
            ).fetchone()
            spoiled = bytearray(value or b"x")
            spoiled[place % len(spoiled)] ^= 1
            kept = bytes(spoiled) if column == "mac" else spoiled.decode("latin-1")
            connection.execute(
                f'UPDATE audit_entries SET "{column}" = ? WHERE sequence = ?', (kept, sequence)
            )
        case ("delete", sequence):
            connection.execute("DELETE FROM audit_entries WHERE sequence = ?", (sequence,))
        case ("cut", sequence):
            connection.execute("DELETE FROM audit_entries WHERE sequence >= ?", (sequence,))
        case ("swap", one, other):
            connection.execute(
                "UPDATE audit_entries SET sequence = CASE sequence WHEN ?1 THEN ?2 ELSE ?1 END WHERE sequence IN (?1, ?2)",
                (one, other),
            )
        case ("copy", sequence, new):
            names = ", ".join(f'"{name}"' for name in COLUMNS if name != "sequence")
            connection.execute(
                f"INSERT INTO audit_entries (sequence, {names}) SELECT ?, {names} FROM audit_entries WHERE sequence = ?",
                (new, sequence),
            )
        case ("head", column, value):
            connection.execute(f'UPDATE audit_heads SET "{column}" = ?', (value,))
        case _:
            connection.execute("DELETE FROM audit_heads")


def content(connection: sqlite3.Connection) -> list[Any]:
    """Everything in both tables, in the order in which it counts."""
    found = []
    for table, names, order in (
        ("audit_entries", COLUMNS, "sequence, id"),
        ("audit_heads", HEAD_COLUMNS, "node"),
    ):
        shown = ", ".join(f'CAST("{name}" AS BLOB)' for name in names)
        found.append(connection.execute(f"SELECT {shown} FROM {table} ORDER BY {order}").fetchall())
    return found


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(change=CHANGES)
async def test_any_single_change_is_found(
    sqlite_url: str, keyring: KeyRing, clock: FakeClock, recorded: bytes, change: tuple[Any, ...]
) -> None:
    file = Path(sqlite_url.removeprefix("sqlite:///"))
    file.write_bytes(recorded)
    connection = sqlite3.connect(file, isolation_level=None)
    before = content(connection)
    apply(connection, change)
    is_changed = content(connection) != before
    connection.close()
    database = await Database.open(sqlite_url)
    report = await AuditLog(database, keyring, node="local", clock=clock).verify()
    await database.close()
    assert report.ok is not is_changed, report.findings
