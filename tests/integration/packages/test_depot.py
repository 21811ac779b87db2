"""What nodes share: found by digest, checked, held while it is about to be used, and dropped when nobody needs it."""

import asyncio
import hashlib
import os

import pytest
from sqlalchemy import delete, update

from isp_plugins.db.engine import Database
from isp_plugins.db.tables import DepotChunk, DepotFile
from isp_plugins.packages.depot import Depot, DepotFileGoneError, hold, open_depot
from isp_plugins.packages.depot.objects import Objects
from isp_plugins.packages.errors import DepotFileDamagedError, DepotUnreachableError
from isp_plugins.settings import Settings
from support.object_server import running_objects

LARGE = 5 * 2**19
"""Two and a half parts."""


def file_of(folder, content, name="thing-1.0-py3-none-any.whl"):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest(), path


async def needed(*digests):
    return frozenset(digests)


async def expire(database):
    async with database.transaction() as session:
        await session.execute(update(DepotFile).values(held_until=0.0))


@pytest.fixture
def server():
    with running_objects() as running:
        yield running


@pytest.fixture(params=["database", "folder", "web", "s3"])
def objects(request, tmp_path, monkeypatch):
    """Where the files lie; None: in the database."""
    if request.param == "database":
        return None
    if request.param == "folder":
        return Objects(f"file://{tmp_path / 'shared'}")
    server = request.getfixturevalue("server")
    if request.param == "web":
        return Objects(f"{server.url}/plugins")
    for name, value in {
        "ENDPOINT_URL": server.url, "ACCESS_KEY_ID": "id", "SECRET_ACCESS_KEY": "secret", "REGION": "eu-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"AWS_{name}", value)
    return Objects("s3://bucket/plugins")


async def test_file_comes_back_under_its_digest_from_every_kind_of_place(objects, sqlite_database, tmp_path):
    depot = Depot(sqlite_database, objects)
    content = os.urandom(LARGE)
    digest, path = file_of(tmp_path / "in", content)
    await depot.put(digest, path)
    found = await depot.fetch(digest, tmp_path / "out")
    assert found.name == path.name
    assert await asyncio.to_thread(found.read_bytes) == content
    await expire(sqlite_database)
    assert await depot.sweep(lambda _session: needed(digest)) == 0
    assert await depot.sweep(lambda _session: needed()) == LARGE
    assert await depot.fetch(digest, tmp_path / "out") is None
    assert await depot.contents() == ()


async def test_parts_come_back_from_both_databases(database, tmp_path):
    depot = Depot(database)
    content = os.urandom(LARGE)
    digest, path = file_of(tmp_path / "in", content)
    first = await depot.put(digest, path)
    assert await depot.put(digest, path) == first, "what is there is not put again"
    found = await depot.fetch(digest, tmp_path / "out")
    assert await asyncio.to_thread(found.read_bytes) == content


async def test_s3_requests_are_signed(server, monkeypatch, sqlite_database, tmp_path):
    for name, value in (("ENDPOINT_URL", server.url), ("ACCESS_KEY_ID", "id"), ("SECRET_ACCESS_KEY", "s")):
        monkeypatch.setenv(f"AWS_{name}", value)
    depot = Depot(sqlite_database, Objects("s3://bucket/plugins"))
    digest, path = file_of(tmp_path / "in", b"wheel")
    await depot.put(digest, path)
    await depot.fetch(digest, tmp_path / "out")
    assert next(iter(server.objects)).startswith(f"/bucket/plugins/{digest}/")
    assert server.seen[-1].startswith("AWS4-HMAC-SHA256 Credential=id/")


async def test_damaged_file_is_refused_and_another_copy_is_taken(sqlite_database, tmp_path):
    depot = Depot(sqlite_database)
    digest, path = file_of(tmp_path / "in", b"right")
    first = await depot.put(digest, path)
    async with sqlite_database.transaction() as session:
        damage = update(DepotChunk).where(DepotChunk.file_id == first).values(data=b"wrong")
        await session.execute(damage)
    with pytest.raises(DepotFileDamagedError, match=digest):
        await depot.fetch(digest, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())
    async with sqlite_database.transaction() as session:
        await session.execute(update(DepotFile).values(is_whole=False))
    await depot.put(digest, path)
    async with sqlite_database.transaction() as session:
        await session.execute(update(DepotFile).values(is_whole=True))
    assert (await depot.fetch(digest, tmp_path / "out")).read_bytes() == b"right"


async def test_held_file_is_not_dropped_and_a_release_holds_it_again(database, tmp_path):
    depot = Depot(database)
    digest, path = file_of(tmp_path / "in", b"wheel")
    file_id = await depot.put(digest, path)
    assert await depot.sweep(lambda _session: needed()) == 0, "it was put just now"
    await expire(database)
    async with database.transaction() as session:
        await hold(session, [file_id])
    assert await depot.sweep(lambda _session: needed()) == 0, "a release is about to refer to it"


async def test_release_never_refers_to_what_was_dropped(database, tmp_path):
    depot = Depot(database)
    digest, path = file_of(tmp_path / "in", b"wheel")
    file_id = await depot.put(digest, path)
    await expire(database)
    assert await depot.sweep(lambda _session: needed()) > 0
    with pytest.raises(DepotFileGoneError):
        async with database.transaction() as session:
            await hold(session, [file_id])


@pytest.mark.postgres
async def test_sweep_waits_for_a_registration_and_spares_its_files(postgres_url, tmp_path):
    """Another node registers a release at the very moment at which this one has found its file unused."""
    one, two = await Database.open(postgres_url), await Database.open(postgres_url)
    try:
        digest, path = file_of(tmp_path / "in", b"wheel")
        file_id = await Depot(one).put(digest, path)
        await expire(one)
        async with two.transaction() as session:
            await hold(session, [file_id])
            sweeping = asyncio.create_task(Depot(one).sweep(lambda _session: needed()))
            done, _ = await asyncio.wait([sweeping], timeout=0.3)
            assert not done, "it waits for the row"
        assert await sweeping == 0
        assert await Depot(one).fetch(digest, tmp_path / "out") is not None
    finally:
        await one.close()
        await two.close()


async def test_file_that_was_put_twice_is_kept_once(sqlite_database, tmp_path):
    depot = Depot(sqlite_database)
    digest, path = file_of(tmp_path / "in", b"wheel")
    first = await depot.put(digest, path)
    async with sqlite_database.transaction() as session:
        await session.execute(update(DepotFile).values(is_whole=False))
    await depot.put(digest, path)
    async with sqlite_database.transaction() as session:
        await session.execute(update(DepotFile).values(is_whole=True))
    await expire(sqlite_database)
    assert await depot.sweep(lambda _session: needed(digest)) == len(b"wheel")
    assert await depot.put(digest, path) == first


async def test_what_a_kill_left_half_put_or_half_dropped_goes_with_the_next_sweep(
    server, sqlite_database, tmp_path
):
    depot = Depot(sqlite_database, Objects(f"{server.url}/plugins"))
    digest, path = file_of(tmp_path / "in", b"wheel")
    await depot.put(digest, path)
    async with sqlite_database.transaction() as session:
        await session.execute(update(DepotFile).values(is_whole=False, held_until=0.0))
    assert await depot.fetch(digest, tmp_path / "out") is None
    await depot.sweep(lambda _session: needed(digest))
    assert server.objects == {}


async def test_store_that_is_full_or_away_is_told_without_its_password(server, sqlite_database, tmp_path):
    digest, path = file_of(tmp_path / "in", b"wheel")
    server.is_full = True
    url = server.url.replace("//", "//user:hush@")
    with pytest.raises(DepotUnreachableError) as caught:
        await Depot(sqlite_database, Objects(f"{url}/plugins")).put(digest, path)
    assert "hush" not in str(caught.value)
    assert await Depot(sqlite_database).fetch(digest, tmp_path / "out") is None


async def test_object_that_somebody_deleted_is_told(server, sqlite_database, tmp_path):
    depot = Depot(sqlite_database, Objects(f"{server.url}/plugins"))
    digest, path = file_of(tmp_path / "in", b"wheel")
    await depot.put(digest, path)
    server.objects.clear()
    with pytest.raises(DepotUnreachableError):
        await depot.fetch(digest, tmp_path / "out")


async def test_depot_is_the_database_on_postgresql_and_none_on_sqlite(sqlite_database, tmp_path):
    assert open_depot(Settings(data_dir=tmp_path), sqlite_database) is None
    chosen = open_depot(Settings(data_dir=tmp_path, depot="database"), sqlite_database)
    assert chosen.shown == "the database"


async def test_parts_go_with_their_file(database, tmp_path):
    digest, path = file_of(tmp_path / "in", b"wheel")
    await Depot(database).put(digest, path)
    async with database.transaction() as session:
        await session.execute(delete(DepotFile))
    async with database.reading() as session:
        assert (await session.execute(DepotChunk.__table__.select())).all() == []
