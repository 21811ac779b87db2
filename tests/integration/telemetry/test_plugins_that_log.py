"""Real plugins that log: from their modules, at DEBUG, while they always fail, and far too much."""

import asyncio
import textwrap

import pytest

from isp_plugins.configuration.values import ConfigChange, SetValue
from isp_plugins.contracts.vocabulary import LogLevel
from isp_plugins.lifecycle.records import PluginChanges
from isp_plugins.settings import Settings
from isp_plugins.system import PluginSystem
from isp_plugins.telemetry import LogFilters
from support.fakes_lifecycle import ADA, draft
from support.migrated import migrated
from support.waiting import until

HEAD = """
import logging
import threading
from app.services.plugin_service import PluginInterface
from isp_plugin_sdk.hooks import action, event

module_logger = logging.getLogger(__name__)


class Plugin(PluginInterface):
    def initialize(self):
        return True

"""


@pytest.fixture
async def system(tmp_path):
    async with PluginSystem.open(
        Settings(data_dir=migrated(tmp_path / "data"), log_queue_size=2_000)
    ) as system:
        yield system


@pytest.fixture
def enable(system):
    async def enable(name, body, **fields):
        folder = system.settings.data_dir / "plugins"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.py").write_text(HEAD + textwrap.indent(textwrap.dedent(body), "    "))
        plugin = await system.manager.register(draft(name, **fields), ADA)
        return await system.manager.enable(plugin.id, ADA)

    return enable


async def logged(system, **filters):
    await system.logs.flush()
    return list(reversed((await system.logs.page(LogFilters(**filters), 1, 200)).items))


async def messages(system, **filters):
    return [row.message for row in await logged(system, **filters)]


MODULE = """
def speak(self, text):
    module_logger.info("the module says %s", text)
    module_logger.debug("in detail")
"""


async def test_what_a_module_logs_is_the_plugins_log_with_its_secrets_masked(system, enable):
    schema = {"password": {"type": "string", "encrypted": True, "default": ""}}
    plugin = await enable("speaker", MODULE, config_schema=schema)
    await system.manager.configure(plugin.id, ConfigChange(set={"password": SetValue("hunter2-secret")}), ADA)
    await system.manager.execute(plugin.id, "speak", ["hunter2-secret"], ADA)
    found = await logged(system, plugin_id=plugin.id, q="the module says")
    assert [(row.message, row.method) for row in found] == [("the module says ********", "speak")]


async def test_a_modules_logger_follows_the_plugins_level_and_survives_a_reload(system, enable):
    plugin = await enable("speaker", MODULE)
    await system.manager.update(plugin.id, PluginChanges.of({"log_level": "DEBUG"}), ADA)
    await system.manager.execute(plugin.id, "speak", ["a"], ADA)
    await system.manager.reload(plugin.id, ADA)
    await system.manager.execute(plugin.id, "speak", ["b"], ADA)
    found = await messages(system, plugin_id=plugin.id)
    assert [it for it in found if it == "in detail" or it.startswith("the module")] == [
        "the module says a",
        "in detail",
        "the module says b",
        "in detail",
    ]


WAYS = """
@action("customer_created")
def plain(self, customer):
    return 1

@action("customer_created")
async def awaited(self, customer):
    return 2

@event("customer_created")
def afterwards(self, customer):
    return 3

@action("customer_created", condition="id > 100")
def never(self, customer):
    return 4
"""


@pytest.mark.parametrize("trusted_inline", [True, False])
@pytest.mark.parametrize("way", ["awaited", "on a thread"])
async def test_at_debug_every_invocation_is_logged_whatever_its_way(system, enable, trusted_inline, way):
    plugin = await enable("worker", WAYS, log_level=LogLevel.DEBUG, trusted_inline=trusted_inline)
    for _ in range(40):
        if way == "awaited":
            await system.dispatch("customer_created", {"id": 1})
        else:
            await asyncio.to_thread(system.dispatch_sync, "customer_created", {"id": 1})
    await until(lambda: system.events.delivered >= 40)
    found = await logged(system, plugin_id=plugin.id, hook="customer_created", only_level=LogLevel.DEBUG)
    counts = {
        method: sum(row.method == method for row in found)
        for method in ("plain", "awaited", "afterwards", "never")
    }
    assert counts == {"plain": 40, "awaited": 40, "afterwards": 40, "never": 0}
    assert all(row.duration_ms is not None and row.request_id for row in found)


async def test_a_change_of_level_counts_for_invocations_at_once(system, enable):
    plugin = await enable("worker", WAYS)
    await system.dispatch("customer_created", {"id": 1})
    await system.manager.update(plugin.id, PluginChanges.of({"log_level": "DEBUG"}), ADA)
    await system.dispatch("customer_created", {"id": 1})
    await system.manager.update(plugin.id, PluginChanges.of({"log_level": "INFO"}), ADA)
    await system.dispatch("customer_created", {"id": 1})
    found = await logged(system, plugin_id=plugin.id, method="plain")
    assert len(found) == 1


async def test_a_method_that_is_executed_is_an_invocation_too(system, enable):
    plugin = await enable("speaker", MODULE, log_level=LogLevel.DEBUG)
    await system.manager.execute(plugin.id, "speak", ["a"], ADA)
    (row,) = await logged(system, plugin_id=plugin.id, q="execute -> speak")
    assert (row.level, row.method) == (LogLevel.DEBUG, "speak")
    assert row.duration_ms is not None


FAILS = """
@action("customer_created")
def broken(self, customer):
    raise ValueError("always")
"""


async def test_a_plugin_that_always_fails_has_every_failure_logged_or_counted(system, enable):
    plugin = await enable("broken", FAILS, trusted_inline=True)
    for number in range(5_000):
        system.dispatch_sync("customer_created", {"id": 1})
        if number % 100 == 0:
            await asyncio.sleep(0)
    await system.logs.flush()
    counted = sum(
        count
        for count in [
            (await system.logs.page(LogFilters(plugin_id=plugin.id, method="broken"), 1, 1)).total,
            system.logs.dropped,
        ]
    )
    calls = sum(entry.calls for entry in system.engine.describe("customer_created"))
    assert counted == calls > 0


FLOOD = """
def flood(self, lines):
    def write():
        info = self.logger.info
        for number in range(lines):
            info("flood %d", number)

    self.thread = threading.Thread(target=write)
    self.thread.start()

def flooding(self):
    return self.thread.is_alive()
"""
LINES = 1_000_000


@pytest.mark.timeout(300)
async def test_a_million_lines_at_once_leave_memory_bounded_and_the_others_heard(system, enable):
    flooder = await enable("flooder", FLOOD)
    quiet = system.logs.logger_for(999, "quiet", LogLevel.INFO)
    await system.manager.execute(flooder.id, "flood", [LINES], ADA)
    said = 0
    while (await system.manager.execute(flooder.id, "flooding", [], ADA)).value:
        quiet.info("still here")
        said += 1
        await asyncio.sleep(0.01)
        assert system.logs.waiting <= 2_000
    await system.logs.flush()
    usages = {usage.plugin_name: usage for usage in await system.logs.usage()}
    reports = (
        await system.logs.page(LogFilters(plugin_id=flooder.id, only_level=LogLevel.WARNING), 1, 1)
    ).total
    assert usages["flooder"].written - reports + usages["flooder"].dropped == LINES
    assert usages["flooder"].dropped > 0
    assert (usages["quiet"].written, usages["quiet"].dropped) == (said, 0)


async def test_what_a_flood_lost_is_told_in_its_own_log(system, enable):
    flooder = await enable("flooder", FLOOD)
    await system.manager.execute(flooder.id, "flood", [50_000], ADA)

    async def over():
        return not (await system.manager.execute(flooder.id, "flooding", [], ADA)).value

    await until(over, within=60)
    found = await messages(system, plugin_id=flooder.id, only_level=LogLevel.WARNING)
    assert all("log records of this plugin were dropped" in message for message in found)
    assert sum(int(message.split()[0]) for message in found) == system.logs.dropped > 0
