"""A real server process for the API's acceptance tests, and small plugins to put on its plugin path."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from support.commands import Serving, serving

_numbers = itertools.count(1)

PLUGIN = """
import time

from app.services.plugin_service import PluginInterface


class Plugin(PluginInterface):
    def __init__(self, plugin_id, config):
        super().__init__(plugin_id, config)
        if config.get("explode"):
            raise RuntimeError("it exploded")

    def initialize(self):
        return not self.config.get("refuse")

    def welcome(self, customer):
        return {"welcomed": customer.get("id")}

    async def greet(self, customer):
        return {"greeted": customer.get("id")}

    def fail(self, customer):
        raise ValueError("no such customer")

    def reprice(self, value):
        return {**value, "price": 1}

    def weird(self):
        return {"nan": float("nan"), "surrogate": "a\\ud800", "large": 10**30}

    def slow(self, seconds=0.2):
        time.sleep(seconds)
        return seconds

    def test_connection(self):
        return {"ok": True}
"""

SCHEMA = {
    "smtp_server": {"type": "string", "default": "localhost"},
    "smtp_port": {"type": "integer", "default": 25, "minimum": 1, "maximum": 65535},
    "password": {"type": "string", "encrypted": True},
    "explode": {"type": "boolean", "default": False},
    "refuse": {"type": "boolean", "default": False},
}


class ApiServer:
    """A running server with a client of the admin's, and the means to give it plugins."""

    def __init__(self, process: Serving) -> None:
        self.process = process
        self.url = process.url
        self.admin = process.client()

    def client(self, key: str) -> httpx.Client:
        """A client with another key; close it."""
        return self.process.client(key)

    def key(self, role: str, **limits: Any) -> str:
        """The token of a new key."""
        answer = self.admin.post("/keys", json={"name": role, "role": role, **limits})
        token: str = answer.raise_for_status().json()["token"]
        return token

    def registration(self, source: str = PLUGIN, **changes: Any) -> dict[str, Any]:
        """Write a plugin's module and return what registers it under a name of its own."""
        name = f"plugin_{next(_numbers)}"
        folder = self.process.folder / "var" / "plugins"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.py").write_text(source)
        base = {
            "name": name,
            "version": "1.0.0",
            "plugin_type": "CUSTOM",
            "module_path": f"plugins.{name}",
            "entry_point": "Plugin",
            "config_schema": SCHEMA,
        }
        return base | changes

    def plugin(self, source: str = PLUGIN, *, enabled: bool = False, **changes: Any) -> dict[str, Any]:
        """A plugin that is registered, and enabled if asked."""
        plugin = (
            self.admin.post("/plugins/", json=self.registration(source, **changes)).raise_for_status().json()
        )
        if enabled:
            plugin = self.admin.post(f"/plugins/{plugin['id']}/enable").raise_for_status().json()
        return dict(plugin)

    def hook(
        self, plugin: dict[str, Any], hook_name: str, method: str, hook_type: str = "action", **more: Any
    ) -> dict[str, Any]:
        """Bind a method."""
        body = {"hook_name": hook_name, "hook_type": hook_type, "callback_method": method, **more}
        return dict(self.admin.post(f"/plugins/{plugin['id']}/hooks", json=body).raise_for_status().json())


@contextmanager
def api_server(folder: Path, **environment: str) -> Iterator[ApiServer]:
    """A server process on a free port, with an empty data directory under `folder`."""
    with serving(folder, **environment) as process:
        server = ApiServer(process)
        try:
            yield server
        finally:
            server.admin.close()


def assert_problem(response: httpx.Response, status: int, slug: str | None = None) -> dict[str, Any]:
    """The problem document of an answer, checked for its shape."""
    assert response.status_code == status, (response.status_code, response.text)
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert problem["status"] == status
    assert problem["instance"] == f"urn:request:{response.headers['x-request-id']}"
    assert problem["detail"]
    assert problem["title"]
    if slug is not None:
        assert problem["type"] == f"/problems/{slug}", problem
    return problem
