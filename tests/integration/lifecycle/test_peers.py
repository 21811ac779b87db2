"""Two plugins of which one needs the other, changed at one moment on one node: on both databases the second one is refused."""

import asyncio

import pytest
from sqlalchemy import update

from isp_plugins.contracts.vocabulary import Desired, State
from isp_plugins.db.engine import Database
from isp_plugins.db.tables import Plugin
from isp_plugins.keyring import KeyRing
from isp_plugins.lifecycle.errors import (
    DependenciesUnsatisfiedError,
    PeerUnfitError,
    VersionStillNeededError,
)
from isp_plugins.lifecycle.records import PluginChanges
from isp_plugins.settings import Settings
from isp_plugins.testing import FakeClock
from support.fakes_lifecycle import ADA, House, needs
from support.waiting import until


@pytest.fixture
async def house(database: Database, keyring: KeyRing, clock: FakeClock, settings: Settings):
    house = House(database, keyring, clock, settings)
    await house.manager.reconcile()
    yield house
    await house.manager.close()


THREE = PluginChanges.of({"version": "3.0.0"})


async def overtaken(house: House, plugin_id: int, **values) -> None:
    """What another node may have written, that this one does not know of."""
    async with house.database.transaction() as session:
        await session.execute(update(Plugin).where(Plugin.id == plugin_id).values(**values))


async def test_what_is_needed_becomes_another_version_while_a_plugin_starts(house: House) -> None:
    tax = await house.enabled("tax")
    billing = await house.register("billing", dependencies=needs("tax", specifier="<3"))
    script = house.runtime.script("billing")
    script.hold = asyncio.Event()
    enabling = asyncio.create_task(house.manager.enable(billing.id, ADA))
    await until(lambda: house.directory.get(billing.id).state is State.ENABLING)
    await house.manager.update(tax.id, THREE, ADA)
    script.hold.set()
    with pytest.raises(DependenciesUnsatisfiedError, match=r"tax <3 is expected, version 3\.0\.0 is"):
        await enabling
    assert house.directory.get(billing.id).desired is Desired.DISABLED
    assert house.runtime.living("billing") == []


async def test_what_needs_a_plugin_is_enabled_while_its_new_version_starts(house: House) -> None:
    tax = await house.enabled("tax")
    billing = await house.register("billing", dependencies=needs("tax", specifier="<3"))
    script = house.runtime.script("tax")
    script.hold = asyncio.Event()
    updating = asyncio.create_task(house.manager.update(tax.id, THREE, ADA))
    await until(lambda: house.manager._stage.locks.held(tax.id))
    await house.manager.enable(billing.id, ADA)
    script.hold.set()
    with pytest.raises(VersionStillNeededError, match=r"billing \(<3\)"):
        await updating
    assert house.directory.get(tax.id).version == "1.0.0"
    assert [one.activated for one in house.runtime.living("tax")] == [True]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"desired": "disabled"}, "needs plugin tax <3, which is disabled now.*Enable tax first"),
        ({"version": "3.1"}, "needs plugin tax <3, which is version 3.1 now.*Bring tax to a version"),
    ],
)
async def test_an_enable_is_held_against_what_is_stored_of_others(house: House, values, told) -> None:
    tax = await house.enabled("tax")
    billing = await house.register("billing", dependencies=needs("tax", specifier="<3"))
    await overtaken(house, tax.id, **values)
    with pytest.raises(PeerUnfitError, match=f"Plugin billing was not changed: it {told}"):
        await house.manager.enable(billing.id, ADA)
    assert house.directory.get(billing.id).desired is Desired.DISABLED
    assert house.runtime.living("billing") == []


async def test_a_disable_and_a_delete_are_held_against_who_is_stored_as_enabled(house: House) -> None:
    tax = await house.enabled("tax")
    billing = await house.register("billing", dependencies=needs("tax", specifier="<3"))
    await overtaken(house, billing.id, desired="enabled")
    for work in (house.manager.disable, house.manager.delete):
        with pytest.raises(PeerUnfitError, match="tax was not changed: plugin billing is enabled now"):
            await work(tax.id, ADA)
    with pytest.raises(PeerUnfitError, match="billing is enabled now, and needs tax <3"):
        await house.manager.update(tax.id, THREE, ADA)
    assert house.directory.get(tax.id).desired is Desired.ENABLED
