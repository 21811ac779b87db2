"""`Singletons`: which plugins that run once run on this node, by the database's word and this node's own clock."""

from typing import Protocol

from isp_plugins.db.engine import Database
from isp_plugins.nodes import store
from isp_plugins.nodes.store import Card, Held


class Holds(Protocol):
    """The node (`membership.Membership`)."""

    card: Card

    @property
    def holds(self) -> bool:
        """Whether what it leased is still its own."""
        ...


class Singletons:
    """The leases of singletons, as of the last heartbeat; a lease lasts as long as its node lives."""

    def __init__(self, node: Holds, database: Database) -> None:
        self._node = node
        self._database = database
        self._held: dict[int, Held] = {}

    def learn(self, held: dict[int, Held]) -> None:
        """Who runs which, as it was read just now."""
        self._held = held

    def holder(self, plugin_id: int) -> str | None:
        """The node that runs a plugin, or is to run it; None: nobody."""
        found = self._held.get(plugin_id)
        return found.node if found is not None else None

    def token(self, plugin_id: int) -> int | None:
        """The fencing token of this node's lease; None where it does not hold it now."""
        return self._held[plugin_id].token if self.is_here(plugin_id) else None

    def fence(self, plugin_id: int) -> int | None:
        """The same for whoever must not go on without one: 0, which no lease ever has, where it is not held."""
        return self.token(plugin_id) or 0

    def is_here(self, plugin_id: int) -> bool:
        """Whether a plugin may run on this node now."""
        found = self._held.get(plugin_id)
        return found is not None and found.incarnation == self._node.card.incarnation and self._node.holds

    async def take(self, plugin_id: int) -> bool:
        """Be the one that runs a plugin, where nobody else is; whether this node is. `DatabaseUnavailableError`."""
        async with self._database.transaction() as session:
            found = await store.take(session, plugin_id, self._node.card)
        if found is None:
            return False
        self._held[plugin_id] = found
        return self.is_here(plugin_id)

    async def give_up(self, plugin_id: int) -> None:
        """Leave a plugin to whoever comes."""
        async with self._database.transaction() as session:
            await store.give_up(session, plugin_id, self._node.card)
        self._held.pop(plugin_id, None)
