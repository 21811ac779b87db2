"""What a node tells the others: which plugin it changed. Sent in the transaction of the change, so that it arrives with the commit or never.

A notice says that there is something to read, never what: whoever hears it reads the rows. On SQLite there is nobody to tell.
"""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

CHANNEL = "isp_plugins_changes"
"""PostgreSQL's channel on which nodes tell each other of changed plugins."""
_PLUGIN = "plugin"


@dataclass(frozen=True, slots=True)
class Notice:
    """A plugin was changed, registered or deleted."""

    node: str
    """Who changed it."""
    plugin_id: int

    @property
    def text(self) -> str:
        """As it is sent."""
        return f"{_PLUGIN} {self.node} {self.plugin_id}"

    @classmethod
    def of(cls, text: str) -> "Notice | None":
        """As it was heard; None for what another version of the product means to say."""
        match text.split(" "):
            case [kind, node, plugin_id, *_] if kind == _PLUGIN and plugin_id.isdecimal():
                return cls(node, int(plugin_id))
        return None


async def tell(session: AsyncSession, notice: Notice) -> None:
    """Let the other nodes know, once the session's transaction is committed."""
    if session.get_bind().dialect.name == "postgresql":
        await session.execute(select(func.pg_notify(CHANNEL, notice.text)))
