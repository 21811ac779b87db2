"""What a dispatch gives back: its status and value, and per subscription what became of it, built when it is read.

1. A `DispatchResult` is the call itself, so that an ordinary dispatch makes one object.
2. Nobody subscribed: one shared result that nothing can change; only a filter, which must give its value back, gets one of its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from isp_plugins.contracts.vocabulary import (
    DispatchStatus,
    HookKind,
    OutcomeStatus,
    SkipReason,
    SubscriptionType,
)
from isp_plugins.hooks.calls import Call
from isp_plugins.hooks.marks import SKIPS, Failure, Skip

if TYPE_CHECKING:
    from isp_plugins.hooks.chain import HookChain, Link

NO_REQUEST = "0" * 32
"""The request id of a dispatch that nobody was subscribed to, and for which the caller gave none."""
AFTER = {
    DispatchStatus.REJECTED: SKIPS[SkipReason.AFTER_REJECT],
    DispatchStatus.STOPPED: SKIPS[SkipReason.AFTER_STOP],
    DispatchStatus.TIMED_OUT: SKIPS[SkipReason.AFTER_DEADLINE],
}
"""What the subscriptions behind an early end are skipped for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one subscription in one dispatch; `duration_ms` is None where it was not timed."""

    subscription_id: int
    plugin_id: int
    plugin: str
    method: str
    type: SubscriptionType
    priority: int
    status: OutcomeStatus
    skip_reason: SkipReason | None = None
    value: Any = None
    error: BaseException | None = None
    duration_ms: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """As the API shows it."""
        error = None
        if self.error is not None:
            error = {"type": type(self.error).__name__, "message": str(self.error)}
        shown = {name: getattr(self, name) for name in self.__slots__}
        return shown | {"error": error}


class DispatchResult(Call):
    """The end of one dispatch."""

    __slots__ = ()

    @property
    def status(self) -> DispatchStatus:
        """How it ended."""
        return getattr(self, "ended", None) or DispatchStatus.COMPLETED

    @property
    def value(self) -> Any:
        """The final value of a filter, as it stood when the dispatch ended; None for an action."""
        if self.hook_chain.spec.kind is not HookKind.FILTER:
            return None
        return getattr(self, "standing", None)

    @property
    def reason(self) -> str | None:
        """Why it was rejected or stopped."""
        why: str | None = getattr(self, "why", None)
        return why

    @property
    def known(self) -> bool:
        """Whether the hook is in the catalogue."""
        return self.hook_chain.spec.known

    @property
    def duration_ms(self) -> float | None:
        """How long the whole dispatch took; None where it was not timed."""
        return _milliseconds(getattr(self, "elapsed", None))

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """Every subscription of the hook, in the order of the chain."""
        made: tuple[Outcome, ...] | None = getattr(self, "outcomes_made", None)
        if made is None:
            made = self.outcomes_made = tuple(_outcomes(self))
        return made

    def seconds(self, index: int) -> float | None:
        """What one subscription took, where it was timed."""
        took: float | None = getattr(self, "took", {}).get(index)
        if took is None:
            durations = getattr(self, "durations", ())
            took = durations[index] if index < len(durations) else None
        return took

    def to_dict(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "hook": self.hook,
            "status": self.status,
            "request_id": self.request_id,
            "known": self.known,
            "value": self.value,
            "reason": self.reason,
            "duration_ms": self.duration_ms,
            "subscriptions": [outcome.to_dict() for outcome in self.outcomes],
        }

    def __repr__(self) -> str:
        return f"<DispatchResult of {self.hook}: {self.status}>"


class NobodyResult(DispatchResult):
    """The result of an action that nobody is subscribed to, shared by all of its dispatches."""

    __slots__ = ()

    def __init__(self, hook_chain: "HookChain") -> None:
        for name, value in _NOBODY.items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, "hook_chain", hook_chain)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"the result of a dispatch cannot be changed ({name})")


_NOBODY = {
    "values": (), "outcomes_made": (), "ended": None, "why": None, "flag": False,
    "given_id": NO_REQUEST, "given_context": None, "timeout_ms": None, "parent": None, "names": (),
}  # fmt: skip


def _outcomes(result: DispatchResult) -> Iterator[Outcome]:
    """One outcome for each subscription; events are told from what the queue said."""
    queued = getattr(result, "queued", {})
    values = getattr(result, "values", ())
    behind = AFTER.get(result.status, SKIPS[SkipReason.AFTER_STOP])
    for index, link in enumerate(result.hook_chain.links):
        if link.is_event:
            mark = queued.get(index, behind)
            yield _event_outcome(link, mark)
        else:
            value = link.static or (values[index] if index < len(values) else behind)
            yield outcome_of(link, value, _milliseconds(result.seconds(index)))


def outcome_of(link: "Link", value: Any, duration_ms: float | None) -> Outcome:
    """The outcome of one subscription from what its chain kept."""
    if type(value) is Skip:
        return _outcome(link, OutcomeStatus.SKIPPED, skip_reason=value.reason)
    if type(value) is Failure:
        return _outcome(link, value.status, error=value.error, duration_ms=duration_ms)
    return _outcome(link, OutcomeStatus.OK, value=value, duration_ms=duration_ms)


def _event_outcome(link: "Link", mark: Skip | None) -> Outcome:
    """An event that waits for its delivery, or why there is none."""
    mark = link.static or mark
    if mark is None:
        return _outcome(link, OutcomeStatus.QUEUED)
    return _outcome(link, OutcomeStatus.SKIPPED, skip_reason=mark.reason)


def _outcome(link: "Link", status: OutcomeStatus, **rest: Any) -> Outcome:
    subscription = link.subscription
    return Outcome(
        subscription_id=subscription.id,
        plugin_id=subscription.plugin_id,
        plugin=subscription.plugin_name,
        method=subscription.method,
        type=subscription.type,
        priority=subscription.priority,
        status=status,
        **rest,
    )


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000
