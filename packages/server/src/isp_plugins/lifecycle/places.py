"""Where singletons run, as the lifecycle asks for it, and the answer of a host that is alone."""

from typing import Protocol


class Places(Protocol):
    """Who holds the leases of singletons (`nodes.singletons.Singletons`)."""

    def holder(self, plugin_id: int) -> str | None:
        """The node that runs a plugin; None: nobody."""
        ...

    def is_here(self, plugin_id: int) -> bool:
        """Whether a plugin may run on this node now."""
        ...

    def fence(self, plugin_id: int) -> int | None:
        """The token of this node's lease, 0 where it holds none; None: nobody asks for leases."""
        ...

    async def take(self, plugin_id: int) -> bool:
        """Hold a plugin's lease, where it is free; whether it is this node's."""
        ...

    async def give_up(self, plugin_id: int) -> None:
        """Leave it to others."""
        ...


class Alone:
    """A host without others: everything runs here."""

    def holder(self, plugin_id: int) -> str | None:
        """Nobody else."""
        return None

    def is_here(self, plugin_id: int) -> bool:
        """It may."""
        return True

    def fence(self, plugin_id: int) -> int | None:
        """None is asked for."""
        return None

    async def take(self, plugin_id: int) -> bool:
        """It is."""
        return True

    async def give_up(self, plugin_id: int) -> None:
        """Nobody comes."""
