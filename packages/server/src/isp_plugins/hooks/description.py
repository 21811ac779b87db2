"""Shows a hook's chain as it would run, with every counter."""

from collections.abc import Mapping

from isp_plugins.contracts.vocabulary import SkipReason
from isp_plugins.hooks.chain import HookChain, Link
from isp_plugins.hooks.counters import ChainEntry, LinkCounters


def describe(chain: HookChain, deliveries: Mapping[int, HookChain]) -> list[ChainEntry]:
    """One entry for each subscription, in order."""
    return [
        _entry(chain, index, link, deliveries.get(link.subscription.id))
        for index, link in enumerate(chain.links)
    ]


def _entry(chain: HookChain, index: int, link: Link, delivery: HookChain | None) -> ChainEntry:
    one, counters = link.subscription, link.counters
    ran = delivery or chain
    mine = ran.durations_of(0 if delivery is not None else index)
    samples = [seconds * 1000 for seconds in (*tuple(counters.samples), *mine)]
    seen = ran.seen
    return ChainEntry(
        subscription_id=one.id,
        plugin_id=one.plugin_id,
        plugin=one.plugin_name,
        method=one.method,
        type=one.type,
        priority=one.priority,
        condition=one.condition,
        timeout_ms=one.timeout_ms,
        failure_policy=one.failure_policy,
        is_active=one.is_active,
        own_echo=one.own_echo,
        binding=one.binding,
        mode=link.mode.value if link.mode else None,
        skip_reason=link.static.reason if link.static else None,
        calls=counters.calls,
        errors=counters.errors,
        rejects=counters.rejects,
        timeouts=counters.timeouts,
        queued=counters.queued,
        skips=_skips(counters),
        last_error=counters.last_error,
        last_run=seen if counters.calls else None,
        sampled=len(samples),
        mean_ms=sum(samples) / len(samples) if samples else None,
        max_ms=max(samples, default=None),
    )


def _skips(counters: LinkCounters) -> dict[SkipReason, int]:
    """Turns without a call; of those on chains where it never runs, the ones that its plugin's circuit breaker or its dead worker took, or another node."""
    skips, idle = counters.all_skips(), counters.idle_skips()
    for reason in (SkipReason.BREAKER_OPEN, SkipReason.WORKER_DOWN, SkipReason.RUNS_ELSEWHERE):
        if idle[reason]:
            skips[reason] = skips.get(reason, 0) + idle[reason]
    return skips
