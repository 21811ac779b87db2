"""What is gathered from real databases, whole and damaged."""

import shutil
import sqlite3
from pathlib import Path

import pytest

from isp_plugins.actors import HOST
from isp_plugins.audit import AuditLog, AuditTag
from isp_plugins.clock import SystemClock
from isp_plugins.db.schema_state import Step, step_for
from isp_plugins.lifecycle.doctor.findings import Unread
from isp_plugins.lifecycle.doctor.gather_database import audit_heads, database_facts
from isp_plugins.lifecycle.doctor.host_checks import check_audit

CLOSED = Unread("not opened")


@pytest.fixture
async def trail(database, keyring, clock):
    audit = AuditLog(database, keyring, node="local", clock=clock)
    for number in range(3):
        await audit.record_alone(AuditTag.PLUGIN_ENABLED, HOST, subject=("plugin", str(number)))
    return audit


async def test_whole_database_is_told_as_it_is(database, database_url):
    facts = await database_facts(database_url, database, SystemClock())
    assert facts.answers is True
    assert step_for(facts.schema, facts.known_revisions) is Step.KEEP
    assert all(latency > 0 for latency in facts.write_ms)
    assert abs(facts.clock_ahead_s) < 5


async def test_sqlite_database_is_checked_and_measured(sqlite_database, sqlite_url):
    facts = await database_facts(sqlite_url, sqlite_database, SystemClock())
    assert facts.integrity == []
    assert facts.size > 0


async def test_missing_file_is_not_made(tmp_path):
    facts = await database_facts(f"sqlite:///{tmp_path / 'absent.db'}", CLOSED, SystemClock())
    assert facts.answers is False
    assert not (tmp_path / "absent.db").exists()


async def test_file_that_is_no_database_does_not_answer(tmp_path):
    (tmp_path / "text.db").write_text("this is a text" * 100)
    facts = await database_facts(f"sqlite:///{tmp_path / 'text.db'}", CLOSED, SystemClock())
    assert "file is not a database" in facts.answers.why


async def test_damaged_page_is_found_or_keeps_the_database_from_answering(migrated_sqlite_file, tmp_path):
    file = tmp_path / "damaged.db"
    shutil.copyfile(migrated_sqlite_file, file)
    content = bytearray(file.read_bytes())
    content[8192:] = b"\xa5" * len(content[8192:])
    file.write_bytes(content)
    facts = await database_facts(f"sqlite:///{file}", CLOSED, SystemClock())
    assert isinstance(facts.answers, Unread) or facts.integrity


async def test_foreign_database_is_left_as_it_is(tmp_path):
    file = tmp_path / "orders.db"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER)")
    connection.close()
    before = file.read_bytes()
    facts = await database_facts(f"sqlite:///{file}", CLOSED, SystemClock())
    assert facts.schema.tables == {"orders"}
    assert file.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["orders.db"]


async def test_check_of_a_large_database_is_given_up_in_time(migrated_sqlite_file, tmp_path):
    file = tmp_path / "large.db"
    shutil.copyfile(migrated_sqlite_file, file)
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE filler (text TEXT)")
        connection.executemany(
            "INSERT INTO filler VALUES (?)", ((str(number) * 20,) for number in range(50_000))
        )
    connection.close()
    facts = await database_facts(f"sqlite:///{file}", CLOSED, SystemClock(), within_s=0.0)
    assert isinstance(facts.integrity, Unread)
    assert facts.answers is True


@pytest.mark.usefixtures("trail")
async def test_head_of_a_whole_trail_fits(database, keyring):
    assert check_audit(await audit_heads(database, keyring, None)).status == "ok"


@pytest.mark.usefixtures("trail")
async def test_cut_trail_is_found(database, keyring):
    from sqlalchemy import text

    async with database.transaction() as session:
        await session.execute(text("DELETE FROM audit_entries WHERE sequence = 3"))
    found = check_audit(await audit_heads(database, keyring, None))
    assert found.status == "problem"
    assert "says 3 entries, the last one is 2" in found.found


@pytest.mark.usefixtures("trail")
async def test_edited_head_is_found(database, keyring):
    from sqlalchemy import text

    async with database.transaction() as session:
        await session.execute(text("UPDATE audit_heads SET count = 2"))
        await session.execute(text("DELETE FROM audit_entries WHERE sequence = 3"))
    assert check_audit(await audit_heads(database, keyring, None)).status == "problem"


async def test_unreadable_head_file_is_no_crash(database, keyring, tmp_path: Path):
    (tmp_path / "audit.head").write_text("{")
    assert await audit_heads(database, keyring, tmp_path / "audit.head") == []
