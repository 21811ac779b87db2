"""The doctor on an open system: plugins are read, not run; subscriptions are explained; secrets stay hidden."""

import pytest

from isp_plugins.actors import HOST
from isp_plugins.configuration import ConfigChange, SetValue
from isp_plugins.hooks.store import HookDraft
from isp_plugins.lifecycle.errors import PluginNotFoundError
from isp_plugins.lifecycle.records import PluginDraft
from isp_plugins.settings import Settings
from isp_plugins.system import PluginSystem
from support.migrated import migrated
from support.waiting import until

SOURCE = """
from pathlib import Path

from app.services.plugin_service import PluginInterface

Path(__file__).with_name("mark").touch()


class Plugin(PluginInterface):
    def initialize(self):
        return True

    def health_check(self):
        Path(__file__).with_name("asked").touch()
        return {"status": "healthy", "checks": []}

    def notify(self, payload):
        if payload.get("explode"):
            raise ValueError("no " + self.config.get("token", "token"))
"""
SECRET = "hunter2hunter2"


@pytest.fixture
def folder(tmp_path):
    plugins = tmp_path / "data" / "plugins"
    plugins.mkdir(parents=True)
    (plugins / "mailer.py").write_text(SOURCE)
    return plugins


@pytest.fixture
async def system(tmp_path, folder):
    async with PluginSystem.open(
        Settings(data_dir=migrated(tmp_path / "data"), event_concurrency=1)
    ) as opened:
        yield opened


async def registered(system, **changes):
    raw = {
        "name": "mailer", "version": "1", "plugin_type": "CUSTOM", "module_path": "plugins.mailer", "entry_point": "Plugin",
        "config_schema": {"token": {"type": "string", "encrypted": True}},
    }  # fmt: skip
    return (await system.manager.register(PluginDraft.of(raw | changes), HOST)).id


async def enabled(system, **hook):
    plugin = await registered(system)
    await system.manager.configure(plugin, ConfigChange(set={"token": SetValue(SECRET)}), HOST)
    await system.manager.enable(plugin, HOST)
    draft = {"hook_name": "invoice_created", "hook_type": "action", "callback_method": "notify", **hook}
    await system.manager.subscriptions.create(plugin, HookDraft.of(draft), HOST)
    return plugin


def by_check(report):
    return {finding.check: finding for finding in report.findings}


async def test_plugin_is_read_and_not_run(system, folder):
    report = await system.doctor.plugin(await registered(system))
    assert by_check(report)["interface"].status == "ok"
    assert not (folder / "mark").exists()


async def test_health_is_asked_only_on_request_and_audited(system, folder):
    await system.manager._prober.close()  # it asks by itself within two seconds of the start
    plugin = await enabled(system)
    await system.doctor.plugin(plugin)
    asked_before = (folder / "asked").exists()
    found = by_check(await system.doctor.plugin(plugin, probe=True, actor=HOST))
    assert (asked_before, (folder / "asked").exists()) == (False, True)
    assert found["health"].status == "ok"
    tags = [entry.tag for entry in (await system.audit.page(size=50)).items]
    assert "plugin.probed" in tags


async def test_failed_start_is_told_with_its_cause(system, folder):
    (folder / "mailer.py").write_text(SOURCE.replace("return True", "return False"))
    plugin = await registered(system)
    with pytest.raises(Exception, match="initialize"):
        await system.manager.enable(plugin, HOST)
    found = by_check(await system.doctor.plugin(plugin))
    assert "initialize" in found["state"].found
    assert "initialize" in found["log"].found


async def test_link_out_of_the_plugin_path_is_told(system, folder, tmp_path):
    (tmp_path / "outside.py").write_text(SOURCE)
    (folder / "linked.py").symlink_to(tmp_path / "outside.py")
    report = await system.doctor.plugin(await registered(system, module_path="plugins.linked"))
    assert "is a link to" in by_check(report)["module"].found


async def test_unknown_plugin_is_refused(system):
    with pytest.raises(PluginNotFoundError):
        await system.doctor.plugin(999)


async def test_condition_is_explained_with_the_payload(system):
    await enabled(system, conditions="total > 100")
    found = by_check(await system.doctor.hook("invoice_created", {"total": 7}))
    assert found["condition"].status == "problem"
    assert "total = 7" in found["condition"].found


async def test_condition_of_the_sample_is_only_a_warning(system):
    await enabled(system, conditions='payload.nothing == "x"')
    assert by_check(await system.doctor.hook("invoice_created"))["condition"].status == "warning"


async def test_secret_in_a_payload_or_an_error_is_masked(system):
    await enabled(system, conditions='word == "x" || explode')
    await system.dispatch("invoice_created", {"explode": True, "word": "y"})
    report = await system.doctor.hook("invoice_created", {"word": SECRET, "explode": False})
    assert SECRET not in str(report.to_dict())
    assert "********" in by_check(report)["condition"].found
    assert by_check(report)["calls"].status == "warning"


async def test_hook_that_was_never_dispatched_says_so(system):
    await enabled(system)
    assert "never dispatched" in by_check(await system.doctor.hook("invoice_created"))["dispatches"].found


async def test_dispatches_are_counted_even_when_everything_is_switched_off(system):
    await enabled(system, is_active=False)
    await system.dispatch("invoice_created", {})
    found = by_check(await system.doctor.hook("invoice_created"))
    assert found["dispatches"].found.startswith("1 since")
    assert found["active"].status == "problem"


async def test_looking_does_not_dispatch(system):
    await enabled(system)
    await system.doctor.hook("invoice_created", {"explode": True})
    assert system.engine.describe("invoice_created")[0].calls == 0


async def test_open_breaker_is_told(system):
    plugin = await enabled(system)
    for _ in range(200):
        await system.dispatch("invoice_created", {"explode": True})
        if system.directory.get(plugin).tripped:
            break
    found = by_check(await system.doctor.hook("invoice_created", {}))
    assert found["breaker"].status == "problem"
    assert SECRET not in str(found)


async def test_why_an_event_was_not_delivered_is_told(system):
    plugin = await enabled(system, hook_type="event")
    await system.manager.disable(plugin, HOST)
    await system.dispatch("invoice_created", {"id": 1})

    async def told():
        return by_check(await system.doctor.hook("invoice_created", {}))["delivery"].status == "problem"

    await until(told)
    found = by_check(await system.doctor.hook("invoice_created", {}))
    assert "1 events wait" in found["delivery"].found
    assert "no node delivers them" in found["delivery"].found


async def test_own_echo_is_told(system):
    await enabled(system)
    await system.engine.dispatch("invoice_created", {}, origin="mailer")
    assert "did not ask" not in str(by_check(await system.doctor.hook("invoice_created", {})))
    assert (
        "its own plugin caused" in by_check(await system.doctor.hook("invoice_created", {}))["skipped"].found
    )


async def test_stopped_plugin_is_told_though_it_is_in_no_chain(system):
    plugin = await enabled(system)
    await system.manager.disable(plugin, HOST)
    assert by_check(await system.doctor.hook("invoice_created", {}))["plugin"].status == "problem"


async def test_misspelt_hook_is_told_with_what_was_meant(system):
    found = by_check(await system.doctor.hook("customer_create"))
    assert "customer_created" in found["hook"].next_step


async def test_only_one_plugins_subscriptions_are_shown(system):
    await enabled(system)
    other = await registered(system, name="other")
    await system.manager.subscriptions.create(
        other,
        HookDraft.of({"hook_name": "invoice_created", "hook_type": "action", "callback_method": "notify"}),
        HOST,
    )
    report = await system.doctor.hook("invoice_created", plugin="other")
    assert {finding.subject for finding in report.findings if finding.subject} == {"other.notify"}


async def test_payload_that_a_filter_refuses_is_a_problem(system):
    found = by_check(await system.doctor.hook("customer_before_create", {"draft": 7}))
    assert found["payload"].status == "problem"


async def test_installation_is_well_but_for_what_the_machine_lacks(system):
    found = by_check(await system.doctor.installation())
    told = {check for check, finding in found.items() if finding.status in {"warning", "problem"}}
    assert told <= {
        "kernel",
        "sandbox",
        "disk space",
        "inodes",
        "write latency",
        "folder permissions",
        "open files",
    }


async def test_clock_that_jumps_is_found(tmp_path, clock):
    async with PluginSystem.open(Settings(data_dir=migrated(tmp_path)), clock=clock) as opened:
        clock.set_wall(clock.now().replace(year=2031))
        assert by_check(await opened.doctor.installation())["clock"].status == "problem"
