"""What the host asks of a running plugin beside its methods: health, info, activation, configuration, connection test, and its end."""

import pytest

from isp_plugins.runtime.errors import (
    ActivateFailedError,
    ConfigureFailedError,
    InfoFailedError,
)

KINDS = pytest.mark.parametrize("kind", ["def", "async def"])


@KINDS
async def test_health_is_what_the_plugin_reports(anywhere, kind):
    plugin = await anywhere.started(
        f"{kind} health_check(self):\n    return {{'status': 'degraded', 'checks': []}}"
    )
    assert await plugin.health(5) == {"status": "degraded", "checks": []}
    await plugin.stop()


@KINDS
@pytest.mark.parametrize(
    ("result", "reason"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("None", "returned NoneType"),
        ("{'status': 'fine'}", "malformed report: status"),
    ],
)
async def test_health_check_that_fails_is_an_unhealthy_report(anywhere, kind, result, reason):
    plugin = await anywhere.started(f"{kind} health_check(self):\n    return {result}")
    report = await plugin.health(5)
    assert report["status"] == "unhealthy"
    assert reason in report["checks"][0]["message"]
    await plugin.stop()


async def test_health_check_that_hangs_is_an_unhealthy_report(plugins, hang):
    plugin = await plugins.started(f"def health_check(self):\n    {hang.code}")
    assert "did not return within 0.05 s" in (await plugin.health(0.05))["checks"][0]["message"]
    await plugin.stop()


async def test_info_is_what_the_plugin_tells(anywhere):
    plugin = await anywhere.started("def get_info(self):\n    return {'name': 'Mine', 'version': '2'}")
    assert await plugin.info() == {"name": "Mine", "version": "2"}
    await plugin.stop()


@pytest.mark.parametrize("result", ["None", "1 / 0", "{'a': object()}"])
async def test_info_that_fails_is_an_error(anywhere, result):
    plugin = await anywhere.started(f"def get_info(self):\n    return {result}")
    with pytest.raises(InfoFailedError, match="get_info failed"):
        await plugin.info()
    await plugin.stop()


async def test_optional_methods_that_are_not_there_do_nothing(anywhere):
    plugin = await anywhere.started("pass")
    await plugin.activate()
    assert await plugin.test_connection() is None
    assert plugin.can_configure is False
    with pytest.raises(ConfigureFailedError, match="reload it"):
        await plugin.configure({})
    await plugin.stop()


@KINDS
@pytest.mark.parametrize("result", ["None", "True"])
async def test_activate_is_called(anywhere, kind, result):
    plugin = await anywhere.started(
        f"ran = False\n{kind} activate(self):\n    self.ran = True\n    return {result}\ndef ask(self):\n    return self.ran"
    )
    await plugin.activate()
    assert await plugin.execute("ask", None, 5) is True
    await plugin.stop()


@KINDS
@pytest.mark.parametrize(
    ("result", "reason"), [("False", "activate returned False"), ("1 / 0", "ZeroDivisionError")]
)
async def test_activate_that_objects_is_a_failure(anywhere, kind, result, reason):
    plugin = await anywhere.started(f"{kind} activate(self):\n    return {result}")
    with pytest.raises(ActivateFailedError, match=reason):
        await plugin.activate()
    await plugin.stop()


@KINDS
async def test_configure_hands_over_a_private_copy_that_becomes_the_configuration(anywhere, kind):
    plugin = await anywhere.started(
        f"{kind} configure(self, config):\n    self.before = self.config['a']\n    config['a'] += 1\ndef ask(self):\n    return [self.before, self.config]",
        config={"a": 1},
    )
    new = {"a": 5}
    await plugin.configure(new)
    assert await plugin.execute("ask", None, 5) == [1, {"a": 6}]
    assert new == {"a": 5}
    await plugin.stop()


@KINDS
@pytest.mark.parametrize("result", ["False", "1 / 0"])
async def test_refused_configuration_is_a_failure_and_the_old_one_stays(anywhere, kind, result):
    plugin = await anywhere.started(
        f"{kind} configure(self, config):\n    return {result}\ndef ask(self):\n    return self.config",
        config={"a": 1},
    )
    with pytest.raises(ConfigureFailedError):
        await plugin.configure({"a": 2})
    assert await plugin.execute("ask", None, 5) == {"a": 1}
    await plugin.stop()


@KINDS
@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ("{'ok': True, 'message': 'hello'}", {"ok": True, "message": "hello"}),
        ("False", {"ok": False, "message": ""}),
    ],
)
async def test_connection_test_is_told(anywhere, kind, result, expected):
    plugin = await anywhere.started(f"{kind} test_connection(self):\n    return {result}")
    assert await plugin.test_connection() == expected
    await plugin.stop()


async def test_connection_test_that_raises_is_not_ok(anywhere):
    plugin = await anywhere.started("def test_connection(self):\n    raise OSError('no route')")
    result = await plugin.test_connection()
    assert result["ok"] is False
    assert "OSError: no route" in result["message"]
    await plugin.stop()


@KINDS
@pytest.mark.parametrize(
    ("result", "problem"),
    [
        ("True", None),
        ("None", None),
        ("False", "cleanup returned False"),
        ("1 / 0", "cleanup failed: ZeroDivisionError"),
    ],
)
async def test_stop_cleans_up_and_tells_what_went_wrong(anywhere, kind, result, problem):
    plugin = await anywhere.started(f"{kind} cleanup(self):\n    return {result}")
    told = await plugin.stop()
    assert told is None if problem is None else told.startswith(problem)
    assert anywhere.loaded_modules() == []


async def test_cleanup_that_hangs_is_abandoned(plugins, hang):
    plugin = await plugins.started(f"def cleanup(self):\n    return {hang.code}", cleanup_deadline_s=0.05)
    assert "did not return within 0.05 s" in await plugin.stop()
    assert plugins.loaded_modules() == []


async def test_second_stop_does_nothing(anywhere):
    plugin = await anywhere.started("def cleanup(self):\n    return False")
    assert await plugin.stop() is not None
    assert await plugin.stop() is None


async def test_cleanup_can_still_import_its_own_modules(anywhere):
    anywhere.write("plugins/last.py", "")
    plugin = await anywhere.started("def cleanup(self):\n    from plugins import last\n    return True")
    assert await plugin.stop() is None
