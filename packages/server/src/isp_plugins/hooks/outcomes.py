"""What became of each subscription in a dispatch, built when it is read from the little that the chain kept."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from isp_plugins.contracts.vocabulary import (
    DispatchStatus,
    OutcomeStatus,
    SkipReason,
    SubscriptionType,
)
from isp_plugins.hooks.marks import SKIPS, Failure, Skip

if TYPE_CHECKING:
    from isp_plugins.hooks.calls import DispatchResult
    from isp_plugins.hooks.chain import Link

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


def outcomes_of(result: "DispatchResult") -> tuple[Outcome, ...]:
    """One outcome for each subscription; events are told from what the queue said."""
    values = getattr(result, "values", ())
    behind = AFTER.get(result.status, SKIPS[SkipReason.AFTER_STOP])
    return tuple(_outcomes(result, values, behind))


def _outcomes(result: "DispatchResult", values: tuple[Any, ...], behind: Skip) -> Iterator[Outcome]:
    for index, link in enumerate(result.hook_chain.links):
        if link.is_event:
            yield _event_outcome(link, result.more.queued.get(index, behind))
        else:
            value = link.static or (values[index] if index < len(values) else behind)
            yield outcome_of(link, value, _milliseconds(seconds(result, index)))


def seconds(result: "DispatchResult", index: int) -> float | None:
    """What one subscription took, in seconds, where it was timed."""
    took = result.more.took.get(index)
    stamps: tuple[float | None, ...] = getattr(result, "stamps", ())
    return between(stamps, index) if took is None and stamps else took


def between(stamps: tuple[float | None, ...], index: int) -> float | None:
    """From the end of what ran before to the end of this subscription, in seconds."""
    ended = stamps[index + 1]
    before = next((stamp for stamp in reversed(stamps[: index + 1]) if stamp is not None), None)
    return None if ended is None or before is None else ended - before


def columns_of(timed: Sequence[tuple[float | None, ...]]) -> list[list[float]]:
    """`between` for all subscriptions of several dispatches at once: the durations of each, in seconds; empty without dispatches."""
    found: list[list[float]] = [[] for _ in timed[0][1:]] if timed else []
    for before, *stamps in timed:
        for durations, ended in zip(found, stamps, strict=True):
            if ended is not None and before is not None:
                durations.append(ended - before)
            before = before if ended is None else ended  # noqa: PLW2901  the end of one is the beginning of the next
    return found


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
