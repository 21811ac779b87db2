"""Puts the example plugins on a real server: copied, registered by their own plugin.json, configured and enabled over HTTP."""

import importlib.util
import json
import shutil
import sys
from types import ModuleType
from typing import Any

import httpx

from support.commands import ROOT, Serving

EXAMPLES = ROOT / "examples" / "plugins"


RUNTIMES = ("in_process", "process")


def install(
    server: Serving, api: httpx.Client, name: str, values: dict[str, Any], *, runtime: str = "in_process"
) -> int:
    """An example, enabled with this configuration; its id."""
    target = server.folder / "var" / "plugins" / name
    shutil.copytree(EXAMPLES / name, target, ignore=shutil.ignore_patterns("tests", "__pycache__"))
    registration = json.loads((EXAMPLES / name / "plugin.json").read_text("utf-8")) | {"runtime": runtime}
    plugin_id: int = _ok(api.post("/plugins/", json=registration))["id"]
    _ok(api.put(f"/plugins/{plugin_id}/config", json={"values": values}))
    _ok(api.post(f"/plugins/{plugin_id}/enable"))
    return plugin_id


def install_listener(server: Serving, api: httpx.Client, *hooks: str) -> int:
    """A small second plugin that keeps every payload of these hooks in its storage, in order; its id."""
    folder = server.folder / "var" / "plugins"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "listener.py").write_text(LISTENER)
    bound = [{"hook_name": hook, "hook_type": "action", "callback_method": "hear"} for hook in hooks]
    registration = {
        "name": "listener", "version": "1.0.0", "plugin_type": "INTEGRATION", "module_path": "plugins.listener",
        "entry_point": "Listener", "hooks": bound,
    }  # fmt: skip
    plugin_id: int = _ok(api.post("/plugins/", json=registration))["id"]
    _ok(api.post(f"/plugins/{plugin_id}/enable"))
    return plugin_id


def heard(api: httpx.Client, listener: int) -> list[dict[str, Any]]:
    """What the listener was told so far: `{hook, payload}`."""
    found: list[dict[str, Any]] = execute(api, listener, "heard", {})
    return found


def execute(api: httpx.Client, plugin_id: int, method: str, parameters: Any) -> Any:
    """Call a plugin's method, as an operator does."""
    body = {"method_name": method, "parameters": parameters}
    return _ok(api.post(f"/plugins/{plugin_id}/execute", json=body))["result"]


def example_test_module(plugin: str, name: str) -> ModuleType:
    """A module from an example's own tests, such as the double of its peer."""
    spec = importlib.util.spec_from_file_location(
        f"{plugin}_{name}", EXAMPLES / plugin / "tests" / f"{name}.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _ok(response: httpx.Response) -> Any:
    assert response.is_success, response.text
    return response.json()


LISTENER = '''
import time
import uuid

from app.services.plugin_service import PluginInterface


class Listener(PluginInterface):
    """Keeps what it hears."""

    async def hear(self, payload):
        key = f"heard/{time.time_ns():020d}/{uuid.uuid4().hex}"
        await self.context.aio.set(key, {"hook": self.context.hook, "payload": payload})

    async def heard(self):
        return [await self.context.aio.get(key) for key in await self.context.aio.list("heard/")]

    async def count(self):
        return len(await self.context.aio.list("heard/"))
'''
