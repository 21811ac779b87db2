"""A host in a process of its own that performs one lifecycle operation over and over, until it is killed.

    python -m support.lifecycle_child DATA_DIR OPERATION [RUNTIME]

Prints one line as it begins an operation (`begin ...`) and one when it was answered (`done ...`), so that whoever kills it knows what was
asked for last. With RUNTIME `process` the plugins run in workers, and one that is enabled is called all the while.
"""

import asyncio
import contextlib
import sys
from pathlib import Path
from typing import Any

from isp_plugins.actors import HOST
from isp_plugins.configuration import ConfigChange, SetValue
from isp_plugins.errors import PluginSystemError
from isp_plugins.lifecycle.records import PluginDraft
from isp_plugins.settings import Settings
from isp_plugins.system import PluginSystem

SOURCE = """
from app.services.plugin_service import PluginInterface
from isp_plugin_sdk.hooks import action


class Plugin(PluginInterface):
    def initialize(self):
        self.context.set("starts", (self.context.get("starts") or 0) + 1)
        return True

    @action("customer_created")
    def greet(self, customer):
        return {"greeting": self.config["greeting"], "password": self.config["password"]}

    @action("customer_updated")
    def look(self, customer):
        return None
"""
SCHEMA = {
    "greeting": {"type": "string", "required": True},
    "password": {"type": "string", "encrypted": True, "required": True},
}


def say(*words: object) -> None:
    """One line that is out before anything else happens."""
    print(*words, flush=True)


def draft(name: str, **fields: Any) -> PluginDraft:
    """The sample plugin under a name."""
    raw = {
        "name": name,
        "version": "1.0.0",
        "plugin_type": "CUSTOM",
        "module_path": "plugins.sample",
        "entry_point": "Plugin",
    }
    return PluginDraft.of(raw | {"config_schema": SCHEMA, "hooks": HOOKS} | fields)


HOOKS = [{"hook_name": "customer_updated", "hook_type": "action", "callback_method": "look"}]


def values(number: int) -> ConfigChange:
    """A configuration that belongs together: greeting and password carry the same number."""
    return ConfigChange(
        set={"greeting": SetValue(f"hello {number}"), "password": SetValue(f"secret {number}")}
    )


class Host:
    """Performs operations on the plugins of one system."""

    def __init__(self, system: PluginSystem, runtime: str) -> None:
        self.manager = system.manager
        self.directory = system.directory
        self.runtime = runtime

    async def new(self, name: str, *, number: int = 0, enabled: bool = False) -> int:
        """A configured plugin."""
        plugin = await self.manager.register(draft(name, runtime=self.runtime), HOST)
        await self.manager.configure(plugin.id, values(number), HOST)
        if enabled:
            await self.manager.enable(plugin.id, HOST)
        return plugin.id

    async def register(self, number: int) -> None:
        say("begin", f"p{number}")
        await self.manager.register(draft(f"p{number}", runtime=self.runtime), HOST)
        say("done", f"p{number}")

    async def call(self, plugin_id: int) -> None:
        """Without an end; it may be disabled, or not there any more."""
        while True:
            with contextlib.suppress(PluginSystemError):
                await self.manager.execute(plugin_id, "greet", [{"id": 1}], HOST)
            await asyncio.sleep(0.001)

    async def toggle(self, plugin_id: int, number: int) -> None:
        operation = "enable" if number % 2 else "disable"
        say("begin", operation)
        await getattr(self.manager, operation)(plugin_id, HOST)
        say("done", operation)

    async def reload(self, plugin_id: int) -> None:
        say("begin", "reload")
        await self.manager.reload(plugin_id, HOST)
        say("done", "reload")

    async def configure(self, plugin_id: int, number: int) -> None:
        say("begin", number)
        await self.manager.configure(plugin_id, values(number), HOST)
        say("done", number)

    async def delete(self, number: int) -> None:
        plugin_id = await self.new(f"p{number}", enabled=True)
        say("begin", f"p{number}")
        await self.manager.delete(plugin_id, HOST)
        say("done", f"p{number}")


async def perform(host: Host, operation: str) -> None:
    """The operation, for ever."""
    plugin_id = (
        0
        if operation in {"register", "delete"}
        else await host.new("sample", enabled=operation not in {"enable", "disable"})
    )
    calling = asyncio.create_task(host.call(plugin_id)) if host.runtime == "process" and plugin_id else None
    say("ready")
    for number in range(1, 1_000_000):
        if operation in {"enable", "disable"}:
            await host.toggle(plugin_id, number)
        elif operation == "reload":
            await host.reload(plugin_id)
        elif operation == "configure":
            await host.configure(plugin_id, number)
        else:
            await getattr(host, operation)(number)
    assert calling is None or not calling.done()


async def main(data_dir: Path, operation: str, runtime: str = "in_process") -> None:
    """Open a system and perform."""
    folder = data_dir / "plugins"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sample.py").write_text(SOURCE)
    async with PluginSystem.open(Settings(data_dir=data_dir, worker_handshake_timeout=60.0)) as system:
        await perform(Host(system, runtime), operation)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), *sys.argv[2:]))
