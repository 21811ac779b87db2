"""Enable: what it needs, what it does, and what a failure leaves."""

import asyncio

import pytest

from isp_plugins.configuration import ConfigurationIncompleteError
from isp_plugins.contracts.vocabulary import Desired, HealthStatus, State
from isp_plugins.lifecycle.errors import (
    DependenciesUnsatisfiedError,
    PluginEnableFailedError,
    PluginNotFoundError,
)
from support.fakes_lifecycle import ADA, House, declared, needs


async def test_enabled_plugin_is_active_subscribed_and_wanted(house: House) -> None:
    house.runtime.script("mailer").declares = [declared()]
    record = await house.enabled()
    assert (record.state, record.desired, record.health.status) == (
        State.ACTIVE,
        Desired.ENABLED,
        HealthStatus.HEALTHY,
    )
    assert [one.hook for one in house.engine.subscriptions[record.id]] == ["customer_created"]
    assert house.runtime.alive[0].activated


async def test_enable_is_idempotent(house: House) -> None:
    first = await house.enabled()
    assert await house.manager.enable(first.id, ADA) == first
    assert len(house.runtime.starts) == 1


async def test_every_enable_raises_the_generation(house: House) -> None:
    plugin = await house.register()
    record = await house.manager.enable(plugin.id, ADA)
    assert record.generation == plugin.generation + 1


async def test_failed_request_keeps_desired_disabled_and_the_cause(house: House) -> None:
    house.runtime.script("mailer").fails = "no such server"
    plugin = await house.register()
    with pytest.raises(PluginEnableFailedError, match="no such server"):
        await house.manager.enable(plugin.id, ADA)
    record = house.directory.get(plugin.id)
    assert (record.state, record.desired, record.retry_at) == (State.FAILED, Desired.DISABLED, None)
    assert "no such server" in (record.cause or "")


async def test_failed_request_is_in_the_audit_trail(house: House) -> None:
    house.runtime.script("mailer").fails = "no such server"
    plugin = await house.register()
    with pytest.raises(PluginEnableFailedError):
        await house.manager.enable(plugin.id, ADA)
    assert (await house.trail())[-1] == ("plugin.enabled", "failed", "ada")


async def test_failing_activate_leaves_nothing_behind(house: House) -> None:
    script = house.runtime.script("mailer")
    script.activates, script.declares = False, [declared()]
    plugin = await house.register()
    with pytest.raises(PluginEnableFailedError):
        await house.manager.enable(plugin.id, ADA)
    assert house.runtime.alive == []
    assert house.engine.subscriptions == {}
    assert await house.manager.subscriptions.of(plugin.id) == []


async def test_failed_plugin_can_be_enabled_once_it_is_mended(house: House) -> None:
    script = house.runtime.script("mailer")
    script.fails = "typo"
    plugin = await house.register()
    with pytest.raises(PluginEnableFailedError):
        await house.manager.enable(plugin.id, ADA)
    script.fails = None
    record = await house.manager.enable(plugin.id, ADA)
    assert (record.state, record.cause, record.failures) == (State.ACTIVE, None, 0)


async def test_missing_required_configuration_is_named(house: House) -> None:
    schema = {"server": {"type": "string", "required": True}}
    plugin = await house.register(config_schema=schema)
    with pytest.raises(ConfigurationIncompleteError, match="server"):
        await house.manager.enable(plugin.id, ADA)
    assert house.directory.get(plugin.id).state is State.REGISTERED


async def test_inactive_dependency_is_named(house: House) -> None:
    await house.register("base")
    plugin = await house.register("mailer", dependencies=needs("base"))
    with pytest.raises(DependenciesUnsatisfiedError, match="base is registered"):
        await house.manager.enable(plugin.id, ADA)


async def test_dependency_of_another_version_is_named(house: House) -> None:
    await house.enabled("base", version="1.4")
    plugin = await house.register("mailer", dependencies=needs("base", specifier=">=2"))
    with pytest.raises(DependenciesUnsatisfiedError, match=r"base >=2 is expected, version 1\.4"):
        await house.manager.enable(plugin.id, ADA)


async def test_missing_python_package_is_named(house: House) -> None:
    missing = [{"kind": "python", "name": "no-such-package", "specifier": ">=1"}]
    plugin = await house.register(dependencies=missing)
    with pytest.raises(DependenciesUnsatisfiedError, match="no-such-package >=1 is not installed"):
        await house.manager.enable(plugin.id, ADA)


async def test_optional_dependency_does_not_block(house: House) -> None:
    record = await house.enabled(dependencies=needs("absent", optional=True))
    assert record.state is State.ACTIVE
    assert [need.satisfied for need in record.dependencies] == [False]


async def test_secret_in_the_cause_is_masked(house: House) -> None:
    schema = {"password": {"type": "string", "encrypted": True}}
    plugin = await house.register(config_schema=schema)
    await house.configure(plugin.id, password="hunter2secret")
    house.runtime.script("mailer").fails = "login with hunter2secret refused"
    with pytest.raises(PluginEnableFailedError) as caught:
        await house.manager.enable(plugin.id, ADA)
    assert (
        "hunter2secret" not in f"{caught.value} {caught.value.__cause__} {house.directory.json(plugin.id)!r}"
    )
    assert "********" in caught.value.message


async def test_unknown_plugin_is_not_found(house: House) -> None:
    with pytest.raises(PluginNotFoundError):
        await house.manager.enable(4711, ADA)


async def test_cancelled_caller_does_not_stop_the_operation(house: House) -> None:
    script = house.runtime.script("mailer")
    script.hold = asyncio.Event()
    plugin = await house.register()
    asking = asyncio.create_task(house.manager.enable(plugin.id, ADA))
    while not house.runtime.starts:
        await asyncio.sleep(0)
    asking.cancel()
    script.hold.set()
    again = await house.manager.enable(plugin.id, ADA)
    assert (again.state, len(house.runtime.starts)) == (State.ACTIVE, 1)


async def test_enable_is_announced_after_the_commit(house: House) -> None:
    record = await house.enabled()
    await house.manager._stage.announcer.flush(5)
    assert house.announced() == ["plugin_installed", "plugin_health_changed", "plugin_enabled"]
    _, payload = house.engine.dispatched[-1]
    assert payload == {
        "id": record.id,
        "plugin": "mailer",
        "version": "1.0.0",
        "actor": {"type": "api_key", "id": "7", "name": "ada"},
    }
