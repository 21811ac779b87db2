"""Who does something: the value that every mutation carries to the audit trail."""

from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum


class ActorType(StrEnum):
    """What kind of party acts."""

    API_KEY = "api_key"
    """A caller that proved itself with an API key."""
    PLUGIN = "plugin"
    """A plugin, through its context."""
    SYSTEM = "system"
    """The host itself: start, recovery, schedules."""
    LOCAL = "local"
    """Somebody at the machine, with the data directory under lock (`--offline`)."""
    HOST = "host"
    """The program that embeds `PluginSystem`."""


@dataclass(frozen=True, slots=True)
class Actor:
    """One acting party; `id` is stable (a key's or plugin's id), `name` is for people, `source` an address where known."""

    type: ActorType
    id: str
    name: str
    source: str | None = None


SYSTEM = Actor(ActorType.SYSTEM, "system", "system")
LOCAL = Actor(ActorType.LOCAL, "local", "local")
HOST = Actor(ActorType.HOST, "host", "host")

current_request: ContextVar[str | None] = ContextVar("current_request", default=None)
"""Id of the API's request in which something is done, set at the API's edge; the audit trail writes it down."""
