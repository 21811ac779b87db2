"""A release's artifact and environment on a machine that never installed it, or lost them."""

import asyncio
import shutil
import subprocess

import pytest
from sqlalchemy import update

from isp_plugins.db.tables import DepotFile
from isp_plugins.packages.depot import Depot
from isp_plugins.packages.errors import ArtifactNowhereError, EnvironmentFailedError
from support.sources import upload
from support.wheels import make_plugin_wheel

pytestmark = pytest.mark.timeout(300)


def run(artifact, environment):
    """What the plugin's code says in its environment."""
    code = f"import sys; sys.path.insert(0, {str(artifact.code)!r})\nimport dep, greeter.plugin; print(dep.VERSION)"
    done = subprocess.run(
        [environment.python, "-I", "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
async def first(installer, sqlite_database, tmp_path):
    """The store of the node that installed a plugin, which needs `dep` from that node's own folder of wheels."""
    await installer.store.connect(Depot(sqlite_database))
    wheel = make_plugin_wheel(tmp_path / "wheel", requires=["dep<2"])
    installer.given = await installer.install(upload(wheel))
    await installer.store.share(installer.given.artifact, installer.given.lock)
    return installer


async def test_other_node_has_all_it_needs_from_the_depot_alone(
    first, make_installer, sqlite_database, tmp_path
):
    second = make_installer(package_index_url="http://127.0.0.1:9/simple").store
    await second.connect(Depot(sqlite_database))
    said = []
    artifact, environment = await second.ensure(first.given.artifact.digest, first.given.lock, said.append)
    assert run(artifact, environment) == "1.0"
    assert environment.key == first.given.environment.key
    assert [line.split()[1] for line in said] == ["artifact", "environment", "environment"]
    assert not list(second.folders.fetching.iterdir())


async def test_what_is_here_is_taken_as_it_is(first):
    said = []
    await first.store.ensure(first.given.artifact.digest, first.given.lock, said.append)
    assert said == []


async def test_total_loss_is_made_good(first):
    shutil.rmtree(first.store.folders.data_dir)
    artifact, environment = await first.store.ensure(
        first.given.artifact.digest, first.given.lock, lambda _line: None
    )
    assert run(artifact, environment) == "1.0"


async def test_two_plugins_with_one_environment_build_it_once(first, make_installer, sqlite_database):
    second = make_installer(package_offline="yes").store
    await second.connect(Depot(sqlite_database))
    said = []
    digest, lock = first.given.artifact.digest, first.given.lock
    one, two = await asyncio.gather(*(second.ensure(digest, lock, said.append) for _ in range(2)))
    assert one == (two[0], one[1])
    assert len(said) == 3


async def test_artifact_that_is_nowhere_says_what_to_do(make_installer, first):
    second = make_installer(package_offline="yes").store
    await second.connect(None)
    with pytest.raises(ArtifactNowhereError, match="install it again, or restore a backup"):
        await second.ensure(first.given.artifact.digest, first.given.lock, lambda _line: None)


async def test_wheel_that_is_nowhere_fails_with_its_name_and_leaves_nothing(
    make_installer, first, sqlite_database
):
    (first.store.folders.wheelhouse).rename(first.store.folders.data_dir / "gone")
    second = make_installer(package_offline="yes").store
    await second.connect(Depot(sqlite_database))
    async with sqlite_database.transaction() as session:
        await session.execute(_expired())
    await first.store.depot.sweep(_only(first.given.artifact.digest, first.given.lock.sdk_digest))
    with pytest.raises(EnvironmentFailedError, match="dep"):
        await second.ensure(first.given.artifact.digest, first.given.lock, lambda _line: None)
    assert not second.folders.environments.exists()
    assert not list(second.folders.fetching.iterdir())


async def test_sweep_spares_what_was_made_just_now_because_it_was_missing(first):
    digest, lock = first.given.artifact.digest, first.given.lock
    shutil.rmtree(first.store.folders.environments)
    await first.store.ensure(digest, lock, lambda _line: None)
    freed = await first.store.drop_unused(digests=frozenset(), environments=frozenset(), wheels=lock.hashes)
    assert (freed.digests, freed.environments) == ((digest,), ())


async def test_wheels_of_a_release_stay_while_its_environment_is_missing(first):
    lock = first.given.lock
    shutil.rmtree(first.store.folders.environments)
    await first.store.drop_unused(
        digests=frozenset(), environments=frozenset(), wheels=first.given.lock.hashes
    )
    assert any(first.store.folders.wheelhouse.iterdir())
    await first.store.ensure(first.given.artifact.digest, lock, lambda _line: None)


def _only(*digests):
    async def needed(_session):
        return frozenset(digests)

    return needed


def _expired():
    return update(DepotFile).values(held_until=0.0)
