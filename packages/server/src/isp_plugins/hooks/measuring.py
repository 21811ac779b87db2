"""Reads the counters of one subscription for whoever keeps statistics."""

from isp_plugins.contracts.hooks import Subscription
from isp_plugins.contracts.statistics import Measurement
from isp_plugins.hooks.counters import LinkCounters


def measurement_of(subscription: Subscription, counters: LinkCounters) -> Measurement:
    """What is counted now, and the durations that were not taken before."""
    return Measurement(
        serial=counters.serial,
        subscription=subscription,
        calls=counters.calls,
        errors=counters.errors,
        rejects=counters.rejects,
        timeouts=counters.timeouts,
        queued=counters.queued,
        skips=counters.skips_and_idle(),
        last_turn=counters.last_turn(),
        last_error=counters.last_error,
        last_error_at=counters.failed_at,
        durations=counters.fresh.take(),
    )
