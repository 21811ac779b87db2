"""A server that stood still while its singleton moved writes nothing any more, however its plugin goes on."""

import asyncio

import pytest

from support.asking import asking, is_active, node, started
from support.members import REGISTRATION

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(600)]
WRITER = """
import threading
import time
from pathlib import Path

from app.services.plugin_service import PluginInterface

HOME = Path(__file__).parents[2]


class Plugin(PluginInterface):
    def initialize(self):
        return True

    def activate(self):
        threading.Thread(target=self.write, daemon=True).start()

    def write(self):
        while True:
            try:
                self.context.set("writer", HOME.name)
            except Exception as error:
                with (HOME / "refused").open("a") as file:
                    file.write(f"{error}\\n")
            time.sleep(0.1)

    def writer(self):
        return self.context.get("writer")
"""
"""A thread that nobody stops: code in process cannot be killed."""


async def test_a_server_that_was_frozen_cannot_write_what_its_singleton_kept(postgres_url, tmp_path):
    a, b = [node(tmp_path, name, postgres_url, sources={"writer": WRITER}) for name in "ab"]
    async with started(a), asking(a, a.admin_key) as on_a:
        writer = await on_a.enabled(
            REGISTRATION | {"name": "writer", "module_path": "plugins.writer", "hooks": []}
        )
        async with started(b), asking(b, a.admin_key) as on_b:
            a.freeze()
            try:
                await on_b.reached(lambda it: is_active(it, writer))
            finally:
                a.thaw()
            await on_b.reached(lambda _: _was_refused(a))
            await on_b.reached(lambda it: _is_logged(it, writer))
            await on_b.reached(lambda it: _writes(it, writer, "b"))
            assert (await on_a.state(writer), await on_b.state(writer)) == ("standby", "active")


async def _was_refused(server):
    refused = server.folder / "refused"
    return refused.exists() and "Nothing was stored" in await asyncio.to_thread(refused.read_text)


async def _is_logged(it, plugin):
    found = await it.json(f"/plugins/logs?plugin_id={plugin['id']}&q=Nothing+was+stored")
    return any("node b runs it now" in one["message"] for one in found["items"])


async def _writes(it, plugin, node_name):
    answer = await it.json(
        f"/plugins/{plugin['id']}/execute", "POST", {"method_name": "writer", "parameters": []}
    )
    return node_name in str(answer)
