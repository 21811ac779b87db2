"""Nodes of a test's own on one PostgreSQL: made, killed without a word, and left to be missed."""

import asyncio
from contextlib import asynccontextmanager

from isp_plugins.db.engine import Database
from isp_plugins.nodes import Membership
from isp_plugins.nodes.records import Pace

QUICK = Pace(heartbeat=0.2, lost_after=1.5)
"""A node is missed soon, and a busy machine does not make one look dead too easily; whoever depends on it waits for it."""


@asynccontextmanager
async def member(url, name, *, home=None, pace=QUICK):
    """A node that lives until the end of the block, unless it is killed before."""
    database = await Database.open(url)
    membership = Membership(database, node=name, home=home or f"home of {name}", pace=pace)
    try:
        await membership.open()
        try:
            yield membership
        finally:
            await membership.close()
    finally:
        await database.close()


async def kill(membership):
    """No heartbeat any more, and no farewell."""
    task, membership._task = membership._task, None
    task.cancel()
    await asyncio.wait([task])
    membership._joined = False


async def states_of(membership):
    """The state of every node, by name."""
    return {node.name: node.state.value for node in await membership.everyone()}
