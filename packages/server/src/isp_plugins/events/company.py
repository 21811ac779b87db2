"""The feeds of one plugin, which share its process: what was under way when that died is tried alone.

1. Nobody knows which of the attempts under way was at fault, so each of their events is suspect until its next attempt has ended.
2. A suspect that is due waits until no attempt of the plugin is under way, and none begins before its own has ended.
3. So an event that kills its process takes at most one attempt of each other event with it.
"""

from typing import Protocol


class Member(Protocol):
    """One of the plugin's feeds."""

    alone: bool
    """Whether the attempt under way is a suspect's."""

    @property
    def under_way(self) -> bool:
        """Whether it has attempts under way."""
        ...

    @property
    def wants_alone(self) -> bool:
        """Whether a suspect of it is due and may be tried."""
        ...

    def wake(self, *, more: bool = True) -> None:
        """It may begin something, or could not before."""
        ...


class Company:
    """All feeds of one plugin on this node."""

    def __init__(self) -> None:
        self.members: dict[Member, None] = {}

    @property
    def barred(self) -> bool:
        """Whether nothing may begin, since a suspect is tried or is to be tried."""
        return any(one.alone or one.wants_alone for one in self.members)

    def is_turn_of(self, member: Member) -> bool:
        """Whether the member's suspect may be tried now."""
        return member.wants_alone and not any(one.under_way for one in self.members)

    def ended(self, *, alone: bool) -> None:
        """An attempt has ended: if others wait for that, they look again."""
        if alone or self.barred:
            for one in self.members:
                one.wake(more=False)
