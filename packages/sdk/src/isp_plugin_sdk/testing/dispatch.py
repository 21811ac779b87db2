"""A dispatch to one plugin alone, with the engine's rules: order, copies for filters, errors kept with their subscription, `Reject`, `stop`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from isp_plugin_sdk.errors import Reject
from isp_plugin_sdk.hooks import Declaration, FailurePolicy, HookType
from isp_plugin_sdk.testing import checks
from isp_plugin_sdk.testing.errors import HarnessError


@dataclass(frozen=True, slots=True)
class SubscriptionOutcome:
    """What became of one subscription."""

    method: str
    type: HookType
    status: str
    """`ok`, `error` or `rejected`."""
    value: Any = None
    error: BaseException | None = None


@dataclass(slots=True)
class Dispatched:
    """The result of a dispatch: `completed`, `rejected` (with the reason) or `stopped`, and the value as filters left it."""

    hook: str
    value: Any
    status: str = "completed"
    reason: str | None = None
    outcomes: list[SubscriptionOutcome] = field(default_factory=list)


Turn = Callable[[Declaration, Any], Any]
"""One subscription's turn: calls its method with a value, and raises what it raises."""


def run(turn: Turn, hooks: Sequence[Declaration], hook: str, payload: Any, *, veto: bool) -> Dispatched:
    """Run subscriptions by priority, then method; events afterwards, unless the dispatch was rejected or stopped."""
    result = Dispatched(hook, checks.private(payload))
    ordered = sorted(hooks, key=lambda one: (one.type is HookType.EVENT, one.priority, one.method))
    for one in ordered:
        if result.status != "completed":
            break
        outcome = _outcome(turn, one, result.value)
        if isinstance(outcome.error, Reject) and veto:
            outcome = SubscriptionOutcome(one.method, one.type, "rejected", error=outcome.error)
            result.status, result.reason = (
                "rejected",
                outcome.error.reason if isinstance(outcome.error, Reject) else None,
            )
        elif (
            outcome.error is not None
            and one.failure_policy is FailurePolicy.STOP
            and one.type is not HookType.EVENT
        ):
            result.status, result.reason = "stopped", str(outcome.error)
        elif outcome.error is None and one.type is HookType.FILTER:
            result.value = outcome.value
        result.outcomes.append(outcome)
    return result


def _outcome(turn: Turn, one: Declaration, value: Any) -> SubscriptionOutcome:
    """What became of one turn; an error of the harness itself passes through, since it is the test that must fail."""
    try:
        return SubscriptionOutcome(one.method, one.type, "ok", turn(one, value))
    except HarnessError:
        raise
    except BaseException as error:
        return SubscriptionOutcome(one.method, one.type, "error", error=error)
