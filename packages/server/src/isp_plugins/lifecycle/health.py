"""How a plugin does, decided from what the host knows without asking it. Pure functions over values.

1. A plugin that does not run has unknown health, unless it should run: then it is unhealthy, with the cause.
2. A running plugin is degraded while something that it requires is missing, or while a subscription's method does not fit.
3. What the plugin itself reports can only make this worse, never better.
"""

from collections.abc import Sequence

from isp_plugins.contracts.vocabulary import Desired, HealthStatus, State
from isp_plugins.lifecycle.dependencies import Satisfaction
from isp_plugins.lifecycle.records import HealthSummary

_SEVERITY = (HealthStatus.HEALTHY, HealthStatus.UNKNOWN, HealthStatus.DEGRADED, HealthStatus.UNHEALTHY)


def summary(
    state: State, desired: Desired, cause: str | None, needs: Sequence[Satisfaction], invalid_hooks: int
) -> HealthSummary:
    """What a plugin's state, needs and bindings say about it."""
    if state is not State.ACTIVE:
        should_run = desired is Desired.ENABLED or state in {State.FAILED, State.QUARANTINED}
        status = (
            HealthStatus.UNHEALTHY if should_run and state is not State.ENABLING else HealthStatus.UNKNOWN
        )
        return HealthSummary(status, (cause,) if cause else ())
    reasons = [need.problem for need in needs if need.blocks and need.problem]
    if invalid_hooks:
        reasons.append(f"{invalid_hooks} of its hook subscriptions do not fit its methods; look at its hooks")
    return HealthSummary(HealthStatus.DEGRADED if reasons else HealthStatus.HEALTHY, tuple(reasons))


def worse(one: HealthStatus, other: HealthStatus) -> HealthStatus:
    """The worse of two."""
    return max(one, other, key=_SEVERITY.index)
