"""How a plugin does, decided from what the host knows without asking it. Pure functions over values.

1. A plugin that does not run has unknown health, unless it should run here: then it is unhealthy, with the cause.
2. A running plugin is degraded while something that it requires is missing, or while a subscription's method does not fit.
3. It is degraded, too, while its circuit breaker is not closed.
4. It is degraded, too, while its worker strains the machine, or crashed a moment ago.
5. It is degraded, too, while its node cannot follow what another node changed.
6. What its probes found can only make this worse, never better.
"""

from collections.abc import Iterable

from isp_plugins.contracts.vocabulary import Desired, HealthStatus, State
from isp_plugins.lifecycle.records import HealthReport, HealthSummary, PluginRecord

_SEVERITY = (HealthStatus.HEALTHY, HealthStatus.UNKNOWN, HealthStatus.DEGRADED, HealthStatus.UNHEALTHY)


def summary_of(record: PluginRecord) -> HealthSummary:
    """What the host knows about a plugin; its needs are those of the record."""
    if record.state is not State.ACTIVE:
        return _of_one_that_does_not_run(record)
    reasons = [need.problem for need in record.dependencies if need.blocks and need.problem]
    if record.invalid_hooks:
        reasons.append(
            f"{record.invalid_hooks} of its hook subscriptions do not fit its methods; look at its hooks"
        )
    if record.tripped:
        reasons.append(record.tripped)
    reasons += record.strained
    if record.behind:
        reasons.append(
            f"This node still runs it as it was before another node changed it: {record.behind.cause}"
        )
    known = HealthSummary(HealthStatus.DEGRADED if reasons else HealthStatus.HEALTHY, tuple(reasons))
    if record.probed is None:
        return known
    return HealthSummary(worse(known.status, record.probed.status), (*record.probed.reasons, *known.reasons))


def _of_one_that_does_not_run(record: PluginRecord) -> HealthSummary:
    should_run = record.desired is Desired.ENABLED or record.state in {State.FAILED, State.QUARANTINED}
    ill = should_run and record.state not in {State.ENABLING, State.STANDBY}
    return HealthSummary(
        HealthStatus.UNHEALTHY if ill else HealthStatus.UNKNOWN, (record.cause,) if record.cause else ()
    )


def worst_first(reports: Iterable[HealthReport]) -> list[HealthReport]:
    """Reports in the order in which an operator wants to see them; ties by name."""
    return sorted(reports, key=lambda report: (-_SEVERITY.index(report.status), report.name))


def worse(one: HealthStatus, other: HealthStatus) -> HealthStatus:
    """The worse of two."""
    return max(one, other, key=_SEVERITY.index)
