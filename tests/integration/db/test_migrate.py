"""Migrations on real databases: created, upgraded, refused, killed."""

import asyncio
import shutil
import signal
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, insert, select, text

from isp_plugins.db.database_time import now_of
from isp_plugins.db.engine import Database
from isp_plugins.db.errors import (
    DatabaseForeignError,
    DatabaseNewerError,
    MigrationFailedError,
    MigrationTooEarlyError,
)
from isp_plugins.db.migrate import LIVES_S, MIGRATIONS, known_revisions, marks, migrate, read_schema
from isp_plugins.db.schema_state import Found
from isp_plugins.db.tables import Base, NodeRow, SystemMetadata
from isp_plugins.testing import FakeClock
from support.forked import Forked

SECOND = """
import sqlalchemy as sa
from alembic import op
revision = "test2"
down_revision = "{previous}"
{mark}
def upgrade():
    op.create_table("second", sa.Column("id", sa.Integer(), primary_key=True))
    {then}
"""
# Runs the migration and kills itself, as nothing can prevent, once the given statement is reached.
KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from sqlalchemy import event
from sqlalchemy.engine import Engine
from isp_plugins.db.migrate import migrate
url, backups, fatal = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
@event.listens_for(Engine, "after_cursor_execute")
def die(connection, cursor, statement, *rest):
    if fatal in statement:
        os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(migrate(url, backup_folder=backups))
"""


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without any tables."""
    url: str = (
        f"sqlite:///{tmp_path}/empty.db"
        if request.param == "sqlite"
        else request.getfixturevalue("empty_postgres_url")
    )
    return url


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    """The migrations of the next version."""
    return with_second(tmp_path / "newer", "pass")


@pytest.fixture
def expanding(tmp_path: Path) -> Path:
    """The migrations of a version whose schema this one can use as well."""
    return with_second(tmp_path / "expanding", "pass", mark=f'compatible_from = "{known_revisions()[-1]}"')


def with_second(folder: Path, then: str, mark: str = "") -> Path:
    shutil.copytree(MIGRATIONS, folder)
    text = SECOND.format(previous=known_revisions()[-1], then=then, mark=mark)
    (folder / "versions" / "second.py").write_text(text)
    return folder


async def schema_of(url: str) -> Found:
    database = await Database.open(url)
    async with database.reading() as session:
        found = await (await session.connection()).run_sync(read_schema)
    await database.close()
    return found


async def execute(url: str, *statements: str) -> None:
    database = await Database.open(url)
    async with database.transaction() as session:
        for statement in statements:
            await session.execute(text(statement))
    await database.close()


async def test_the_migrations_make_the_tables_of_the_code(database: Database) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        return list(compare_metadata(context, Base.metadata))

    async with database.reading() as session:
        assert await (await session.connection()).run_sync(differences) == []


async def test_an_empty_database_is_created(empty_url: str, tmp_path: Path) -> None:
    await migrate(empty_url, backup_folder=tmp_path / "backups")
    found = await schema_of(empty_url)
    assert found.tables == {*Base.metadata.tables, "alembic_version"}
    assert (found.application, found.revision) == ("isp-plugins", known_revisions()[-1])
    assert not (tmp_path / "backups").exists()


async def test_a_current_database_is_left_alone(empty_url: str, tmp_path: Path) -> None:
    for _ in range(2):
        await migrate(empty_url, backup_folder=tmp_path / "backups")
    assert not (tmp_path / "backups").exists()


async def test_servers_that_start_together_migrate_once(empty_url: str, tmp_path: Path) -> None:
    await asyncio.gather(*(migrate(empty_url, backup_folder=tmp_path) for _ in range(3)))
    assert (await schema_of(empty_url)).revision == known_revisions()[-1]


async def test_an_older_database_is_upgraded_with_its_content(
    database_url: str, tmp_path: Path, newer: Path
) -> None:
    await execute(database_url, "INSERT INTO system_metadata (name, value) VALUES ('kept', '1')")
    await migrate(database_url, backup_folder=tmp_path / "backups", migrations=newer)
    found = await schema_of(database_url)
    assert found.revision == "test2"
    assert "second" in found.tables
    assert await value_of(database_url, "kept") == "1"


async def value_of(url: str, name: str) -> str | None:
    database = await Database.open(url)
    async with database.reading() as session:
        value: str | None = await session.scalar(
            select(SystemMetadata.value).where(SystemMetadata.name == name)
        )
    await database.close()
    return value


async def test_an_older_file_is_backed_up_first(
    sqlite_url: str, tmp_path: Path, newer: Path, clock: FakeClock
) -> None:
    await execute(sqlite_url, "INSERT INTO system_metadata (name, value) VALUES ('kept', '1')")
    await migrate(sqlite_url, backup_folder=tmp_path / "backups", migrations=newer, clock=clock)
    (backup,) = (tmp_path / "backups").iterdir()
    assert backup.name == f"database-schema-{known_revisions()[-1]}-20300101T000000Z.db"
    assert backup.stat().st_mode & 0o777 == 0o600
    copy = sqlite3.connect(backup)
    assert copy.execute("SELECT value FROM system_metadata WHERE name = 'kept'").fetchone() == ("1",)
    copy.close()


async def test_a_failing_migration_changes_nothing(database_url: str, tmp_path: Path) -> None:
    before = await schema_of(database_url)
    broken = with_second(tmp_path / "broken", "op.execute('nonsense')")
    with pytest.raises(
        MigrationFailedError, match=r"from schema \w+ to test2: .*nonsense.*Nothing was changed"
    ):
        await migrate(database_url, backup_folder=tmp_path / "backups", migrations=broken)
    assert await schema_of(database_url) == before


async def test_a_newer_database_is_refused_untouched(database_url: str, tmp_path: Path, newer: Path) -> None:
    await migrate(database_url, backup_folder=tmp_path / "backups", migrations=newer)
    before = await schema_of(database_url)
    with pytest.raises(DatabaseNewerError, match="schema test2, made by a newer version"):
        await migrate(database_url, backup_folder=tmp_path / "backups")
    assert await schema_of(database_url) == before


async def test_a_newer_database_that_says_it_fits_is_used(
    database_url: str, tmp_path: Path, expanding: Path
) -> None:
    await migrate(database_url, backup_folder=tmp_path / "backups", migrations=expanding)
    await migrate(database_url, backup_folder=tmp_path / "backups")
    assert (await schema_of(database_url)).revision == "test2"
    assert await value_of(database_url, "compatible_from") == known_revisions()[-1]


async def a_node(url: str, *, name: str = "old", seen_s_ago: float = 0.0, state: str = "alive") -> None:
    """A node of this version, as its row is."""
    database = await Database.open(url)
    async with database.transaction() as session:
        row = {
            "incarnation": "1", "home": f"home of {name}", "version": "0.1", "revision": known_revisions()[-1], "address": "",
            "state": state, "beats": 1, "losses": 0,
        }  # fmt: skip
        seen = now_of(database.dialect) - seen_s_ago
        await session.execute(insert(NodeRow).values(name=name, started_at=seen, seen_at=seen, **row))
    await database.close()


async def test_a_contracting_migration_is_refused_while_older_nodes_live(
    database_url: str, tmp_path: Path, newer: Path
) -> None:
    await a_node(database_url)
    before = await schema_of(database_url)
    with pytest.raises(MigrationTooEarlyError, match=r"schema test2 yet: .*old \(version 0\.1, schema "):
        await migrate(database_url, backup_folder=tmp_path / "backups", migrations=newer)
    assert await schema_of(database_url) == before


async def test_an_expanding_migration_is_made_beside_older_nodes(
    database_url: str, tmp_path: Path, expanding: Path
) -> None:
    await a_node(database_url)
    await migrate(database_url, backup_folder=tmp_path / "backups", migrations=expanding)
    assert (await schema_of(database_url)).revision == "test2"


@pytest.mark.parametrize("node", [{"state": "left"}, {"state": "lost"}, {"seen_s_ago": LIVES_S + 5}])
async def test_a_contracting_migration_minds_no_node_that_is_gone(
    database_url: str, tmp_path: Path, newer: Path, node: dict[str, Any]
) -> None:
    await a_node(database_url, **node)
    await migrate(database_url, backup_folder=tmp_path / "backups", migrations=newer)
    assert (await schema_of(database_url)).revision == "test2"


async def test_a_contracting_migration_minds_no_process_that_had_its_own_data_directory(
    database_url: str, tmp_path: Path, newer: Path
) -> None:
    await a_node(database_url)
    await migrate(database_url, backup_folder=tmp_path / "backups", migrations=newer, home="home of old")
    assert (await schema_of(database_url)).revision == "test2"


async def test_a_new_database_says_from_which_schema_on_it_can_be_used(
    empty_url: str, tmp_path: Path
) -> None:
    await migrate(empty_url, backup_folder=tmp_path / "backups")
    marked = marks()
    strictest = max(marked.values(), key=list(marked).index)
    assert await value_of(empty_url, "compatible_from") == strictest


@pytest.mark.parametrize("name", ["customers", "alembic_version", "system_metadata"])
async def test_a_foreign_database_is_refused_untouched(empty_url: str, tmp_path: Path, name: str) -> None:
    await execute(empty_url, f"CREATE TABLE {name} (x INTEGER)")
    with pytest.raises(DatabaseForeignError, match=name):
        await migrate(empty_url, backup_folder=tmp_path)
    assert (await schema_of(empty_url)).tables == {name}


async def test_another_products_marker_is_foreign(database_url: str, tmp_path: Path) -> None:
    await execute(database_url, "UPDATE system_metadata SET value = 'other' WHERE name = 'application'")
    with pytest.raises(DatabaseForeignError):
        await migrate(database_url, backup_folder=tmp_path)


@pytest.mark.parametrize(
    "fatal",
    [
        "CREATE TABLE system_metadata",
        "CREATE TABLE plugin_hooks",
        "INSERT INTO roles",
        "INSERT INTO alembic_version",
    ],
)
async def test_a_killed_migration_is_finished_by_the_next_start(
    empty_url: str, tmp_path: Path, fatal: str
) -> None:
    assert Forked("-c", KILLED, empty_url, tmp_path, fatal).wait(60) == -signal.SIGKILL
    assert (await schema_of(empty_url)).tables == set()
    await migrate(empty_url, backup_folder=tmp_path)
    assert (await schema_of(empty_url)).revision == known_revisions()[-1]
