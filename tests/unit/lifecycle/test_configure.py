"""Configuration: tried on the running plugin first, saved only when that works."""

from typing import Any

import pytest

from isp_plugins.configuration import ConfigChange, ConfigurationInvalidError, SetValue
from isp_plugins.contracts.vocabulary import State
from isp_plugins.lifecycle.errors import ConfigurationRefusedError, RequiredKeyMissingError
from support.fakes_lifecycle import ADA, House

SCHEMA = {
    "server": {"type": "string", "required": True},
    "password": {"type": "string", "encrypted": True},
    "port": {"type": "integer", "default": 25},
}


async def configured(house: House, *, configurable: bool = False, **fields: Any) -> int:
    house.runtime.script("mailer").configurable = configurable
    plugin = await house.register(config_schema=SCHEMA, **fields)
    await house.configure(plugin.id, server="old.example", password="old-secret")
    await house.manager.enable(plugin.id, ADA)
    return plugin.id


async def stored(house: House, plugin_id: int) -> dict[str, Any]:
    from isp_plugins.configuration import ConfigSchema

    return await house.configuration.resolved(plugin_id, ConfigSchema.of(SCHEMA))


async def test_plugin_that_does_not_run_is_just_saved(house: House) -> None:
    plugin = await house.register(config_schema=SCHEMA)
    entries = await house.configure(plugin.id, password="secret-value")
    assert {entry.key: entry.value for entry in entries} == {
        "server": None,
        "password": "********",
        "port": 25,
    }
    assert house.runtime.starts == []


async def test_running_plugin_is_handed_the_new_values(house: House) -> None:
    plugin_id = await configured(house, configurable=True)
    await house.configure(plugin_id, server="new.example")
    assert house.runtime.alive[0].config == {"server": "new.example", "password": "old-secret", "port": 25}
    assert len(house.runtime.starts) == 1


async def test_plugin_without_configure_is_replaced(house: House) -> None:
    plugin_id = await configured(house)
    await house.configure(plugin_id, server="new.example")
    assert [one.config["server"] for one in house.runtime.alive] == ["new.example"]
    assert len(house.runtime.starts) == 2


@pytest.mark.parametrize("configurable", [True, False])
@pytest.mark.parametrize("exclusive", [True, False])
async def test_refused_values_are_not_saved_and_the_old_ones_work_on(
    house: House, *, configurable: bool, exclusive: bool
) -> None:
    plugin_id = await configured(house, configurable=configurable, exclusive=exclusive)
    house.runtime.script("mailer").refuses = lambda config: config["server"] == "bad.example"
    with pytest.raises(ConfigurationRefusedError, match="Nothing was saved"):
        await house.configure(plugin_id, server="bad.example")
    assert (await stored(house, plugin_id))["server"] == "old.example"
    assert [one.config["server"] for one in house.runtime.alive] == ["old.example"]
    assert house.directory.get(plugin_id).state is State.ACTIVE


async def test_plugin_that_cannot_take_the_old_values_back_is_started_anew(house: House) -> None:
    plugin_id = await configured(house, configurable=True)
    seen: list[Any] = []
    house.runtime.script("mailer").refuses = lambda config: len(seen) < 2 and not seen.append(config)
    with pytest.raises(ConfigurationRefusedError):
        await house.configure(plugin_id, server="bad.example")
    assert [one.config["server"] for one in house.runtime.alive] == ["old.example"]
    assert len(house.runtime.starts) == 2


async def test_secrets_in_a_refusal_are_masked(house: House) -> None:
    plugin_id = await configured(house, configurable=True)
    house.runtime.script("mailer").refuses = lambda config: config["password"] == "new-secret"
    with pytest.raises(ConfigurationRefusedError) as caught:
        await house.configure(plugin_id, password="new-secret")
    assert "new-secret" not in str(caught.value)
    assert "********" in str(caught.value)


async def test_new_secret_is_masked_before_the_plugin_sees_it(house: House) -> None:
    plugin_id = await configured(house, configurable=True)
    masked: list[frozenset[str]] = []
    launcher = house.manager._stage.launcher
    house.runtime.script("mailer").refuses = lambda config: bool(
        masked.append(launcher.secrets_of(plugin_id))
    )
    await house.configure(plugin_id, password="new-secret")
    assert masked == [{"old-secret", "new-secret"}]
    assert launcher.secrets_of(plugin_id) == {"new-secret"}


async def test_invalid_values_are_refused_before_the_plugin_is_asked(house: House) -> None:
    plugin_id = await configured(house, configurable=True)
    with pytest.raises(ConfigurationInvalidError):
        await house.configure(plugin_id, port="many")
    assert house.runtime.alive[0].config["port"] == 25


async def test_required_key_of_an_enabled_plugin_stays(house: House) -> None:
    plugin_id = await configured(house)
    with pytest.raises(RequiredKeyMissingError, match="server"):
        await house.configure(plugin_id, "server")


async def test_required_key_of_a_disabled_plugin_may_go(house: House) -> None:
    plugin_id = await configured(house)
    await house.manager.disable(plugin_id, ADA)
    entries = await house.configure(plugin_id, "server")
    assert entries[0].value is None


async def test_failed_but_wanted_plugin_is_mended_key_by_key(house: House) -> None:
    plugin_id = await configured(house)
    house.runtime.script("mailer").refuses = lambda config: config["server"] == "old.example"
    house = await house.restart()
    assert house.directory.get(plugin_id).state is State.FAILED
    await house.configure(plugin_id, server="new.example")
    assert (await stored(house, plugin_id))["server"] == "new.example"


async def test_mended_configuration_is_tried_at_once(house: House) -> None:
    plugin_id = await configured(house)
    house.runtime.script("mailer").refuses = lambda config: config["server"] == "old.example"
    house = await house.restart()
    await house.configure(plugin_id, server="new.example")
    await house.manager.recover()
    assert house.directory.get(plugin_id).state is State.ACTIVE


async def test_change_is_audited_without_values(house: House) -> None:
    plugin_id = await configured(house)
    await house.configure(plugin_id, password="new-secret")
    assert (await house.trail())[-1] == ("configuration.changed", "done", "ada")
    page = await house.audit.page(filters=None, page=1, size=1)
    assert page.items[0].details["keys"] == ["password"]
    assert "new-secret" not in str(page.items[0])


async def test_rollback_reaches_the_plugin(house: House) -> None:
    plugin_id = await configured(house, configurable=True)
    await house.configure(plugin_id, server="new.example")
    await house.manager.configure(plugin_id, ConfigChange(rollback_to=1), ADA)
    assert house.runtime.alive[0].config["server"] == "old.example"
    assert (await house.trail())[-1][0] == "configuration.rolled_back"


async def test_same_values_change_nothing(house: House) -> None:
    plugin_id = await configured(house, configurable=True)
    before = house.directory.get(plugin_id)
    await house.manager.configure(plugin_id, ConfigChange(set={"server": SetValue("old.example")}), ADA)
    assert house.directory.get(plugin_id) == before


async def test_keys_are_announced_without_values(house: House) -> None:
    plugin_id = await configured(house)
    await house.configure(plugin_id, server="new.example")
    await house.manager._stage.announcer.flush(5)
    hook, payload = house.engine.dispatched[-1]
    assert (hook, payload["changed_keys"]) == ("plugin_configured", ["server"])
    assert "new.example" not in str(payload)
