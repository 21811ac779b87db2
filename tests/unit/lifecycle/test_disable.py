"""Disable and delete: what they refuse, what they stop, what they leave."""

import pytest
from sqlalchemy import func, select

from isp_plugins.contracts.vocabulary import Desired, State
from isp_plugins.db.tables import Base
from isp_plugins.lifecycle.errors import PluginNotFoundError, PluginStillNeededError
from support.fakes_lifecycle import ADA, House, declared, needs


async def test_disabled_plugin_is_stopped_and_not_wanted(house: House) -> None:
    plugin = await house.enabled()
    record = await house.manager.disable(plugin.id, ADA)
    assert (record.state, record.desired) == (State.DISABLED, Desired.DISABLED)
    assert (house.runtime.alive, house.engine.subscriptions) == ([], {})


async def test_disable_is_idempotent(house: House) -> None:
    plugin = await house.enabled()
    first = await house.manager.disable(plugin.id, ADA)
    assert await house.manager.disable(plugin.id, ADA) == first


async def test_plugin_never_enabled_stays_registered(house: House) -> None:
    plugin = await house.register()
    assert (await house.manager.disable(plugin.id, ADA)).state is State.REGISTERED


async def test_disable_clears_the_cause_of_a_failure(house: House) -> None:
    plugin = await house.enabled()
    house.runtime.script("mailer").fails = "gone"
    house = await house.restart()
    record = await house.manager.disable(plugin.id, ADA)
    assert (record.state, record.cause, record.retry_at) == (State.DISABLED, None, None)


async def test_needed_plugin_is_not_disabled(house: House) -> None:
    base = await house.enabled("base")
    await house.enabled("mailer", dependencies=needs("base"))
    with pytest.raises(PluginStillNeededError, match="needed by mailer"):
        await house.manager.disable(base.id, ADA)
    assert house.directory.get(base.id).state is State.ACTIVE


async def test_optional_dependant_does_not_hold_a_plugin(house: House) -> None:
    base = await house.enabled("base")
    await house.enabled("mailer", dependencies=needs("base", optional=True))
    assert (await house.manager.disable(base.id, ADA)).state is State.DISABLED


async def test_cascade_takes_dependants_first(house: House) -> None:
    base = await house.enabled("base")
    middle = await house.enabled("middle", dependencies=needs("base"))
    top = await house.enabled("top", dependencies=needs("middle"))
    house.engine.history.clear()
    await house.manager.disable(base.id, ADA, cascade=True)
    assert house.engine.history == [f"unsubscribe {plugin.id}" for plugin in (top, middle, base)]
    assert {plugin.state for plugin in house.directory} == {State.DISABLED}


async def test_deleted_plugin_is_gone_but_its_trail_stays(house: House) -> None:
    house.runtime.script("mailer").declares = [declared()]
    plugin = await house.enabled(
        config_schema={"key": {"type": "string"}}, dependencies=needs("x", optional=True)
    )
    await house.configure(plugin.id, key="value")
    await house.manager.delete(plugin.id, ADA)
    with pytest.raises(PluginNotFoundError):
        house.directory.get(plugin.id)
    assert house.runtime.alive == []
    assert await rows_of_plugins(house) == 0
    assert (await house.trail())[-1] == ("plugin.deleted", "done", "ada")


async def test_name_of_a_deleted_plugin_is_free_again(house: House) -> None:
    plugin = await house.register()
    await house.manager.delete(plugin.id, ADA)
    assert (await house.register()).id != plugin.id


async def test_needed_plugin_is_not_deleted(house: House) -> None:
    base = await house.enabled("base")
    await house.enabled("mailer", dependencies=needs("base"))
    with pytest.raises(PluginStillNeededError):
        await house.manager.delete(base.id, ADA)


async def test_cascading_delete_disables_dependants(house: House) -> None:
    base = await house.enabled("base")
    mailer = await house.enabled("mailer", dependencies=needs("base"))
    await house.manager.delete(base.id, ADA, cascade=True)
    record = house.directory.get(mailer.id)
    assert (record.state, record.desired, record.dependencies[0].satisfied) == (
        State.DISABLED,
        Desired.DISABLED,
        False,
    )


async def test_disable_waits_for_an_execute(house: House) -> None:
    import asyncio

    plugin = await house.enabled()
    instance = house.manager._stage.instances[plugin.id]
    async with instance.called():
        disabling = asyncio.create_task(house.manager.disable(plugin.id, ADA))
        while house.directory.get(plugin.id).state is not State.DISABLING:
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        assert house.runtime.alive != []
    await disabling
    assert house.runtime.alive == []


async def rows_of_plugins(house: House) -> int:
    """Rows of any table that hang on a plugin."""
    count = 0
    async with house.database.reading() as session:
        for table in Base.metadata.sorted_tables:
            if table.name == "plugins" or any(
                key.column.table.name == "plugins" for key in table.foreign_keys
            ):
                count += await session.scalar(select(func.count()).select_from(table)) or 0
    return count
