"""What is shown of nodes, and the decisions about them. Pure.

1. A node holds what it leases until its own monotonic clock says so: two thirds of the limit after it sent its last heartbeat that came through.
2. Another node declares it lost when its own monotonic clock says that the whole limit has passed without a new heartbeat. Since a
   heartbeat comes through after it was sent, the first always comes before the second, whatever any wall clock shows.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

HELD = 2 / 3
"""Of the limit, the part in which a node without news still holds what it leases."""
BEATS = 3
"""At least so many heartbeats go into the limit."""


class NodeState(StrEnum):
    """What is known of a node."""

    ALIVE = "alive"
    """It is seen."""
    LEFT = "left"
    """It was stopped in good order."""
    LOST = "lost"
    """The others have missed it for too long; what it leased is theirs."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a node is seen, and when it is missed; seconds."""

    heartbeat: float = 2.0
    lost_after: float = 6.0

    @property
    def beat(self) -> float:
        """Pause between two heartbeats."""
        return min(self.heartbeat, self.lost_after / BEATS)

    @property
    def held(self) -> float:
        """How long a node without news holds what it leases."""
        return self.lost_after * HELD

    @property
    def grace(self) -> float:
        """How long is left, once a node does not hold its leases any more, until others may take them."""
        return self.lost_after - self.held


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One node, as the database knows it."""

    name: str
    incarnation: str
    version: str
    revision: str
    address: str
    state: NodeState
    started_at: float
    seen_at: float
    beats: int
    now: float
    """The database's time when it was read."""
    plugins: Mapping[str, int] = field(default_factory=dict)
    """How many plugins it has in which state."""
    lag: int = 0
    """Plugins that it has in another generation than is wanted."""

    def to_dict(self, *, own: str) -> dict[str, Any]:
        """As the API shows it; `own` is the incarnation of the node that answers, and so is not silent: alone it sends no heartbeats."""
        is_self = self.incarnation == own
        return {
            "name": self.name,
            "state": self.state.value,
            "is_self": is_self,
            "version": self.version,
            "revision": self.revision,
            "address": self.address,
            "incarnation": self.incarnation,
            "started_at": datetime.fromtimestamp(self.started_at, UTC),
            "seen_at": datetime.fromtimestamp(self.seen_at, UTC),
            "silent_s": 0.0 if is_self else round(max(0.0, self.now - self.seen_at), 3),
            "plugins": dict(self.plugins),
            "lag": self.lag,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeOfPlugin:
    """One plugin on one node: what it is there, beside what is wanted."""

    node: str
    node_state: NodeState
    desired: str
    state: str | None
    """None: the node has not reported of it."""
    version: str | None
    wanted_version: str
    generation: int | None
    wanted_generation: int
    since: datetime | None
    cause: str | None
    retry_at: datetime | None
    holds: bool | None
    """Whether this is the node that runs it; None where it runs on every node."""

    def to_dict(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            **asdict(self),
            "node_state": self.node_state.value,
            "in_step": self.generation == self.wanted_generation,
        }


class Watched:
    """When the heartbeats of other nodes were last seen to change, by this node's monotonic clock."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], tuple[int, float]] = {}

    def silent(self, nodes: Iterable[Node], now: float, lost_after: float) -> list[Node]:
        """Look at the living ones; those whose heartbeat has not changed for longer than the limit."""
        before, self._seen = self._seen, {}
        missed = []
        for node in nodes:
            key = (node.name, node.incarnation)
            beats, since = before.get(key, (-1, now))
            self._seen[key] = (node.beats, since if beats == node.beats else now)
            if now - self._seen[key][1] >= lost_after:
                missed.append(node)
        return missed
