"""Several nodes in one process: whole plugin systems on one PostgreSQL, each with a name and a data directory of its own."""

import base64
import textwrap
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import asyncpg

from isp_plugins.actors import Actor, ActorType
from isp_plugins.contracts.vocabulary import State
from isp_plugins.db.urls import dsn_of, engine_url
from isp_plugins.lifecycle.records import PluginRecord
from isp_plugins.packages.store import PackageStore
from isp_plugins.settings import Settings
from isp_plugins.system import PluginSystem
from support.fakes_lifecycle import draft
from support.waiting import until

ADA = Actor(ActorType.API_KEY, "7", "ada")
SECRET_KEYS = base64.urlsafe_b64encode(bytes(range(32))).decode()
LONG = 60.0
"""Seconds: what a slow machine may take."""
RARELY = 3600.0
"""A poll that does not come during a test."""
HEAD = """
from app.services.plugin_service import PluginInterface
from isp_plugin_sdk.hooks import action, event, filter
"""


class Nodes:
    """The nodes of one test; `open` a few, and see that they come to the same."""

    def __init__(self, url: str, folder: Path, stack: AsyncExitStack) -> None:
        self.url = url
        self.plugins = folder / "plugins"
        self.plugins.mkdir()
        self._folder = folder
        self._stack = stack
        self.all: list[PluginSystem] = []

    async def open(
        self, *names: str, packages: Callable[[Settings], PackageStore] | None = None, **fields: Any
    ) -> list[PluginSystem]:
        """More nodes of these names."""
        return [await self._open(name, packages, **fields) for name in names]

    async def _open(
        self, name: str, packages: Callable[[Settings], PackageStore] | None, **fields: Any
    ) -> PluginSystem:
        given = {"node_poll": RARELY, "recovery_backoff_min": 0.05, "node_lost_after": LONG} | fields
        settings = Settings(
            data_dir=self._folder / name,
            database_url=self.url,
            node=name,
            secret_keys=SECRET_KEYS,
            plugin_path=str(self._folder),
            drain_timeout=5.0,
            load_timeout=LONG,
            initialize_timeout=LONG,
            worker_handshake_timeout=LONG,
            **given,
        )
        system = await self._stack.enter_async_context(
            PluginSystem.open(settings, packages=packages(settings) if packages else None)
        )
        self.all.append(system)
        await until(lambda: system.manager.convergence.is_listening, within=LONG)
        return system

    def write(self, name: str, body: str, **fields: Any) -> Any:
        """A plugin's module, given the body of its class; its draft."""
        source = (
            HEAD + "\n\nclass Plugin(PluginInterface):\n" + textwrap.indent(textwrap.dedent(body), "    ")
        )
        (self.plugins / f"{name}.py").write_text(source)
        return draft(name, **fields)

    async def same(self, plugin_id: int, fits: Callable[[PluginRecord], bool]) -> None:
        """Wait until the plugin is like this on every node."""
        for system in self.all:
            await until(
                lambda system=system: plugin_id in system.directory and fits(system.directory.get(plugin_id)),
                within=LONG,
            )

    async def active(self, plugin_id: int) -> None:
        """Wait until the plugin runs on every node, as it is stored."""
        await self.same(plugin_id, lambda record: record.state is State.ACTIVE)

    async def gone(self, plugin_id: int) -> None:
        """Wait until no node knows the plugin."""
        for system in self.all:
            await until(lambda system=system: plugin_id not in system.directory, within=LONG)

    async def ask(self, statement: str, *values: Any) -> Any:
        """What the database says."""
        connection = await asyncpg.connect(dsn_of(engine_url(self.url)))
        try:
            return await connection.fetch(statement, *values)
        finally:
            await connection.close()


async def said(system: PluginSystem, hook: str = "quote", payload: Any = 0) -> Any:
    """What a filter hook makes of a value on one node."""
    return (await system.dispatch(hook, payload)).to_dict()["value"]
