"""What deliveries need of their neighbours: the hook engine, and the deliverer around the feeds."""

from collections.abc import Container, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from isp_plugins.contracts.hooks import Event, Subscription
from isp_plugins.contracts.vocabulary import OutcomeStatus
from isp_plugins.events.attempts import Attempts

if TYPE_CHECKING:
    from isp_plugins.events.feed import Feed


class Answer(Protocol):
    """What became of one attempt (`hooks.outcomes.Outcome`)."""

    @property
    def status(self) -> OutcomeStatus:
        """How it ended."""
        ...

    @property
    def error(self) -> BaseException | None:
        """What it raised."""
        ...

    @property
    def duration_ms(self) -> float | None:
        """How long it took, where that was measured."""
        ...


class Delivers(Protocol):
    """Calls plugins: the hook engine."""

    async def deliver(self, event: Event) -> Answer:
        """Deliver it; never raises what the plugin raised."""
        ...

    def delivers(self, subscription_id: int) -> bool:
        """Whether the subscription can be called here now."""
        ...

    def event_subscriptions(self) -> Sequence[Subscription]:
        """Every event subscription that is owed its hook's events."""
        ...

    def is_owed(self, subscription_id: int, payload: Any, context: Mapping[str, Any]) -> bool:
        """Whether its condition is true for an event from before it was made."""
        ...


class Keeper(Protocol):
    """The deliverer around a feed."""

    @property
    def may_begin(self) -> bool:
        """Whether its leases are known to hold."""
        ...

    @property
    def attempts(self) -> Attempts:
        """The attempts under way."""
        ...

    @property
    def node(self) -> str:
        """The node's name."""
        ...

    @property
    def held(self) -> Container[str]:
        """Events (their random ids) that are written here and whose dispatches have not ended."""
        ...

    @property
    def released(self) -> Container[int]:
        """Events of other nodes whose dispatches have ended, as they told."""
        ...

    def dirty(self, feed: "Feed") -> None:
        """The feed has something to acknowledge."""
        ...

    def masked(self, plugin_id: int, text: str) -> str:
        """A text of the plugin's without its secrets."""
        ...

    def count(self, *, delivered: int = 0, retried: int = 0, dead: int = 0) -> None:
        """Count for the metrics."""
        ...
