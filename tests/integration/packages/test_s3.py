"""The depot in a real S3 server: what goes in comes out, and what is wrong is told in words that help."""

import asyncio
import hashlib
import os
from urllib.parse import quote

import pytest

from isp_plugins.packages.depot import Depot, objects
from isp_plugins.packages.depot.objects import Objects
from isp_plugins.packages.errors import DepotFileDamagedError, DepotUnreachableError
from support.s3_server import BUCKET, SECRET, running_s3

NAME = "thing-1.0+local.7-py3-none-any.whl"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running_s3(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture
def reached(server, monkeypatch):
    """The server, with the credentials for it in the environment."""
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    return server


def a_file(folder, size=3000):
    content = os.urandom(size)
    path = folder / NAME
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest(), path, content


def depot_in(database, prefix="plugins"):
    return Depot(database, Objects(f"s3://{BUCKET}/{quote(prefix)}"))


@pytest.mark.parametrize(
    "prefix",
    ["plugins", "a/b c/d", "größe/日本", "100%/a+b=c&d", "~x'(1)!*/@:$,;"],
    ids=["plain", "space", "letters", "signs", "marks"],
)
async def test_file_comes_back_from_below_any_prefix(reached, sqlite_database, tmp_path, prefix):
    depot = depot_in(sqlite_database, prefix)
    digest, path, content = a_file(tmp_path)
    before = set(reached.files())
    await depot.put(digest, path)
    found = await depot.fetch(digest, tmp_path / "out")
    assert await asyncio.to_thread(found.read_bytes) == content
    assert found.name == NAME
    (stored,) = set(reached.files()) - before
    assert str(stored.relative_to(reached.bucket)).startswith(f"{prefix}/{digest}/")
    (row,) = await depot.contents()
    assert row.digest == digest


async def test_large_file_is_sent_in_parts(reached, sqlite_database, tmp_path, monkeypatch):
    monkeypatch.setattr(objects, "ONE_REQUEST", 2**20)
    depot = depot_in(sqlite_database)
    digest, path, content = a_file(tmp_path, 12 * 2**20)
    await depot.put(digest, path)
    found = await depot.fetch(digest, tmp_path / "out")
    assert await asyncio.to_thread(found.read_bytes) == content


async def test_what_is_dropped_is_gone_from_the_bucket(reached, tmp_path):
    store = Objects(f"s3://{BUCKET}/drop")
    _, path, _ = a_file(tmp_path)
    await store.write("one/thing.whl", path)
    assert (reached.bucket / "drop/one/thing.whl").exists()
    await store.drop("one/thing.whl")
    assert not (reached.bucket / "drop/one/thing.whl").exists()
    await store.drop("one/thing.whl")  # killed in between, it is dropped once more


async def test_object_that_somebody_deleted_is_told(reached, sqlite_database, tmp_path):
    depot = depot_in(sqlite_database, "deleted")
    digest, path, _ = a_file(tmp_path)
    await depot.put(digest, path)
    for file in (reached.bucket / "deleted" / digest).iterdir():
        file.unlink()
    with pytest.raises(DepotUnreachableError, match=r"somebody deleted it.*\(NoSuchKey\)") as caught:
        await depot.fetch(digest, tmp_path / "out")
    assert f"s3://{BUCKET}/deleted" in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"SECRET_ACCESS_KEY": "not the secret"},
            r"refuses the signature: AWS_SECRET_ACCESS_KEY.*\(SignatureDoesNotMatch\)",
        ),
        ({"ACCESS_KEY_ID": "AKIDUNKNOWN"}, r"does not know the key.*\(InvalidAccessKeyId\)"),
    ],
)
async def test_wrong_credentials_are_told_and_not_shown(
    server, sqlite_database, tmp_path, monkeypatch, changes, told
):
    for name, value in server.environment(**changes).items():
        monkeypatch.setenv(name, value)
    digest, path, _ = a_file(tmp_path)
    with pytest.raises(DepotUnreachableError, match=told) as caught:
        await depot_in(sqlite_database).put(digest, path)
    assert SECRET not in str(caught.value)
    assert "not the secret" not in str(caught.value)
    assert await depot_in(sqlite_database).contents() == ()


async def test_bucket_that_is_not_there_is_told(reached, sqlite_database, tmp_path):
    digest, path, _ = a_file(tmp_path)
    with pytest.raises(DepotUnreachableError, match=r"no such bucket \(NoSuchBucket\)"):
        await Depot(sqlite_database, Objects("s3://elsewhere/plugins")).put(digest, path)


@pytest.mark.parametrize(
    "harm", [lambda data: data[:-100], lambda data: b"!" + data[1:]], ids=["cut", "changed"]
)
async def test_object_that_is_not_what_was_put_is_refused(reached, sqlite_database, tmp_path, harm):
    depot = depot_in(sqlite_database, "harmed")
    digest, path, _ = a_file(tmp_path)
    await depot.put(digest, path)
    (file,) = [one for one in reached.files() if digest in str(one)]
    file.write_bytes(harm(file.read_bytes()))
    with pytest.raises((DepotFileDamagedError, DepotUnreachableError)):
        await depot.fetch(digest, tmp_path / "out")
    assert not (tmp_path / "out" / NAME).exists()


async def test_server_that_is_away_is_told_and_found_again(reached, sqlite_database, tmp_path, monkeypatch):
    depot = depot_in(sqlite_database, "away")
    digest, path, content = a_file(tmp_path)
    await depot.put(digest, path)
    reached.stop()
    try:
        with pytest.raises(DepotUnreachableError, match=r"nothing answers at http://127\.0\.0\.1:\d+\. Mend"):
            await depot.fetch(digest, tmp_path / "out")
    finally:
        reached.start()
    found = await depot.fetch(digest, tmp_path / "out")
    assert await asyncio.to_thread(found.read_bytes) == content
