"""Several real server processes on one PostgreSQL, which share a plugin path."""

import asyncio
import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import asyncpg
import httpx

from support.commands import Serving, serving

SECRET_KEYS = base64.urlsafe_b64encode(bytes(range(32))).decode()


class NodeServers:
    """The servers in the order of their names; the first one made the admin's key."""

    def __init__(self, plugins: Path, all_of_them: list[Serving], stack: ExitStack) -> None:
        self.plugins = plugins
        self.all = all_of_them
        key = all_of_them[0].admin_key
        self.clients: list[httpx.Client] = [stack.enter_context(server.client(key)) for server in self.all]

    def plugin(self, name: str, source: str, **fields: object) -> int:
        """Write and register a plugin on the first node; its id."""
        (self.plugins / f"{name}.py").write_text(source)
        described = {
            "name": name,
            "version": "1.0.0",
            "plugin_type": "CUSTOM",
            "module_path": f"plugins.{name}",
            "entry_point": "Plugin",
        }
        answer = self.clients[0].post("/plugins/", json=described | fields).raise_for_status()
        return int(answer.json()["id"])


def new_database(postgres_server: str, name: str) -> str:
    """The URL of an empty database, for a fixture that no loop runs for."""

    async def create() -> None:
        connection = await asyncpg.connect(postgres_server.format("postgres"))
        try:
            await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")  # of a first try
            await connection.execute(f"CREATE DATABASE {name}")
        finally:
            await connection.close()

    with ThreadPoolExecutor(1) as apart:  # a loop may run in this thread
        apart.submit(asyncio.run, create()).result()
    return postgres_server.format(name)


@contextmanager
def node_servers(url: str, folder: Path, *names: str, **more: str) -> Iterator[NodeServers]:
    """Servers of these names, started one after the other; `more` is their environment."""
    plugins = folder / "plugins"
    plugins.mkdir()
    environment = {
        "ISP_PLUGINS_DATABASE_URL": url,
        "ISP_PLUGINS_SECRET_KEYS": SECRET_KEYS,
        "ISP_PLUGINS_PLUGIN_PATH": str(folder),
        "ISP_PLUGINS_LOAD_TIMEOUT": "60",
        **more,
    }
    with ExitStack() as stack:
        servers = []
        for name in names:
            (folder / name).mkdir()
            own = environment | {"ISP_PLUGINS_NODE": name}
            servers.append(stack.enter_context(serving(folder / name, **own)))
        yield NodeServers(plugins, servers, stack)
