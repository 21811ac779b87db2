"""Refuses what an instance of a singleton writes after its lease is over, in the transaction of the write itself.

1. The token is raised by every change of the node that runs the plugin, so an instance is told by the token it was started with.
2. The lease's row is held until the write has ended: who takes the plugin over waits for it, or finds it undone.
"""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from isp_plugins.db.tables import SingletonRow
from isp_plugins.storage.errors import StorageFencedError


async def require_lease(session: AsyncSession, plugin_id: int, fence: int | None) -> None:
    """`StorageFencedError` where the lease with this token is over; None: the plugin needs no lease."""
    if fence is None:
        return
    its = SingletonRow.plugin_id == plugin_id
    held = select(SingletonRow.token).where(its, SingletonRow.token == fence).with_for_update(read=True)
    if await session.scalar(held) is not None:
        return
    holder = await session.scalar(select(SingletonRow.node).where(its))
    raise StorageFencedError(
        plugin_id=plugin_id, holder=f"node {holder} runs it now" if holder else "no node runs it now"
    )
