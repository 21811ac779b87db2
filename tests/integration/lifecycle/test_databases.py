"""The lifecycle's records on both databases."""

import pytest

from isp_plugins.contracts.vocabulary import Desired, State
from isp_plugins.db.engine import Database
from isp_plugins.keyring import KeyRing
from isp_plugins.lifecycle.errors import PluginEnableFailedError
from isp_plugins.lifecycle.records import PluginChanges
from isp_plugins.settings import Settings
from isp_plugins.testing import FakeClock
from support.fakes_lifecycle import ADA, House, declared, needs


@pytest.fixture
async def house(database: Database, keyring: KeyRing, clock: FakeClock, settings: Settings):
    house = House(database, keyring, clock, settings)
    await house.manager.reconcile()
    yield house
    await house.manager.close()


async def test_everything_about_a_plugin_survives_a_restart(house: House) -> None:
    await house.enabled("base")
    house.runtime.script("mailer").declares = [declared()]
    schema = {"password": {"type": "string", "encrypted": True}}
    plugin = await house.enabled(
        dependencies=needs("base", specifier=">=1"), config_schema=schema, log_level="DEBUG", author="ada"
    )
    await house.configure(plugin.id, password="secret-value")
    before = house.directory.get(plugin.id)
    house = await house.restart()
    assert house.directory.get(plugin.id) == before
    assert house.runtime.living("mailer")[0].config == {"password": "secret-value"}


async def test_failure_and_its_cause_survive_a_restart(house: House) -> None:
    plugin = await house.register()
    house.runtime.script("mailer").fails = "no such server"
    with pytest.raises(PluginEnableFailedError):
        await house.manager.enable(plugin.id, ADA)
    house = await house.restart()
    record = house.directory.get(plugin.id)
    assert (record.state, record.desired, record.failures) == (State.FAILED, Desired.DISABLED, 1)
    assert "no such server" in str(record.cause)


async def test_satisfaction_is_tracked_in_the_table(house: House) -> None:
    from sqlalchemy import select

    from isp_plugins.db.tables import PluginDependency

    base = await house.enabled("base")
    await house.enabled("mailer", dependencies=needs("base"))

    async def stored() -> tuple[bool, str | None]:
        async with house.database.reading() as session:
            return tuple(
                (await session.execute(select(PluginDependency.is_satisfied, PluginDependency.found))).one()
            )

    assert await stored() == (True, "1.0.0")
    await house.manager.disable(base.id, ADA, cascade=True)
    assert await stored() == (False, "1.0.0")
    await house.manager.delete(base.id, ADA)
    assert await stored() == (False, None)


async def test_update_and_delete_reach_the_table(house: House) -> None:
    plugin = await house.enabled()
    await house.manager.update(
        plugin.id, PluginChanges.of({"version": "2.0", "dependencies": needs("x", optional=True)}), ADA
    )
    stored = {record.name: record for record in await house.manager._stage.ledger.load()}
    assert (stored["mailer"].version, [need.name for need in stored["mailer"].needs]) == ("2.0", ["x"])
    await house.manager.delete(plugin.id, ADA)
    assert await house.manager._stage.ledger.load() == []


async def test_trail_of_a_life_verifies(house: House) -> None:
    plugin = await house.enabled(config_schema={"key": {"type": "string"}})
    await house.configure(plugin.id, key="value")
    await house.manager.reload(plugin.id, ADA)
    await house.manager.disable(plugin.id, ADA)
    await house.manager.delete(plugin.id, ADA)
    tags = [tag.removeprefix("plugin.") for tag, _, _ in await house.trail()]
    assert tags == ["registered", "enabled", "configuration.changed", "reloaded", "disabled", "deleted"]
    assert (await house.audit.verify()).ok
