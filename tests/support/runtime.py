"""What the runtime's tests share: plain threads, and a folder of plugin files with a runtime on it."""

import asyncio
import contextvars
import itertools
import logging
import textwrap
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from isp_plugins.clock import SystemClock
from isp_plugins.contracts.runtime import StartRequest
from isp_plugins.contracts.worker import Death
from isp_plugins.runtime.in_process import InProcessRuntime
from isp_plugins.runtime.worker import WorkerRuntime, WorkerSettings
from isp_plugins.runtime.worker.module_program import module_program

PLUGIN = """
    from app.services.plugin_service import PluginInterface

    class Plugin(PluginInterface):
"""
_ids = itertools.count(1000)


class PlainThreads:
    """`contracts.calls.Threads` with a new daemon thread for every call."""

    def __init__(self) -> None:
        self.abandoned: Counter[int] = Counter()

    async def run(self, work: Callable[[], Any], *, owner: int) -> Any:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        context = contextvars.copy_context()

        def body() -> None:
            result = context.run(work)
            if not loop.is_closed():
                loop.call_soon_threadsafe(lambda: future.done() or future.set_result(result))

        threading.Thread(target=body, daemon=True, name=f"plugin-{owner}").start()
        return await future

    def abandon(self, owner: int) -> int:
        self.abandoned[owner] += 1
        return self.abandoned[owner]


class NoHost:
    """`HostCalls` for plugins that ask their host for nothing but their storage."""

    def __init__(self) -> None:
        self.stored: dict[str, Any] = {}

    async def storage_get(self, key: str) -> Any:
        return self.stored.get(key)

    async def storage_set(self, key: str, value: Any) -> None:
        self.stored[key] = value

    async def storage_delete(self, key: str) -> bool:
        return self.stored.pop(key, None) is not None

    async def storage_list(self, prefix: str) -> list[str]:
        return sorted(key for key in self.stored if key.startswith(prefix))

    async def once_seen(self, mark: str) -> bool:
        return f"once {mark}" in self.stored

    async def once_commit(self, mark: str, writes: Any) -> bool:
        self.stored[f"once {mark}"] = True
        self.stored.update({key: value for kind, key, value in writes if kind == "set"})
        return True

    async def dispatch(self, hook: str, payload: Any, context: Any) -> dict[str, Any]:
        raise AssertionError(f"a plugin of these tests dispatches nothing, but this one dispatched {hook}")

    async def emit(self, hook: str, payload: Any) -> None:
        raise AssertionError(f"a plugin of these tests emits nothing, but this one emitted {hook}")


class PluginFolder:
    """A folder on the plugin path; writes plugin files and starts them."""

    def __init__(self, folder: Path, threads: Any = None) -> None:
        self.folder = folder
        self.threads = threads or PlainThreads()
        self.host = NoHost()
        self.id = next(_ids)
        self.mask: Callable[[int, str], str] = lambda _plugin_id, text: text
        self._generations = itertools.count(1)

    def write(self, path: str, source: str) -> Path:
        """Write a file of the folder; the source may be indented as a whole."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(source), encoding="utf-8")
        return file

    def plugin(self, body: str, *, path: str = "plugins/sample.py", head: str = "") -> Path:
        """Write a plugin class named Plugin with that body."""
        source = (
            textwrap.dedent(head) + textwrap.dedent(PLUGIN) + textwrap.indent(textwrap.dedent(body), "    ")
        )
        return self.write(path, source)

    def request(self, **changes: Any) -> StartRequest:
        """A request for `plugins.sample:Plugin` with short deadlines and the next generation."""
        values: dict[str, Any] = {
            "plugin_id": self.id,
            "plugin_name": "sample",
            "generation": next(self._generations),
            "module_path": "plugins.sample",
            "entry_point": "Plugin",
            "config": {},
            "trusted_inline": False,
            "logger": logging.getLogger(f"test.plugin.{self.id}"),
            "host": self.host,
            "load_deadline_s": 10.0,
            "initialize_deadline_s": 10.0,
            "cleanup_deadline_s": 10.0,
        }
        return StartRequest(**{**values, **changes})

    def runtime(self) -> Any:
        """A runtime over this folder, on the running loop."""
        return InProcessRuntime([self.folder], self.threads, asyncio.get_running_loop(), self.mask)

    async def start(self, **changes: Any) -> Any:
        """Start the plugin on a fresh runtime."""
        return await self.runtime().start(self.request(**changes))

    async def started(self, body: str, *, head: str = "", **changes: Any) -> Any:
        """Write the plugin's body and start it."""
        self.plugin(body, head=head)
        return await self.start(**changes)

    def loaded_modules(self) -> list[str]:
        """Modules of this plugin's loads that Python still knows."""
        import sys

        return sorted(name for name in list(sys.modules) if name.startswith(f"isp_plugin_{self.id}_"))


class WorkerFolder(PluginFolder):
    """The same folder, with each plugin in a worker of its own."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.settings = WorkerSettings(handshake_timeout=60.0)
        self.deaths: list[Death] = []

    def runtime(self) -> WorkerRuntime:
        return WorkerRuntime(self.settings, SystemClock(), self.deaths.append, self.mask)

    def request(self, **changes: Any) -> StartRequest:
        """A request with a program."""
        request = super().request(**changes)
        program = module_program(
            request.module_path, request.entry_point, folders=[self.folder], version="1.0"
        )
        return replace(request, program=request.program or program)
