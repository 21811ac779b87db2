"""A host whose plugin kills the whole process at every attempt at event 1; the others it notes.

    python -m support.poison_child URL ATTEMPTS_FILE EFFECTS

Each attempt appends a line `n attempt` to the file EFFECTS before anything else; ends when nothing waits any more.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from isp_plugin_sdk.context import current_call
from isp_plugins.db.engine import Database
from support.events import Post
from support.events_child import KEYRING, PLUGIN


async def main(url, attempts, effects):
    database = await Database.open(url)
    post = Post(database, KEYRING, lease_s=2.0, attempts_file=Path(attempts))
    await post.open()
    file = os.open(effects, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    async def take(payload):
        os.write(file, f"{payload['n']} {current_call.get().context['attempt']}\n".encode())
        if payload["n"] == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    async with database.reading() as session:
        (view,) = await post.store.list(session, PLUGIN)
    post.bind(PLUGIN, view, take)
    await post.settled(within=120)
    await post.close()
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
