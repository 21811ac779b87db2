"""The audit trail on real databases: what is recorded, and that whatever is changed behind its back is found."""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from isp_plugins.actors import Actor, ActorType
from isp_plugins.audit import AuditFilters, AuditLog, AuditOutcome, AuditTag, FindingKind
from isp_plugins.db.engine import Database
from isp_plugins.keyring import KeyRing
from isp_plugins.testing import FakeClock

ADA = Actor(ActorType.API_KEY, "7", "ada", "192.0.2.1")
DETAILS: dict[str, Any] = {
    "version": 2,
    "ratio": 0.1,
    "whole": 3.0,
    "big": 1e300,
    "text": "é\x00\ud800",
    "list": [1, None, True],
    "deep": {"b": {}},
}


@pytest.fixture
def audit(database: Database, keyring: KeyRing, clock: FakeClock) -> AuditLog:
    return AuditLog(database, keyring, node="local", clock=clock)


async def record(audit: AuditLog, count: int) -> None:
    for number in range(1, count + 1):
        await audit.record_alone(
            AuditTag.PLUGIN_ENABLED, ADA, subject=("plugin", str(number)), details=DETAILS, request_id="r-1"
        )


async def change(database: Database, *statements: str) -> None:
    async with database.transaction() as session:
        for statement in statements:
            await session.execute(text(statement))


async def test_a_trail_that_nobody_touched_is_whole(audit: AuditLog) -> None:
    await record(audit, 5)
    report = await audit.verify()
    assert report.ok, report.findings
    assert (report.entries, report.nodes) == (5, ("local",))


async def test_an_empty_trail_is_whole(audit: AuditLog) -> None:
    assert (await audit.verify()).ok


async def test_an_entry_is_gone_with_the_transaction_it_tells_of(audit: AuditLog, database: Database) -> None:
    with contextlib.suppress(ZeroDivisionError):
        async with database.transaction() as session:
            await audit.record(session, AuditTag.PLUGIN_DELETED, ADA, subject=("plugin", "1"))
            raise ZeroDivisionError
    assert (await audit.page()).total == 0


async def test_writers_at_the_same_time_make_one_chain(
    audit: AuditLog, database: Database, keyring: KeyRing, clock: FakeClock
) -> None:
    other = AuditLog(database, keyring, node="local", clock=clock)
    await asyncio.gather(*(record(log, 4) for log in (audit, other, audit, other)))
    report = await audit.verify()
    assert report.ok, report.findings
    assert report.entries == 16


async def test_each_node_has_a_chain_of_its_own(
    audit: AuditLog, database: Database, keyring: KeyRing, clock: FakeClock
) -> None:
    await record(audit, 2)
    await record(AuditLog(database, keyring, node="other", clock=clock), 3)
    report = await audit.verify()
    assert report.ok, report.findings
    assert report.nodes == ("local", "other")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("node", "'elsewhere'"),
        ("sequence", "9"),
        ("id", "900"),
        ("at", "'2031-01-01 00:00:00.000000'"),
        ("tag", "'plugin.disabled'"),
        ("outcome", "'refused'"),
        ("actor_type", "'system'"),
        ("actor_id", "'8'"),
        ("actor_name", "'eve'"),
        ("source", "NULL"),
        ("request_id", "'r-2'"),
        ("subject_type", "'hook'"),
        ("subject_id", "'99'"),
        ("details", "'{}'"),
        ("key_id", "'00000000'"),
    ],
)
async def test_an_edited_column_is_found(
    audit: AuditLog, database: Database, column: str, value: str
) -> None:
    await record(audit, 4)
    await change(database, f"UPDATE audit_entries SET {column} = {value} WHERE sequence = 2")
    assert not (await audit.verify()).ok


@pytest.mark.parametrize("number", [1, 2, 4])
async def test_an_edited_entry_is_named(audit: AuditLog, database: Database, number: int) -> None:
    await record(audit, 4)
    await change(database, f"UPDATE audit_entries SET subject_id = '99' WHERE sequence = {number}")
    (finding,) = (await audit.verify()).findings
    assert (finding.kind, finding.node, finding.sequence) == (FindingKind.EDITED, "local", number)


@pytest.mark.parametrize("number", [1, 2, 4])
async def test_an_edited_mac_is_named_and_does_not_taint_the_next(
    audit: AuditLog, database: Database, number: int
) -> None:
    await record(audit, 4)
    blob = "x'" + "ab" * 32 + "'" if database.dialect == "sqlite" else "'\\x" + "ab" * 32 + "'"
    await change(database, f"UPDATE audit_entries SET mac = {blob} WHERE sequence = {number}")
    (finding,) = (await audit.verify()).findings
    assert (finding.kind, finding.sequence) == (FindingKind.EDITED, number)


@pytest.mark.parametrize("number", [1, 3])
async def test_a_removed_entry_is_named(audit: AuditLog, database: Database, number: int) -> None:
    await record(audit, 4)
    await change(database, f"DELETE FROM audit_entries WHERE sequence = {number}")
    (finding,) = (await audit.verify()).findings
    assert (finding.kind, finding.sequence) == (FindingKind.REMOVED, number)


async def test_a_cut_tail_is_named(audit: AuditLog, database: Database) -> None:
    await record(audit, 5)
    await change(database, "DELETE FROM audit_entries WHERE sequence > 3")
    (finding,) = (await audit.verify()).findings
    assert (finding.kind, finding.sequence) == (FindingKind.CUT_OFF, 4)
    assert "entries 4 to 5" in finding.expected


async def test_two_entries_changing_places_are_found(audit: AuditLog, database: Database) -> None:
    await record(audit, 4)
    swap = [
        f"UPDATE audit_entries SET sequence = {new} WHERE sequence = {old}"
        for old, new in ((2, 99), (3, 2), (99, 3))
    ]
    await change(database, *swap)
    assert {finding.sequence for finding in (await audit.verify()).findings} >= {2, 3}


async def test_a_copied_entry_is_found(audit: AuditLog, database: Database) -> None:
    await record(audit, 3)
    columns = "node, at, tag, outcome, actor_type, actor_id, actor_name, source, request_id, subject_type, subject_id, details, key_id, mac"
    await change(
        database,
        f"INSERT INTO audit_entries (id, sequence, {columns}) SELECT 50, 4, {columns} FROM audit_entries WHERE sequence = 2",
    )
    assert not (await audit.verify()).ok


@pytest.mark.parametrize(
    ("column", "value"), [("count", "2"), ("count", "4"), ("key_id", "'00000000'"), ("node", "'elsewhere'")]
)
async def test_an_edited_head_is_found(audit: AuditLog, database: Database, column: str, value: str) -> None:
    await record(audit, 3)
    await change(database, f"UPDATE audit_heads SET {column} = {value}")
    assert not (await audit.verify()).ok


@pytest.mark.parametrize("column", ["mac", "seal"])
async def test_an_edited_head_hash_is_found(audit: AuditLog, database: Database, column: str) -> None:
    await record(audit, 3)
    blob = "x'" + "ab" * 32 + "'" if database.dialect == "sqlite" else "'\\x" + "ab" * 32 + "'"
    await change(database, f"UPDATE audit_heads SET {column} = {blob}")
    assert FindingKind.HEAD_EDITED in {finding.kind for finding in (await audit.verify()).findings}


async def test_a_removed_head_is_found(audit: AuditLog, database: Database) -> None:
    await record(audit, 3)
    await change(database, "DELETE FROM audit_heads")
    assert [finding.kind for finding in (await audit.verify()).findings] == [FindingKind.HEAD_MISSING]


async def test_writing_on_does_not_hide_an_edited_head(audit: AuditLog, database: Database) -> None:
    await record(audit, 3)
    await change(
        database,
        "DELETE FROM audit_entries WHERE sequence = 3",
        "UPDATE audit_heads SET count = 2, mac = (SELECT mac FROM audit_entries WHERE sequence = 2)",
    )
    await record(audit, 1)
    assert [(finding.kind, finding.sequence) for finding in (await audit.verify()).findings] == [
        (FindingKind.CUT_OFF, 3)
    ]


async def test_a_rotated_key_leaves_the_trail_whole(
    database: Database, clock: FakeClock, tmp_path: Path
) -> None:
    from isp_plugins.settings import Settings

    ring = KeyRing.load(Settings(data_dir=tmp_path), ciphertext_exists=False)
    audit = AuditLog(database, ring, node="local", clock=clock)
    await record(audit, 2)
    ring.rotate_file()
    await record(audit, 2)
    report = await audit.verify()
    assert report.ok, report.findings


async def test_an_entry_whose_key_is_lost_is_a_finding(
    audit: AuditLog, database: Database, clock: FakeClock
) -> None:
    await record(audit, 1)
    stranger = AuditLog(database, KeyRing([bytes(32)]), node="local", clock=clock)
    assert {finding.kind for finding in (await stranger.verify()).findings} == {FindingKind.KEY_MISSING}


@pytest.fixture
def at_two_moments(audit: AuditLog, clock: FakeClock) -> Callable[[], Any]:
    async def fill() -> None:
        await audit.record_alone(AuditTag.PLUGIN_ENABLED, ADA, subject=("plugin", "1"))
        clock.advance(60)
        await audit.record_alone(AuditTag.KEY_CREATED, ADA, subject=("key", "1"), outcome=AuditOutcome.FAILED)

    return fill


@pytest.mark.parametrize(
    ("filters", "subjects"),
    [
        (AuditFilters(), ["key", "plugin"]),
        (AuditFilters(tag="plugin.enabled"), ["plugin"]),
        (AuditFilters(tag="key"), ["key"]),
        (AuditFilters(tag="k%"), []),
        (AuditFilters(actor="ada"), ["key", "plugin"]),
        (AuditFilters(actor="eve"), []),
        (AuditFilters(subject="plugin"), ["plugin"]),
        (AuditFilters(subject="plugin/2"), []),
        (AuditFilters(since=FakeClock().now().replace(second=30)), ["key"]),
        (AuditFilters(until=FakeClock().now().replace(second=30)), ["plugin"]),
        (AuditFilters(outcome=AuditOutcome.FAILED), ["key"]),
    ],
)
async def test_a_page_holds_what_its_filters_name(
    audit: AuditLog, at_two_moments: Callable[[], Any], filters: AuditFilters, subjects: list[str]
) -> None:
    await at_two_moments()
    assert [entry.subject_type for entry in (await audit.page(filters=filters)).items] == subjects


async def test_refusals_are_summed_by_source_and_minute(audit: AuditLog, clock: FakeClock) -> None:
    for _ in range(1000):
        audit.count_refused_authentication("198.51.100.9")
    await audit.flush()
    assert (await audit.page()).total == 0
    clock.advance(60)
    await audit.flush()
    (entry,) = (await audit.page()).items
    assert (entry.tag, entry.details["count"], entry.actor.source) == (
        AuditTag.AUTHENTICATION_REFUSED,
        1000,
        "198.51.100.9",
    )
