"""What is wrong with database, disk, folders and backups, decided from facts."""

from pathlib import Path

import pytest

from isp_plugins.db.migrate import known_revisions
from isp_plugins.db.schema_state import APPLICATION, Found
from isp_plugins.lifecycle.doctor.facts import BackupFacts, DatabaseFacts, DiskFacts, FileFacts
from isp_plugins.lifecycle.doctor.findings import Unread
from isp_plugins.lifecycle.doctor.storing import (
    GIB,
    LEAST_FREE,
    age,
    check_backup,
    check_database,
    check_disk,
    check_folders,
    shown,
)

KNOWN = known_revisions()
TABLES = frozenset({"system_metadata", "alembic_version"})
CURRENT = Found(TABLES, APPLICATION, KNOWN[-1])
WELL = {
    "dialect": "sqlite", "answers": True, "schema": CURRENT, "known_revisions": KNOWN, "integrity": [], "size": 1000, "wal_size": 0,
    "write_ms": [1.0, 2.0, 3.0],
}  # fmt: skip


def database(**changes):
    return {finding.check: finding for finding in check_database(DatabaseFacts(**(WELL | changes)))}


def test_well_database_has_nothing_but_ok():
    assert {finding.status for finding in database().values()} == {"ok"}


def test_database_that_does_not_answer_is_one_problem():
    found = database(answers=Unread("disk I/O error"))
    assert [finding.status for finding in found.values()] == ["problem"]
    assert "disk I/O error" in found["database"].found


def test_missing_database_is_unknown():
    assert database(answers=False)["database"].status == "unknown"


@pytest.mark.parametrize(
    ("schema", "status"),
    [
        (CURRENT, "ok"),
        (Found(TABLES, APPLICATION, KNOWN[0]), "warning"),
        (Found(frozenset()), "warning"),
        (Found(frozenset({"orders"})), "problem"),
        (Found(TABLES, APPLICATION, "9999"), "problem"),
        (Unread("locked"), "unknown"),
    ],
)
def test_schema_is_judged_as_at_start(schema, status):
    assert database(schema=schema)["schema"].status == status


def test_complaint_of_the_quick_check_is_a_problem():
    found = database(integrity=["wrong # of entries in index"])["integrity"]
    assert found.status == "problem"
    assert "wrong # of entries" in found.found


def test_check_that_takes_too_long_is_unknown():
    assert database(integrity=Unread("too long"))["integrity"].status == "unknown"


@pytest.mark.parametrize(("ms", "status"), [(49.0, "ok"), (50.0, "warning"), (1000.0, "problem")])
def test_write_latency_is_judged_by_its_middle(ms, status):
    assert database(write_ms=[0.1, ms, 5000.0])["write latency"].status == status


def test_write_that_fails_is_unknown_latency():
    assert database(write_ms=Unread("a write fails: full"))["write latency"].status == "unknown"


def test_large_log_of_sqlite_is_a_warning():
    assert database(wal_size=GIB)["database size"].status == "warning"


@pytest.mark.parametrize(("free", "status"), [(3 * GIB, "ok"), (GIB, "warning"), (LEAST_FREE - 1, "problem")])
def test_disk_must_hold_a_copy_of_the_database_beside_a_margin(free, status):
    space, _ = check_disk(DiskFacts(Path("/srv"), free, 9 * GIB, 99_999, 100_000), GIB)
    assert space.status == status


@pytest.mark.parametrize(("free", "status"), [(10_000, "ok"), (9_999, "warning"), (999, "problem")])
def test_few_inodes_are_told(free, status):
    _, inodes = check_disk(DiskFacts(Path("/srv"), 9 * GIB, 9 * GIB, free, 1_000_000), 0)
    assert inodes.status == status


def test_file_system_without_inodes_is_ok():
    assert [one.status for one in check_disk(DiskFacts(Path("/srv"), 9 * GIB, 9 * GIB, 0, 0), 0)] == [
        "ok",
        "ok",
    ]


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        (FileFacts(Path("/srv"), 0o777), "others may write"),
        (FileFacts(Path("/srv"), 0o755, is_owned=False), "another user"),
        (FileFacts(Path("/srv"), 0o755, is_usable=False), "may not use"),
        (FileFacts(Path("/srv"), 0o755, is_folder=False), "not a folder"),
        (FileFacts(Path("/srv"), None), "not there"),
    ],
)
def test_folder_that_cannot_be_trusted_is_a_problem(folder, words):
    first = next(iter(check_folders([folder], [])))
    assert first.status == "problem"
    assert words in first.found


def test_readable_folder_is_ok():
    assert next(iter(check_folders([FileFacts(Path("/srv"), 0o755)], []))).status == "ok"


def test_key_file_that_others_can_read_is_a_problem():
    *_, private = check_folders([], [FileFacts(Path("/srv/secrets.key"), 0o640, is_folder=False)])
    assert private.status == "problem"
    assert "chmod 600 /srv/secrets.key" in private.next_step


@pytest.mark.parametrize(("age_s", "status"), [(86400.0, "ok"), (8 * 86400.0, "unknown"), (None, "unknown")])
def test_recent_copy_is_a_backup(age_s, status):
    name = "isp-plugins.db" if age_s else None
    assert check_backup(BackupFacts(Path("/srv/backups"), name, age_s)).status == status


def test_sizes_and_durations_are_for_people():
    assert [shown(size) for size in (5, 2048, 3 * GIB)] == ["5 bytes", "2.0 KiB", "3.0 GiB"]
    assert [age(seconds) for seconds in (5, 600, 7200, 864000)] == [
        "5 seconds",
        "10 minutes",
        "2 hours",
        "10 days",
    ]
