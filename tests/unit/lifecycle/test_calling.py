"""Execute, health and the test of connections."""

import pytest

from isp_plugins.contracts.vocabulary import HealthStatus
from isp_plugins.lifecycle.errors import TestConnectionUnsupportedError, WrongStateError
from isp_plugins.runtime.errors import ExecutionFailedError
from support.fakes_lifecycle import ADA, House


async def test_execute_returns_what_the_method_returns(house: House) -> None:
    house.runtime.script("mailer").methods = {"add": sum}
    plugin = await house.enabled()
    result = await house.manager.execute(plugin.id, "add", [1, 2], ADA)
    assert result.value == 3
    assert (await house.trail())[-1] == ("plugin.executed", "done", "ada")


async def test_failed_execute_is_audited_as_failed(house: House) -> None:
    plugin = await house.enabled()
    with pytest.raises(ExecutionFailedError):
        await house.manager.execute(plugin.id, "absent", {}, ADA)
    assert (await house.trail())[-1] == ("plugin.executed", "failed", "ada")


async def test_only_an_active_plugin_executes(house: House) -> None:
    plugin = await house.register()
    with pytest.raises(WrongStateError, match="must be active"):
        await house.manager.execute(plugin.id, "add", [], ADA)


async def test_health_is_the_plugins_own_with_what_the_host_knows(house: House) -> None:
    plugin = await house.enabled()
    house.clock.advance(90)
    report = (await house.manager.health(plugin.id)).to_dict()
    assert (report["status"], report["state"], report["uptime_s"]) == ("healthy", "active", 90)
    assert report["checks"] == [{"name": "peer", "status": "pass", "message": "looked"}]


async def test_health_of_what_does_not_run_is_known_without_asking(house: House) -> None:
    plugin = await house.register()
    report = await house.manager.health(plugin.id)
    assert (report.status, report.checks, report.uptime_s) == (HealthStatus.UNKNOWN, (), None)
    assert report.message == "the plugin is registered and was not asked"


async def test_connection_is_tested_by_the_plugin(house: House) -> None:
    house.runtime.script("mailer").connection = {"ok": True, "message": "220 ready"}
    plugin = await house.enabled()
    assert await house.manager.test_connection(plugin.id) == {"ok": True, "message": "220 ready"}


async def test_secrets_in_an_answer_are_masked(house: House) -> None:
    house.runtime.script("mailer").connection = {
        "ok": False,
        "message": "tried top-secret",
        "log": [{"top-secret": "top-secret!"}],
    }
    plugin = await house.register(config_schema={"password": {"type": "string", "encrypted": True}})
    await house.configure(plugin.id, password="top-secret")
    await house.manager.enable(plugin.id, ADA)
    assert "top-secret" not in str(await house.manager.test_connection(plugin.id))


async def test_plugin_without_test_connection_says_so(house: House) -> None:
    plugin = await house.enabled()
    with pytest.raises(TestConnectionUnsupportedError):
        await house.manager.test_connection(plugin.id)
