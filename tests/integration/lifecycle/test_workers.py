"""Plugins in processes of their own through the whole lifecycle: registered, enabled, called, killed, brought back."""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from isp_plugins.contracts.vocabulary import LogLevel, RuntimeKind, State
from isp_plugins.lifecycle.errors import PluginEnableFailedError
from isp_plugins.lifecycle.records import PluginChanges, PluginDraft, PluginRecord
from isp_plugins.runtime.worker import WorkerPlugin
from isp_plugins.settings import Settings
from isp_plugins.system import PluginSystem
from isp_plugins.telemetry.records import LogFilters
from support.fakes_lifecycle import ADA
from support.forked import Forked
from support.waiting import until, wait_until

Write = Callable[..., PluginDraft]
BODY = """
    @action("customer_created")
    def greet(self, customer):
        return [customer["id"], self.context.hook, self.context.request_id]

    @action("customer_updated")
    def veto(self, customer):
        from isp_plugin_sdk import Reject
        raise Reject("never")

    @filter("invoice_generated")
    async def change(self, invoice):
        return {**invoice, "total": 7}

    @action("customer_deleted")
    def fail(self, customer):
        raise ValueError("bad customer")

    @action("service_activated")
    def again(self, service):
        self.context.set("depth", self.context.get("depth", 0) + 1)
        if service["left"]:
            result = self.context.dispatch("service_suspended", {"left": service["left"] - 1})
            return [one["value"] for one in result["subscriptions"]]
        return "bottom"

    @action("service_suspended", own_echo=True)
    def back(self, service):
        return self.context.dispatch("service_activated", {"left": service["left"]})["status"]

    @action("service_terminated", own_echo=True)
    async def async_nested(self, service):
        result = await self.context.aio.dispatch("service_suspended", {"left": 0})
        return result["subscriptions"][0]["value"]

    def pid(self):
        import os
        return os.getpid()

    def die(self):
        import os
        os._exit(3)

    def say(self):
        print("printed")
        self.logger.warning("warned %s", 1)
        self.logger.debug("whispered")
        import logging
        logging.getLogger("some.library").error("from a library")
"""


@pytest.fixture
def quick(data_dir: Path) -> Settings:
    """Settings with a short pause before a failed plugin is tried again; a worker may start as slowly as a busy machine starts it."""
    return Settings(
        data_dir=data_dir, recovery_backoff_min=0.05, worker_handshake_timeout=60.0, load_timeout=60.0
    )


async def enabled(system: PluginSystem, description: PluginDraft) -> PluginRecord:
    plugin = await system.manager.register(description, ADA)
    return await system.manager.enable(plugin.id, ADA)


async def called(system: PluginSystem, plugin: PluginRecord, method: str) -> Any:
    return (await system.manager.execute(plugin.id, method, None, ADA)).value


async def test_plugin_in_a_worker_lives_as_in_process(system: PluginSystem, write: Write) -> None:
    plugin = await enabled(system, write("greeter", BODY, runtime=RuntimeKind.PROCESS))
    assert plugin.runtime is RuntimeKind.PROCESS
    assert await called(system, plugin, "pid") != os.getpid()

    greeted = await system.dispatch("customer_created", {"id": 5}, request_id="r-1")
    assert [one.value for one in greeted.outcomes] == [[5, "customer_created", "r-1"]]
    changed = await system.dispatch("invoice_generated", {"id": 1, "total": 3})
    assert changed.value["total"] in {3, 7}
    failed = await system.dispatch("customer_deleted", {"id": 1})
    assert failed.to_dict()["subscriptions"][0]["error"] == {"type": "ValueError", "message": "bad customer"}
    assert (await system.manager.health(plugin.id)).status == "healthy"

    # Hooks that lead back into the plugin: each runs in the thread that waits, however deep, and costs no further one.
    nested = await system.dispatch("service_activated", {"left": 1})
    assert [one.value for one in nested.outcomes] == [["completed"]]
    nested = await system.dispatch("service_terminated", {"id": 1})
    assert [one.value for one in nested.outcomes] == ["completed"]

    await system.manager.disable(plugin.id, ADA)
    assert system.directory.get(plugin.id).state is State.DISABLED


async def test_log_of_a_worker_is_the_plugins_log(system: PluginSystem, write: Write) -> None:
    plugin = await enabled(system, write("greeter", BODY, runtime=RuntimeKind.PROCESS))

    async def messages() -> list[str]:
        await system.logs.flush()
        page = await system.logs.page(LogFilters(plugin_id=plugin.id), 1, 50)
        return [view.message for view in page.items]

    await called(system, plugin, "say")

    async def has_all() -> bool:
        return {"printed", "warned 1", "from a library"} <= set(await messages())

    await until(has_all)
    assert "whispered" not in await messages()
    await system.manager.update(plugin.id, PluginChanges.of({"log_level": LogLevel.DEBUG.value}), ADA)
    await called(system, plugin, "say")

    async def whispers() -> bool:
        return "whispered" in await messages()

    await until(whispers)


@pytest.mark.parametrize("how", ["kill -9", "os._exit"])
async def test_plugin_whose_worker_dies_is_failed_with_the_cause_and_comes_back(
    quick: Settings, write: Write, how: str
) -> None:
    async with PluginSystem.open(quick) as system:
        plugin = await enabled(system, write("greeter", BODY, runtime=RuntimeKind.PROCESS))
        before = await called(system, plugin, "pid")
        causes: set[str] = set()
        if how == "kill -9":
            os.kill(before, signal.SIGKILL)
        else:
            with pytest.raises(Exception, match="it exited with code 3"):
                await called(system, plugin, "die")

        def is_back() -> bool:
            record = system.directory.get(plugin.id)
            causes.update([record.cause] if record.cause else [])
            return record.state is State.ACTIVE and bool(causes)

        await until(is_back)
        assert await called(system, plugin, "pid") != before
        words = "SIGKILL" if how == "kill -9" else "exited with code 3"
        assert any(words in cause for cause in causes)


async def test_runtime_is_changed_by_an_update(system: PluginSystem, write: Write) -> None:
    plugin = await enabled(system, write("greeter", BODY))
    assert await called(system, plugin, "pid") == os.getpid()
    await system.manager.update(plugin.id, PluginChanges.of({"runtime": "process"}), ADA)
    assert await called(system, plugin, "pid") != os.getpid()
    await system.manager.update(plugin.id, PluginChanges.of({"runtime": "in_process"}), ADA)
    assert await called(system, plugin, "pid") == os.getpid()


async def test_missing_module_of_a_worker_is_told_as_in_process(system: PluginSystem, write: Write) -> None:
    draft = write("greeter", BODY, runtime=RuntimeKind.PROCESS)
    plugin = await system.manager.register(draft, ADA)
    await system.manager.update(plugin.id, PluginChanges.of({"module_path": "plugins.nowhere"}), ADA)
    with pytest.raises(PluginEnableFailedError, match=r"There is no module plugins\.nowhere"):
        await system.manager.enable(plugin.id, ADA)


HOST = """
import asyncio, sys
from pathlib import Path
from isp_plugins.settings import Settings
from isp_plugins.system import PluginSystem
from isp_plugins.actors import SYSTEM
from isp_plugins.lifecycle.records import PluginDraft

async def main():
    settings = Settings(data_dir=Path(sys.argv[1]), worker_handshake_timeout=60.0)
    async with PluginSystem.open(settings) as system:
        draft = PluginDraft.of(dict(name="p", version="1.0.0", plugin_type="CUSTOM", module_path="plugins.p", entry_point="Plugin", runtime="process"))
        plugin = await system.manager.register(draft, SYSTEM)
        await system.manager.enable(plugin.id, SYSTEM)
        value = (await system.manager.execute(plugin.id, "pid", None, SYSTEM)).value
        print(value, flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""
HOLDS_THE_INTERPRETER = """
from app.services.plugin_service import PluginInterface
import os, re, threading

class Plugin(PluginInterface):
    def pid(self):
        # A regular expression that backtracks for ever never lets go of the interpreter: the channel's end is not seen.
        threading.Timer(0.1, lambda: re.match(r"(a+)+$", "a" * 60 + "b")).start()
        return os.getpid()
"""


def test_no_worker_outlives_a_host_that_is_killed(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "p.py").write_text(HOLDS_THE_INTERPRETER)
    with Forked("-c", HOST, tmp_path, stdout=subprocess.PIPE) as host:
        assert host.stdout is not None
        pid = int(host.stdout.readline())
        host.kill()
        host.wait()
    assert wait_until(lambda: not _lives(pid))


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_running_worker_is_a_mortal_that_can_come_back(system: PluginSystem, write: Write) -> None:
    plugin = await enabled(system, write("greeter", BODY, runtime=RuntimeKind.PROCESS))
    running = system.manager._stage.instances[plugin.id].running
    assert isinstance(running, WorkerPlugin)
    assert (running.pid > 0, running.death) == (True, None)
