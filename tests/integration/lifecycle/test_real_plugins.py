"""The lifecycle with real code on the disk: the real runtime, engine and database."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from isp_plugins.contracts.vocabulary import BindingStatus, Desired, HealthStatus, State
from isp_plugins.lifecycle.errors import PluginEnableFailedError, PluginReloadFailedError
from isp_plugins.lifecycle.records import PluginDraft, PluginRecord
from isp_plugins.settings import Settings
from isp_plugins.system import PluginSystem
from support.fakes_lifecycle import ADA
from support.waiting import until

Write = Callable[..., PluginDraft]
GREETER = """
    async def initialize(self):
        return True

    @action("customer_created")
    def greet(self, customer):
        return {version}
"""
BROKEN = {
    "raises at import": ("pass", "raise RuntimeError('no such server')", "no such server"),
    "exits at import": ("pass", "raise SystemExit(3)", "SystemExit"),
    "does not parse": ("def (", "", "SyntaxError"),
    "hangs at import": ("pass", "import time; time.sleep(60)", "being imported"),
    "hangs in initialize": ("def initialize(self):\n    import time; time.sleep(60)", "", "did not return"),
    "returns False": ("def initialize(self):\n    return False", "", "returned False"),
    "has another constructor": ("def __init__(self, name):\n    super().__init__(name, {})", "", "__init__"),
}


async def enabled(system: PluginSystem, description: PluginDraft) -> PluginRecord:
    plugin = await system.manager.register(description, ADA)
    return await system.manager.enable(plugin.id, ADA)


async def values(system: PluginSystem, hook: str = "customer_created") -> list[Any]:
    result = await system.dispatch(hook, {"id": 1})
    return [outcome.value for outcome in result.outcomes]


@pytest.mark.parametrize("what", BROKEN)
async def test_broken_plugin_is_failed_and_disturbs_nobody(
    system: PluginSystem, write: Write, what: str
) -> None:
    body, head, cause = BROKEN[what]
    await enabled(system, write("fine", GREETER.format(version=1)))
    plugin = await system.manager.register(write("broken", body, head=head), ADA)
    with pytest.raises(PluginEnableFailedError, match=cause):
        await system.manager.enable(plugin.id, ADA)
    record = system.directory.get(plugin.id)
    assert (record.state, record.desired) == (State.FAILED, Desired.DISABLED)
    assert cause in str(record.cause)
    assert await values(system) == [1]


async def test_cause_is_in_the_plugins_log(system: PluginSystem, write: Write) -> None:
    from isp_plugins.telemetry.records import LogFilters

    plugin = await system.manager.register(
        write("broken", "pass", head="raise RuntimeError('no such server')"), ADA
    )
    with pytest.raises(PluginEnableFailedError):
        await system.manager.enable(plugin.id, ADA)
    await system.logs.flush()
    page = await system.logs.page(LogFilters(plugin_id=plugin.id), 1, 10)
    assert any("no such server" in view.message and view.traceback for view in page.items)


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_reload_runs_new_code_without_a_call_dropped(
    system: PluginSystem, write: Write, *, exclusive: bool, kind: str
) -> None:
    body = GREETER.replace("def greet", f"{kind} greet")
    plugin = await enabled(system, write("greeter", body.format(version=1), exclusive=exclusive))
    stop = asyncio.Event()
    seen: list[Any] = []

    async def call() -> None:
        while not stop.is_set():
            result = await system.dispatch("customer_created", {"id": 1})
            seen.append([(outcome.status, outcome.value) for outcome in result.outcomes])
            await asyncio.sleep(0)

    callers = [asyncio.create_task(call()) for _ in range(8)]
    for version in range(2, 7):
        write("greeter", body.format(version=version))
        await system.manager.reload(plugin.id, ADA)
        (value,) = await values(system)
        assert value == version
    stop.set()
    await asyncio.gather(*callers)
    assert {status for ((status, _),) in seen} == {"ok"}
    assert {value for ((_, value),) in seen} <= set(range(1, 7))


@pytest.mark.parametrize("exclusive", [True, False])
async def test_old_code_runs_on_when_the_new_does_not_load(
    system: PluginSystem, write: Write, *, exclusive: bool
) -> None:
    plugin = await enabled(system, write("greeter", GREETER.format(version=1), exclusive=exclusive))
    write("greeter", "def (")
    with pytest.raises(PluginReloadFailedError, match="The old instance runs on"):
        await system.manager.reload(plugin.id, ADA)
    assert await values(system) == [1]
    assert system.directory.get(plugin.id).state is State.ACTIVE


async def test_once_disable_has_returned_the_plugin_is_not_called(system: PluginSystem, write: Write) -> None:
    plugin = await enabled(system, write("greeter", GREETER.format(version=1)))
    callers = [asyncio.create_task(values(system)) for _ in range(20)]
    await system.manager.disable(plugin.id, ADA)
    assert await values(system) == []
    await asyncio.gather(*callers)


async def test_unreadable_declaration_degrades_the_plugin_but_it_runs(
    system: PluginSystem, write: Write
) -> None:
    body = (
        GREETER.format(version=1)
        + '\n    @action("customer_updated")\n    def two(self, one, another):\n        return 2\n'
    )
    record = await enabled(system, write("greeter", body))
    assert (record.state, record.health.status) == (State.ACTIVE, HealthStatus.DEGRADED)
    bindings = {
        view.callback_method: view.binding for view in await system.manager.subscriptions.of(record.id)
    }
    assert bindings == {"greet": BindingStatus.VALID, "two": BindingStatus.INVALID}
    assert await values(system) == [1]


async def test_plugin_whose_calls_hang_is_quarantined(data_dir: Path, write: Write) -> None:
    body = """
        @action("customer_created")
        def hang(self, customer):
            import threading
            threading.Event().wait(60)
    """
    quick = Settings(data_dir=data_dir, abandoned_thread_limit=2, drain_timeout=0.1, cleanup_timeout=1.0)
    async with PluginSystem.open(quick) as system:
        plugin = await enabled(system, write("hangs", body))
        for _ in range(2):
            await system.dispatch("customer_created", {"id": 1}, timeout_ms=1000)
        assert await until(lambda: system.directory.get(plugin.id).state is State.QUARANTINED)
        assert await values(system) == []


async def test_hanging_executes_quarantine_too(data_dir: Path, write: Write) -> None:
    body = "def hang(self):\n    import threading; threading.Event().wait(60)"
    quick = Settings(
        data_dir=data_dir,
        abandoned_thread_limit=2,
        execute_timeout=1.0,
        drain_timeout=0.1,
        cleanup_timeout=1.0,
    )
    async with PluginSystem.open(quick) as system:
        plugin = await enabled(system, write("hangs", body))
        for _ in range(2):
            with pytest.raises(Exception, match="did not return"):
                await system.manager.execute(plugin.id, "hang", {}, ADA)
        assert await until(lambda: system.directory.get(plugin.id).state is State.QUARANTINED)


async def test_failed_plugin_comes_up_by_itself_once_it_is_mended(quick: Settings, write: Write) -> None:
    description = write("greeter", GREETER.format(version=1))
    async with PluginSystem.open(quick) as system:
        plugin = await enabled(system, description)
    write("greeter", "def (")
    async with PluginSystem.open(quick) as system:
        assert system.directory.get(plugin.id).state in {State.FAILED, State.ENABLING}  # tried anew already
        write("greeter", GREETER.format(version=2))
        await until(lambda: system.directory.get(plugin.id).state is State.ACTIVE)
        assert await values(system) == [2]


async def test_plugin_keeps_its_values_and_hears_of_others(system: PluginSystem, write: Write) -> None:
    body = """
        @action("plugin_enabled")
        def heard(self, event):
            self.context.set("heard", event["plugin"])

        def what(self):
            return self.context.get("heard")
    """
    listener = await enabled(system, write("listener", body))
    await enabled(system, write("greeter", GREETER.format(version=1)))

    async def heard() -> bool:
        return (await system.manager.execute(listener.id, "what", {}, ADA)).value == "greeter"

    assert await until(heard)
