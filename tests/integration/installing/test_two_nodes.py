"""Two nodes on one PostgreSQL, each with a disk of its own: one installs, the other runs; both install at once."""

import asyncio
import base64
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from sqlalchemy import select, update

from isp_plugins.actors import HOST
from isp_plugins.contracts.vocabulary import State
from isp_plugins.db.tables import DepotFile, PluginInstance, PluginLog
from isp_plugins.lifecycle import releases
from isp_plugins.lifecycle.orders import InstallOrder, SourceType
from isp_plugins.lifecycle.records import PluginRecord
from isp_plugins.operations import Operation, OperationState
from isp_plugins.packages.depot import Depot
from isp_plugins.packages.values import Source, SourceKind
from isp_plugins.settings import Settings
from isp_plugins.system import PluginSystem
from support.commands import Serving
from support.installing import index, plugin
from support.object_server import running_objects
from support.package_index import running_index, write_index
from support.waiting import until

pytestmark = pytest.mark.timeout(300)

KEY = base64.urlsafe_b64encode(os.urandom(32)).decode()


class Nodes:
    """Opens nodes; they share the database alone."""

    def __init__(self, url: str, folder: Path, stack: AsyncExitStack) -> None:
        self._url, self._folder, self._stack = url, folder, stack
        self.links = index(folder / "links")

    def settings(self, name: str, **fields: object) -> Settings:
        return Settings(
            data_dir=self._folder / name,
            database_url=self._url,
            node=name,
            secret_keys=KEY,
            **{"package_offline": "yes", **fields},
        )

    async def open(self, name: str, **fields: object) -> PluginSystem:
        return await self._stack.enter_async_context(PluginSystem.open(self.settings(name, **fields)))


@pytest.fixture
async def nodes(postgres_url: str, tmp_path: Path) -> AsyncIterator[Nodes]:
    async with AsyncExitStack() as stack:
        yield Nodes(postgres_url, tmp_path, stack)


def order(wheel: Path, **fields: bool) -> InstallOrder:
    source = Source(SourceKind.UPLOAD, str(wheel), name=wheel.name)
    return InstallOrder(source_type=SourceType.UPLOAD, source=source, accept_grants=True, **fields)


async def install(system: PluginSystem, wheel: Path, **fields: bool) -> Operation:
    begun = await system.installer.begin(order(wheel, **fields), HOST)
    return await system.operations.wait(begun.id, 120)


def files_of(data_dir: Path) -> dict[str, int]:
    """How much lies where."""
    places = ("staging", "fetching", "artifacts", "environments")
    return {place: len(list((data_dir / place).glob("*"))) for place in places}


@pytest.mark.postgres
async def test_plugin_that_one_node_installed_runs_on_another_with_an_empty_disk(
    nodes: Nodes, tmp_path: Path
) -> None:
    one = await nodes.open("one", package_find_links=str(nodes.links))
    ended = await install(one, plugin(tmp_path / "wheels", "sample"), auto_enable=True)
    assert ended.state is OperationState.SUCCEEDED, ended.error
    two = await nodes.open("two")
    record = two.directory.by_name("sample")
    assert record.state is State.ACTIVE, record.cause
    assert (await two.manager.execute(record.id, "version", None, HOST)).value == "2.0"
    await two.logs.settle(10)
    async with two.database.reading() as session:
        told = (await session.scalars(select(PluginLog.message).where(PluginLog.node == "two"))).all()
    assert any("is fetched from the database" in line for line in told)


@pytest.mark.postgres
async def test_node_without_an_index_builds_from_what_another_one_put_into_the_depot(
    nodes: Nodes, tmp_path: Path
) -> None:
    write_index(tmp_path / "web", sorted(nodes.links.glob("*.whl")))
    with running_index(tmp_path / "web", password="secret") as address:
        url = f"http://user:secret@{address}/simple"
        one = await nodes.open("one", package_index_url=url, package_offline="no")
        ended = await install(one, plugin(tmp_path / "wheels", "sample"), auto_enable=True)
        assert ended.state is OperationState.SUCCEEDED, ended.error
    names = {stored.name for stored in await Depot(one.database).contents()}
    assert "dep-2.0-py3-none-any.whl" in names
    two = await nodes.open("two", package_index_url=url, package_offline="no")
    record = two.directory.by_name("sample")
    assert record.state is State.ACTIVE, record.cause
    assert (await two.manager.execute(record.id, "version", None, HOST)).value == "2.0"


@pytest.mark.postgres
async def test_lost_disk_is_made_good_at_the_next_start(nodes: Nodes, tmp_path: Path) -> None:
    settings = nodes.settings("one", package_find_links=str(nodes.links))
    async with PluginSystem.open(settings) as system:
        await install(system, plugin(tmp_path / "wheels", "sample"), auto_enable=True)
    shutil.rmtree(settings.data_dir)
    nodes.links.rename(tmp_path / "gone")
    async with PluginSystem.open(settings) as system:
        assert system.directory.by_name("sample").state is State.ACTIVE


@pytest.mark.postgres
async def test_two_installs_at_once_leave_one_plugin_and_nothing_half_done(
    nodes: Nodes, tmp_path: Path
) -> None:
    wheel = plugin(tmp_path / "wheels", "sample")
    systems = [await nodes.open(name, package_find_links=str(nodes.links)) for name in ("one", "two")]
    ended = await asyncio.gather(*(install(system, wheel) for system in systems))
    assert sorted(one.state for one in ended) == [OperationState.FAILED, OperationState.SUCCEEDED]
    loser = next(one for one in ended if one.state is OperationState.FAILED)
    assert loser.error["problem"] in {"plugin-installed", "plugin-name-taken", "claimed-elsewhere"}, (
        loser.error
    )
    for name in ("one", "two"):
        assert files_of(tmp_path / name)["staging"] == files_of(tmp_path / name)["fetching"] == 0
    async with systems[0].database.reading() as session:
        used = await releases.in_use(session)
    assert len(used.digests) == 1
    assert used.digests <= {stored.digest for stored in await Depot(systems[0].database).contents()}
    assert (await systems[0].audit.verify()).ok


@pytest.mark.postgres
async def test_depot_that_is_full_fails_the_installation_and_leaves_nothing(
    nodes: Nodes, tmp_path: Path
) -> None:
    wheel = plugin(tmp_path / "wheels", "sample")
    with running_objects() as server:
        shared = {"package_find_links": str(nodes.links), "depot": f"{server.url}/plugins"}
        one = await nodes.open("one", **shared)
        server.is_full = True
        ended = await install(one, wheel)
        assert ended.state is OperationState.FAILED
        assert ended.error is not None
        assert (ended.error["step"], ended.error["problem"]) == ("environment", "depot-unreachable")
        assert not any(files_of(tmp_path / "one").values())
        assert server.objects == {}
        server.is_full = False
        assert (await install(one, wheel, auto_enable=True)).state is OperationState.SUCCEEDED
        two = await nodes.open("two", depot=f"{server.url}/plugins")
        assert two.directory.by_name("sample").state is State.ACTIVE


@pytest.mark.postgres
async def test_node_whose_depot_is_away_says_so_and_tries_again(nodes: Nodes, tmp_path: Path) -> None:
    with running_objects() as server:
        url = f"{server.url}/plugins"
        one = await nodes.open("one", package_find_links=str(nodes.links), depot=url)
        await install(one, plugin(tmp_path / "wheels", "sample"), auto_enable=True)
        objects, server.objects = server.objects, {}
        soon = {"recovery_backoff_min": 0.3, "recovery_backoff_max": 0.3}
        two = await nodes.open("two", depot=url, restart_limit=0, **soon)

        def cause() -> str:
            return two.directory.by_name("sample").cause or ""

        await until(lambda: "could not be brought here: The depot in http" in cause(), within=60)
        assert not (tmp_path / "two" / "artifacts").exists()
        server.objects = objects
        await until(lambda: two.directory.by_name("sample").state is State.ACTIVE, within=60)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Where node `two` has its data directory: a file system with little room."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    place = tmp_path / "two"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.postgres
async def test_node_whose_disk_is_full_says_so_and_goes_on_when_there_is_room(
    small_disk: Path, nodes: Nodes, tmp_path: Path
) -> None:
    one = await nodes.open("one", package_find_links=str(nodes.links))
    await install(one, plugin(tmp_path / "wheels", "sample"), auto_enable=True)
    soon = {"recovery_backoff_min": 0.3, "recovery_backoff_max": 0.3}
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(16 * 1024 * 1024 - 400 * 1024))
    two = await nodes.open("two", restart_limit=0, **soon)

    def record() -> PluginRecord:
        return two.directory.by_name("sample")

    await until(lambda: "space" in (record().cause or "") or record().state is State.ACTIVE, within=60)
    assert record().state is State.FAILED, record().cause
    assert one.directory.by_name("sample").state is State.ACTIVE
    ballast.unlink()
    await until(lambda: record().state is State.ACTIVE, within=120)
    assert (await two.manager.execute(record().id, "version", None, HOST)).value == "2.0"
    assert files_of(small_disk) == {"staging": 0, "fetching": 0, "artifacts": 1, "environments": 1}


@pytest.mark.postgres
async def test_node_that_is_killed_while_it_builds_what_it_lacks_has_it_whole_at_the_next_start(
    nodes: Nodes, postgres_url: str, tmp_path: Path
) -> None:
    one = await nodes.open("one", package_find_links=str(nodes.links))
    await install(one, plugin(tmp_path / "wheels", "sample"), auto_enable=True)
    home = tmp_path / "killed"
    home.mkdir()
    environment = {
        "ISP_PLUGINS_DATABASE_URL": postgres_url,
        "ISP_PLUGINS_SECRET_KEYS": KEY,
        "ISP_PLUGINS_PACKAGE_OFFLINE": "yes",
        "ISP_PLUGINS_WORKER_HANDSHAKE_TIMEOUT": "60",
    }
    server = Serving(home, ("--node", "two"), environment)
    data_dir = home / "var"
    for place in ("fetching/*", "fetching/*/environment/lib"):
        server.launch()
        await until(
            lambda place=place: any(data_dir.glob(place)) or any(data_dir.glob("environments/*")), within=120
        )
        await asyncio.to_thread(server.kill)
    try:
        await asyncio.to_thread(server.start)
        async with one.database.reading() as session:
            states = dict((await session.execute(select(PluginInstance.node, PluginInstance.state))).all())
        assert states["two"] == "active", server.log.read_text()
        assert files_of(data_dir) == {"staging": 0, "fetching": 0, "artifacts": 1, "environments": 1}
    finally:
        await asyncio.to_thread(server.stop)


@pytest.mark.postgres
async def test_what_a_killed_node_was_fetching_goes_at_its_next_start(nodes: Nodes, tmp_path: Path) -> None:
    left = tmp_path / "one" / "fetching" / "half"
    left.mkdir(parents=True)
    await nodes.open("one")
    assert not left.exists()


@pytest.mark.postgres
async def test_release_that_nobody_refers_to_leaves_every_place(nodes: Nodes, tmp_path: Path) -> None:
    one = await nodes.open("one", package_find_links=str(nodes.links))
    await install(one, plugin(tmp_path / "wheels", "sample"))
    async with one.database.transaction() as session:
        await session.execute(update(DepotFile).values(held_until=0.0))
    await one.uninstaller.uninstall(one.directory.by_name("sample").id, HOST)
    assert await Depot(one.database).contents() == ()
    assert not any(files_of(tmp_path / "one").values())
