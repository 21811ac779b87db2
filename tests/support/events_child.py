"""A host in a process of its own that dispatches events and delivers them, until it is killed.

    python -m support.events_child URL NODE FIRST COUNT EFFECTS

Prints `kept N` once a dispatch has returned, `settled` when all was delivered. Each delivery appends a line `key event n attempt` to the
file EFFECTS, and counts itself once in the plugin's storage.
"""

import asyncio
import base64
import os
import sys

from isp_plugin_sdk.context import PluginContext, current_call
from isp_plugins.db.engine import Database
from isp_plugins.db.errors import DatabaseUnavailableError
from isp_plugins.hooks.errors import EventsNotKeptError
from isp_plugins.keyring import KeyRing
from isp_plugins.system.host_calls import PluginHostCalls
from support.events import HOOK, Post

KEYS = 5
PLUGIN = 1
KEYRING = KeyRing.parse(base64.urlsafe_b64encode(bytes(range(32))).decode())


def say(*words):
    print(*words, flush=True)


async def main(url, node, first, count, effects):
    database = await Database.open(url)
    post = Post(database, KEYRING, node=node, lease_s=2.0)
    await post.open()
    file = os.open(effects, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    host = PluginHostCalls(PLUGIN, "plugin1", storage=post.storage, dispatcher=post.engine)
    context = PluginContext("plugin1", host, asyncio.get_running_loop())

    async def take(payload):
        call = current_call.get().context
        async with context.aio.once() as fresh:
            if fresh:
                key = f"count:{call['idempotency_key']}"
                await context.aio.set(key, await context.aio.get(key, 0) + 1)
        if payload["n"] % 7 == 0 and context.attempt < 2:
            raise ValueError("now and then")
        os.write(file, f"{payload['id']} {call['event_id']} {payload['n']} {context.attempt}\n".encode())

    async with database.reading() as session:
        (view,) = await post.store.list(session, PLUGIN)
    post.bind(PLUGIN, view, take)
    await dispatch_all(post, first, count)
    await post.settled(within=3600)  # the test's own time limit is what counts
    while True:
        lag = await post.lag(view.id)
        if not lag.waiting and not post.events.deliverer._dirty:
            break
        await asyncio.sleep(0.01)
    await post.close()
    await database.close()
    say("settled")


async def dispatch_all(post, first, count):
    """Dispatch, several at a time but each key in order; what is refused is dispatched again."""

    async def of_key(key):
        for number in range(first, count):
            if number % KEYS == key:
                await insist(post, {"id": key, "n": number})
                say("kept", number)

    await asyncio.gather(*(of_key(key) for key in range(KEYS)))


async def insist(post, payload):
    while True:
        try:
            return await post.engine.dispatch(HOOK, payload, timeout_ms=60_000)
        except (EventsNotKeptError, DatabaseUnavailableError):
            await asyncio.sleep(0.1)


if __name__ == "__main__":
    url, node, first, count, effects = sys.argv[1:]
    asyncio.run(main(url, node, int(first), int(count), effects))
