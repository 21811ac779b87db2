"""Why an event was not delivered: what the event log and the cursor tell of one event subscription."""

from collections.abc import Iterator

from isp_plugins.contracts.vocabulary import State
from isp_plugins.events.views import LagView
from isp_plugins.lifecycle.doctor.findings import Finding, ok, problem, warning
from isp_plugins.lifecycle.doctor.hook_facts import SubscriptionFacts

LATE_S = 60.0
"""An oldest waiting event of this age is worth a word."""


def check_delivery(facts: SubscriptionFacts, lag: LagView) -> Iterator[Finding]:
    """Everything about the deliveries of one event subscription."""
    yield _waiting(facts, lag)
    if lag.paused_at is not None:
        yield problem(
            "paused",
            f"paused by {lag.paused_by} since {lag.paused_at:%Y-%m-%dT%H:%M:%SZ}; its events are kept",
            expected="a subscription that is not paused",
            next_step=f"isp-plugins events resume {lag.subscription_id}",
        )
    if lag.retrying:
        yield warning(
            "retries",
            f"{lag.retrying:,} events failed and are tried again, {lag.held_back:,} of the same keys wait behind them",
            expected="events that succeed at once",
            next_step=f"isp-plugins events deliveries --subscription {lag.subscription_id} --status retrying shows the errors",
        )
    if lag.dead:
        yield problem(
            "dead letters",
            f"{lag.dead:,} events failed too often and are not tried any more",
            expected="none",
            next_step=f"isp-plugins events deliveries --subscription {lag.subscription_id} --status dead; then events retry-dead or events discard-dead",
        )


def _waiting(facts: SubscriptionFacts, lag: LagView) -> Finding:
    count = f"{lag.waiting:,}{' or more' if lag.more else ''}"
    if not lag.waiting:
        return ok("delivery", f"up to date: {lag.delivered_total:,} delivered, nothing waits")
    found = f"{count} events wait, the oldest for {lag.lag_s:,.0f} s"
    if lag.owner is None and lag.paused_at is None:
        down = f"; its plugin is {facts.plugin.state}" if facts.plugin.state is not State.ACTIVE else ""
        return problem(
            "delivery",
            f"{found}, and no node delivers them{down}",
            expected="a node on which the plugin runs",
            next_step=f"isp-plugins enable {facts.plugin.name}; what waits comes then, or skip it: isp-plugins events seek {lag.subscription_id} now",
        )
    tell = warning if lag.lag_s > LATE_S else ok
    if tell is ok:
        return ok("delivery", f"{found}; node {lag.owner} delivers them")
    return warning(
        "delivery",
        f"{found}",
        expected="events that are delivered within a minute",
        next_step="see 'calls' for how long each takes; name a key so that more run side by side, or raise ISP_PLUGINS_EVENT_CONCURRENCY",
    )
