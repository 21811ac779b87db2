"""Transactions on real databases."""

import asyncio
import gc
import socket
import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from isp_plugins.db.engine import Database
from isp_plugins.db.errors import DatabaseUnavailableError, DatabaseUrlError
from isp_plugins.db.tables import SystemMetadata
from isp_plugins.errors import UnavailableError


async def put(database: Database, name: str, value: str = "1") -> None:
    async with database.transaction() as session:
        session.add(SystemMetadata(name=name, value=value))


async def get(database: Database, name: str) -> str | None:
    async with database.reading() as session:
        value: str | None = await session.scalar(
            select(SystemMetadata.value).where(SystemMetadata.name == name)
        )
        return value


async def test_a_transaction_commits_when_its_block_ends(database: Database) -> None:
    await put(database, "a")
    assert await get(database, "a") == "1"


async def test_a_transaction_rolls_back_when_its_block_raises(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        await put_and_raise(database)
    assert await get(database, "a") is None


async def put_and_raise(database: Database) -> None:
    async with database.transaction() as session:
        session.add(SystemMetadata(name="a", value="1"))
        await session.flush()
        raise ZeroDivisionError


async def test_a_cancelled_transaction_rolls_back_and_gives_up_its_turn(database: Database) -> None:
    inside = asyncio.Event()

    async def hang() -> None:
        async with database.transaction() as session:
            session.add(SystemMetadata(name="a", value="1"))
            await session.flush()
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(hang())
    await inside.wait()
    task.cancel()
    await asyncio.wait([task])
    await put(database, "a", "2")
    assert await get(database, "a") == "2"


async def test_cancelled_at_random_moments_a_write_is_whole_or_absent(database: Database) -> None:
    async def write_two(number: int) -> None:
        async with database.transaction() as session:
            await session.execute(insert(SystemMetadata).values(name=f"first {number}", value=""))
            await session.execute(insert(SystemMetadata).values(name=f"second {number}", value=""))

    tasks = [asyncio.create_task(write_two(number)) for number in range(60)]
    for number, task in enumerate(tasks):
        await asyncio.wait([task], timeout=0.0002 * (number % 20))
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    async with database.reading() as session:
        first, second = [
            await session.scalar(select(func.count()).where(SystemMetadata.name.startswith(word)))
            for word in ("first", "second")
        ]
    assert first == second


async def test_many_writers_at_once_lose_nothing(database: Database) -> None:
    await put(database, "counter", "0")

    async def add_one() -> None:
        async with database.transaction() as session:
            row = await session.get_one(SystemMetadata, "counter", with_for_update=True)
            row.value = str(int(row.value) + 1)

    await asyncio.gather(*(add_one() for _ in range(50)))
    assert await get(database, "counter") == "50"


async def test_a_reader_sees_one_snapshot(database: Database) -> None:
    await put(database, "a")
    async with database.reading() as session:
        before = await session.scalar(select(func.count()).select_from(SystemMetadata))
        await put(database, "b")
        assert await session.scalar(select(func.count()).select_from(SystemMetadata)) == before


async def test_readers_run_beside_a_writer(database: Database) -> None:
    async with database.transaction() as session:
        session.add(SystemMetadata(name="a", value="1"))
        await session.flush()
        assert await asyncio.gather(*(get(database, "a") for _ in range(8))) == [None] * 8


async def test_a_reader_cannot_write(database: Database) -> None:
    async with database.reading() as session:
        session.add(SystemMetadata(name="a", value="1"))
        with pytest.raises(DBAPIError):
            await session.flush()


async def test_a_second_transaction_inside_the_first_is_refused(database: Database) -> None:
    async with database.transaction():
        with pytest.raises(RuntimeError, match="already has a transaction open"):
            await put(database, "a")


async def test_a_broken_constraint_is_the_callers(database: Database) -> None:
    await put(database, "a")
    with pytest.raises(IntegrityError):
        await put(database, "a")


async def test_a_foreign_key_is_enforced(database: Database) -> None:
    statement = text(
        "INSERT INTO plugin_storage (plugin_id, key, value, updated_at) VALUES (99, 'k', '1', '2030-01-01 00:00:00+00')"
    )
    with pytest.raises(IntegrityError):
        async with database.transaction() as session:
            await session.execute(statement)


async def test_sqlite_writes_survive_a_power_cut(sqlite_database: Database) -> None:
    async with sqlite_database.transaction() as session:
        found = [
            (await session.execute(text(f"PRAGMA {name}"))).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    assert found == ["wal", 2, 1]


async def test_another_process_holding_the_lock_too_long_is_unavailable(
    sqlite_database: Database, sqlite_url: str
) -> None:
    async with sqlite_database.transaction() as session:
        await session.execute(text("PRAGMA busy_timeout=50"))
    other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseUnavailableError, match="database is locked"):
        await put(sqlite_database, "a")
    other.close()
    await put(sqlite_database, "a")


async def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"something else entirely" * 100)
    with pytest.raises(DatabaseUnavailableError, match="not a database"):
        await Database.open(f"sqlite:///{tmp_path}/x.db")


async def test_a_folder_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailableError, match="No such file"):
        await Database.open(f"sqlite:///{tmp_path}/none/x.db")


async def test_a_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    database = await Database.open(f"sqlite:///{tmp_path}/x.db")
    async with database.transaction() as session:
        await session.execute(text("CREATE TABLE t (x)"))
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}
    await database.close()


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(UnavailableError, match="postgresql database does not answer"):
            await Database.open(f"postgresql://user:hidden@127.0.0.1:{taken.getsockname()[1]}/x")


@pytest.mark.postgres
async def test_a_database_that_is_not_there_is_unavailable(postgres_server: str) -> None:
    with pytest.raises(DatabaseUnavailableError, match='"nowhere" does not exist'):
        await Database.open(postgres_server.format("nowhere"))


@pytest.mark.postgres
async def test_a_lost_connection_is_replaced(postgres_url: str) -> None:
    database = await Database.open(postgres_url)
    with pytest.raises(DatabaseUnavailableError):
        async with database.transaction() as session:
            await session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    await put(database, "a")
    assert await get(database, "a") == "1"
    await database.close()


@pytest.mark.parametrize(
    "url",
    [
        "mysql://h/x",
        "nonsense",
        "",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///x.db?mode=ro",
        "postgresql://h",
    ],
)
async def test_any_other_url_is_refused_with_both_forms_named(url: str) -> None:
    with pytest.raises(DatabaseUrlError, match=r"Expected `sqlite:///.*` or `postgresql://"):
        await Database.open(url)


async def test_closing_leaves_no_thread_and_no_warning(sqlite_url: str) -> None:
    before = threading.active_count()
    database = await Database.open(sqlite_url)
    await put(database, "a")
    await asyncio.gather(*(get(database, "a") for _ in range(8)))
    await database.close()
    gc.collect()
    async with asyncio.timeout(60):
        while threading.active_count() > before:
            await asyncio.sleep(0.01)
    assert threading.active_count() <= before
