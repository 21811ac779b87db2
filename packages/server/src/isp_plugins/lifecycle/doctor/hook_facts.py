"""Facts about one hook and its subscriptions, as they were gathered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from isp_plugins.contracts.hooks import HookSpec
from isp_plugins.contracts.vocabulary import SkipReason, SubscriptionType
from isp_plugins.events.views import LagView
from isp_plugins.hooks.records import HookView
from isp_plugins.lifecycle.doctor.condition import Explanation
from isp_plugins.lifecycle.records import PluginRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What happened to one subscription since the server started."""

    calls: int = 0
    errors: int = 0
    rejects: int = 0
    timeouts: int = 0
    queued: int = 0
    skips: Mapping[SkipReason, int] = field(default_factory=dict)
    last_error: str | None = None
    last_run: str | None = None
    """When it was last called, in the words of RFC 3339."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionFacts:
    """One subscription of the hook, in the order of the chain."""

    view: HookView
    plugin: PluginRecord
    condition: Explanation | str | None
    """What it makes of the payload; text: why it cannot be compiled; None: there is none."""
    counts: Counts
    breaker: str | None
    """Why its plugin's circuit breaker holds calls back; None: it does not."""
    lag: LagView | None = None
    """Of an event subscription: how far it has come."""
    waits_for_thread: bool = False
    """It is a plain function, and every thread is at work."""

    @property
    def label(self) -> str:
        """How it is named: `plugin.method`."""
        return f"{self.plugin.name}.{self.view.callback_method}"

    @property
    def is_event(self) -> bool:
        """Whether it is delivered after the dispatch."""
        return self.view.hook_type is SubscriptionType.EVENT


@dataclass(frozen=True, slots=True, kw_only=True)
class HookFacts:
    """Everything about a hook that tells why a subscription did not run."""

    spec: HookSpec
    close: Sequence[str]
    """Known hooks with a similar name."""
    dispatches: int | None
    """Since the server started; None: not counted, because nobody has subscribed since."""
    given: bool
    """Whether the payload is the caller's, not the catalogue's sample."""
    payload_mistakes: Sequence[Mapping[str, Any]]
    """How the payload does not fit the hook's schema."""
    chain: Sequence[SubscriptionFacts]
    """Every subscription, in order."""
    subscriptions: Sequence[SubscriptionFacts]
    """Those that are looked at: all, or one plugin's."""

    @property
    def others(self) -> int:
        """How many subscriptions are not looked at."""
        return len(self.chain) - len(self.subscriptions)
