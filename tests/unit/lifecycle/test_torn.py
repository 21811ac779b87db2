"""A database that goes away in the last step of an operation: nothing is half made."""

import pytest

from isp_plugins.contracts.vocabulary import Desired, State
from isp_plugins.db.errors import DatabaseUnavailableError
from isp_plugins.lifecycle.records import PluginChanges
from support.fakes_lifecycle import ADA, House, declared, draft

SCHEMA = {"server": {"type": "string", "default": "old.example"}}


async def torn(house: House, work: object) -> None:
    """The operation meets a database that does not answer, which then comes back."""
    house.audit.torn = True
    with pytest.raises(DatabaseUnavailableError):
        await work  # type: ignore[misc]  # a coroutine of the manager's
    house.audit.torn = False


async def test_torn_register_leaves_no_plugin(house: House) -> None:
    await torn(house, house.manager.register(draft(), ADA))
    assert len(house.directory) == 0
    assert await house.manager._stage.ledger.load() == []


async def test_torn_enable_leaves_the_plugin_as_it_was(house: House) -> None:
    house.runtime.script("mailer").declares = [declared()]
    plugin = await house.register()
    await torn(house, house.manager.enable(plugin.id, ADA))
    assert house.directory.get(plugin.id) == plugin
    assert (house.runtime.alive, house.engine.subscriptions) == ([], {})
    assert await house.manager.subscriptions.of(plugin.id) == []


async def test_torn_disable_leaves_the_plugin_running(house: House) -> None:
    plugin = await house.enabled()
    await torn(house, house.manager.disable(plugin.id, ADA))
    assert house.directory.get(plugin.id) == plugin
    assert (len(house.runtime.alive), plugin.id in house.engine.subscriptions) == (1, True)


async def test_plugin_of_a_torn_delete_comes_up_again_by_itself(house: House) -> None:
    plugin = await house.enabled()
    await torn(house, house.manager.delete(plugin.id, ADA))
    await house.manager.recover()
    record = house.directory.get(plugin.id)
    assert (record.state, record.desired, len(house.runtime.alive)) == (State.ACTIVE, Desired.ENABLED, 1)


@pytest.mark.parametrize("exclusive", [True, False])
async def test_torn_reload_leaves_the_old_instance(house: House, *, exclusive: bool) -> None:
    plugin = await house.enabled(exclusive=exclusive)
    house.runtime.script("mailer").code = "2"
    await torn(house, house.manager.reload(plugin.id, ADA))
    assert house.directory.get(plugin.id) == plugin
    assert len(house.runtime.alive) == 1
    assert plugin.id in house.engine.subscriptions


@pytest.mark.parametrize("configurable", [True, False])
async def test_torn_configure_gives_the_old_values_back(house: House, *, configurable: bool) -> None:
    house.runtime.script("mailer").configurable = configurable
    plugin = await house.enabled(config_schema=SCHEMA)
    await torn(house, house.configure(plugin.id, server="new.example"))
    assert [one.config for one in house.runtime.alive] == [{"server": "old.example"}]
    assert house.directory.get(plugin.id) == plugin


async def test_torn_update_changes_nothing(house: House) -> None:
    plugin = await house.enabled()
    await torn(house, house.manager.update(plugin.id, PluginChanges.of({"version": "2.0"}), ADA))
    assert house.directory.get(plugin.id) == plugin
    assert len(house.runtime.alive) == 1


async def test_plugin_whose_failure_cannot_be_stored_is_shown_as_failed(house: House) -> None:
    plugin = await house.register()
    house.runtime.script("mailer").fails = "no such server"
    await torn(house, house.manager.enable(plugin.id, ADA))
    assert house.directory.get(plugin.id).state is State.FAILED


async def test_plugin_lost_in_a_torn_reload_is_retried(house: House) -> None:
    plugin = await house.enabled(exclusive=True)
    house.runtime.script("mailer").fails = "port taken"
    await torn(house, house.manager.reload(plugin.id, ADA))
    assert house.directory.get(plugin.id).state is State.FAILED
    house.runtime.script("mailer").fails = None
    house.clock.advance(10)
    await house.manager.recover()
    assert house.directory.get(plugin.id).state is State.ACTIVE
