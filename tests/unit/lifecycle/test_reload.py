"""Reload and update: the new one in the place of the old, or the old one stays."""

import pytest

from isp_plugins.contracts.vocabulary import Desired, LogLevel, State
from isp_plugins.lifecycle.errors import (
    DependencyCycleError,
    PluginNameFixedError,
    PluginReloadFailedError,
    PluginUpdateFailedError,
    VersionStillNeededError,
    WrongStateError,
)
from isp_plugins.lifecycle.records import PluginChanges
from support.fakes_lifecycle import ADA, House, declared, needs


async def test_reload_runs_the_new_code_alone(house: House) -> None:
    plugin = await house.enabled()
    house.runtime.script("mailer").code = "2"
    record = await house.manager.reload(plugin.id, ADA)
    assert [one.code for one in house.runtime.alive] == ["2"]
    assert (record.state, record.generation) == (State.ACTIVE, plugin.generation + 1)


async def test_new_instance_starts_before_the_old_one_stops(house: House) -> None:
    plugin = await house.enabled()
    house.engine.history.clear()
    await house.manager.reload(plugin.id, ADA)
    assert house.engine.history == [f"subscribe {plugin.id}", f"drain {plugin.id}"]


async def test_failed_reload_keeps_the_old_instance(house: House) -> None:
    plugin = await house.enabled()
    old = house.runtime.alive[0]
    house.runtime.script("mailer").fails = "syntax error"
    with pytest.raises(PluginReloadFailedError, match=r"syntax error.*The old instance runs on"):
        await house.manager.reload(plugin.id, ADA)
    assert house.runtime.alive == [old]
    assert house.directory.get(plugin.id) == plugin


async def test_failing_activate_swaps_back(house: House) -> None:
    script = house.runtime.script("mailer")
    script.declares = [declared()]
    plugin = await house.enabled()
    before = house.engine.subscriptions[plugin.id]
    script.activates, script.declares = False, [declared(), declared("customer_updated")]
    with pytest.raises(PluginReloadFailedError):
        await house.manager.reload(plugin.id, ADA)
    assert house.engine.subscriptions[plugin.id] == before
    assert [one.hook_name for one in await house.manager.subscriptions.of(plugin.id)] == ["customer_created"]


async def test_unhealthy_new_instance_is_refused(house: House) -> None:
    plugin = await house.enabled()
    house.runtime.alive[0].script = type(house.runtime.alive[0].script)()  # the old one stays healthy
    house.runtime.script("mailer").health = "unhealthy"
    with pytest.raises(PluginReloadFailedError, match="peer: looked"):
        await house.manager.reload(plugin.id, ADA)


async def test_unhealthy_plugin_may_be_reloaded_while_its_peer_is_down(house: House) -> None:
    plugin = await house.enabled()
    house.runtime.script("mailer").health = "unhealthy"
    assert (await house.manager.reload(plugin.id, ADA)).state is State.ACTIVE


async def test_only_an_active_plugin_is_reloaded(house: House) -> None:
    plugin = await house.register()
    with pytest.raises(WrongStateError, match="must be active"):
        await house.manager.reload(plugin.id, ADA)


async def test_exclusive_plugin_never_lives_twice(house: House) -> None:
    plugin = await house.enabled(exclusive=True)
    lives: list[int] = []
    start = house.runtime.start

    async def counting(request):
        lives.append(len(house.runtime.alive))
        assert plugin.id in house.engine.gated
        return await start(request)

    house.runtime.start = counting
    await house.manager.reload(plugin.id, ADA)
    assert (lives, house.engine.gated) == ([0], set())


async def test_failed_exclusive_reload_starts_the_old_again(house: House) -> None:
    plugin = await house.enabled(exclusive=True)
    start = house.runtime.start
    tries = iter(["port taken", None])

    async def once(request):
        house.runtime.script("mailer").fails = next(tries)
        return await start(request)

    house.runtime.start = once
    with pytest.raises(PluginReloadFailedError, match=r"port taken.*The old instance runs on"):
        await house.manager.reload(plugin.id, ADA)
    assert len(house.runtime.alive) == 1
    assert house.directory.get(plugin.id).state is State.ACTIVE


async def test_exclusive_plugin_that_comes_up_neither_way_is_failed_and_retried(house: House) -> None:
    plugin = await house.enabled(exclusive=True)
    house.runtime.script("mailer").fails = "port taken"
    with pytest.raises(PluginReloadFailedError, match="tried again by itself"):
        await house.manager.reload(plugin.id, ADA)
    record = house.directory.get(plugin.id)
    assert (record.state, record.desired, plugin.id in house.engine.subscriptions) == (
        State.FAILED,
        Desired.ENABLED,
        False,
    )
    assert plugin.id in house.manager._stage.recovery.waiting


async def test_update_that_needs_it_reloads(house: House) -> None:
    plugin = await house.enabled()
    record = await house.manager.update(
        plugin.id, PluginChanges.of({"version": "1.1.0", "entry_point": "Other"}), ADA
    )
    assert (record.version, house.runtime.alive[0].request.entry_point, len(house.runtime.alive)) == (
        "1.1.0",
        "Other",
        1,
    )


async def test_update_that_does_not_work_changes_nothing(house: House) -> None:
    plugin = await house.enabled()
    house.runtime.script("mailer").fails = "no such class"
    with pytest.raises(PluginUpdateFailedError, match="no such class"):
        await house.manager.update(plugin.id, PluginChanges.of({"entry_point": "Other"}), ADA)
    assert house.directory.get(plugin.id) == plugin


async def test_words_are_changed_without_a_reload(house: House) -> None:
    plugin = await house.enabled()
    record = await house.manager.update(
        plugin.id, PluginChanges.of({"display_name": "Mail", "author": "zoe"}), ADA
    )
    assert (record.display_name, record.generation, len(house.runtime.starts)) == (
        "Mail",
        plugin.generation + 1,
        1,
    )


async def test_log_level_counts_at_once(house: House) -> None:
    house.runtime.script("mailer").declares = [declared()]
    plugin = await house.enabled()
    await house.manager.update(plugin.id, PluginChanges.of({"log_level": "DEBUG"}), ADA)
    assert [one.debug for one in house.engine.subscriptions[plugin.id]] == [True]
    assert house.logs.logger_for(plugin.id, "mailer", LogLevel.DEBUG).level == 10


async def test_nothing_changed_writes_nothing(house: House) -> None:
    plugin = await house.register()
    trail = await house.trail()
    assert (
        await house.manager.update(plugin.id, PluginChanges.of({"name": "mailer", "version": "1.0.0"}), ADA)
        == plugin
    )
    assert await house.trail() == trail


async def test_plugin_is_not_renamed(house: House) -> None:
    plugin = await house.register()
    with pytest.raises(PluginNameFixedError):
        await house.manager.update(plugin.id, PluginChanges.of({"name": "other"}), ADA)


async def test_version_that_dependants_cannot_use_is_refused(house: House) -> None:
    base = await house.enabled("base", version="1.0")
    await house.enabled("mailer", dependencies=needs("base", specifier="<2"))
    with pytest.raises(VersionStillNeededError, match=r"mailer \(<2\)"):
        await house.manager.update(base.id, PluginChanges.of({"version": "2.0"}), ADA)


async def test_circle_is_refused(house: House) -> None:
    base = await house.register("base")
    await house.register("mailer", dependencies=needs("base"))
    with pytest.raises(DependencyCycleError, match="base -> mailer -> base"):
        await house.manager.update(base.id, PluginChanges.of({"dependencies": needs("mailer")}), ADA)


async def test_changed_dependencies_survive_a_restart(house: House) -> None:
    plugin = await house.register()
    await house.manager.update(
        plugin.id, PluginChanges.of({"dependencies": needs("base", specifier=">=1")}), ADA
    )
    house = await house.restart()
    assert [need.specifier for need in house.directory.get(plugin.id).needs] == [">=1"]
