"""What an exception of a subscription means for its dispatch.

1. `Reject` ends a dispatch whose hook allows a veto; elsewhere it is an ordinary error.
2. Any exception, `SystemExit` and `KeyboardInterrupt` included, stays with its subscription.
3. With failure policy `stop`, or on a fail-closed veto or filter hook, a failure ends the dispatch.
4. A deadline that passed is a failure of the subscription that ran; past the dispatch's own deadline nothing runs after it.
"""

from dataclasses import dataclass

from isp_plugin_sdk.errors import Reject
from isp_plugins.contracts.hooks import HookSpec, Subscription
from isp_plugins.contracts.vocabulary import DispatchStatus, FailurePolicy, HookKind, OutcomeStatus
from isp_plugins.hooks.engine_errors import CallTimedOutError


@dataclass(frozen=True, slots=True)
class Verdict:
    """The subscription's status, and how the dispatch ends if it does."""

    status: OutcomeStatus
    ends: DispatchStatus | None = None
    why: str | None = None


def verdict(spec: HookSpec, subscription: Subscription, error: BaseException) -> Verdict:
    """What this error of this subscription means; pure."""
    if isinstance(error, Reject) and spec.veto:
        return Verdict(OutcomeStatus.REJECTED, DispatchStatus.REJECTED, error.reason)
    status = OutcomeStatus.TIMED_OUT if isinstance(error, CallTimedOutError) else OutcomeStatus.ERROR
    if not stops(spec, subscription):
        return Verdict(status)
    why = f"{subscription.plugin_name}.{subscription.method} failed: {str(error) or type(error).__name__}"
    return Verdict(status, DispatchStatus.STOPPED, why)


def stops(spec: HookSpec, subscription: Subscription) -> bool:
    """Whether a failure of this subscription ends the dispatch."""
    guards = spec.veto or spec.kind is HookKind.FILTER
    return subscription.failure_policy is FailurePolicy.STOP or (spec.fail_closed and guards)
