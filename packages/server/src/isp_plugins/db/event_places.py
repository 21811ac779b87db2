"""Where among the events a moment is: for who subscribes from a time on, and for who looks or goes back."""

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from isp_plugins.db.tables import EventRow

SHOWN_S = 1e-6
"""To this, in seconds, a moment is rounded where it is shown: who copies it means the event that it was shown of."""


def written_since(seconds: float) -> ColumnElement[bool]:
    """Events that were written at this moment (of the epoch) or later."""
    return EventRow.written_at >= seconds - SHOWN_S


async def position_at(session: AsyncSession, seconds: float, last: int) -> int:
    """The id of the last event before a moment (of the epoch); `last` where none came since."""
    first = await session.scalar(select(func.min(EventRow.id)).where(written_since(seconds)))
    return last if first is None else first - 1
