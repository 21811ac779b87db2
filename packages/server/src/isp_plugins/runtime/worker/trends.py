"""What a worker does that its operator should know of although no limit is breached. Pure; times are monotonic seconds.

1. What counts is seen in `INTERVALS` intervals between samples in a row: with a sample every 2 s a culprit is named within 10 s, and what
   a plugin does for a moment (loading its data, say) is not held against it.
2. On a machine without a processor to spare nobody gets a whole one: there whoever takes a good part of one is named.
3. A warning names the resource and the amount, so that of many plugins the one that does harm is found.
4. Crashes are told for a minute after the last one, floods for ten seconds after the worker was slowed down last.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from isp_plugins.contracts.worker import ResourceUse
from isp_plugins.runtime.worker.resources import MIB, Amounts, Limit, Resource, said

INTERVALS = 3
"""Intervals between samples that have to show the same."""
SPARE = 0.05
"""Part of the machine's processor time; with less of it idle, there is none to spare."""
FLOODS_TOLD_S = 10.0
"""How long a flood is told after the worker was slowed down for it, in seconds."""
CRASHES_TOLD_S = 60.0
"""How long a crash is told after it happened, in seconds."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From when on a trend is worth a warning."""

    busy_percent: float = 75.0
    """Processor time, in percent of one core."""
    crowded_percent: float = 10.0
    """The same where the machine has no core to spare, so that nobody gets a whole one."""
    growth_bytes_s: float = 1.0 * MIB
    """Growth of memory, in bytes a second."""
    near: float = 0.9
    """Part of a limit from which on it is near."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What a worker used at one moment, and since the sample before."""

    at: float
    use: ResourceUse
    cpu_percent: float | None = None
    """Processor time since the sample before, in percent of one core."""
    is_crowded: bool = False
    """Whether the machine had no processor to spare meanwhile."""

    @property
    def amounts(self) -> Amounts:
        """The same in the units of limits."""
        return Amounts.of(self.use, self.cpu_percent)


def sampled(at: float, use: ResourceUse, before: Sample | None, *, is_crowded: bool = False) -> Sample:
    """A new sample, after the one before."""
    if before is None or before.use.cpu_s is None or use.cpu_s is None or at <= before.at:
        return Sample(at, use)
    percent = max(0.0, use.cpu_s - before.use.cpu_s) / (at - before.at) * 100
    return Sample(at, use, percent, is_crowded)


def crowded(before: tuple[int, int] | None, after: tuple[int, int] | None) -> bool:
    """Whether all processors together had next to nothing to spare between two readings of all ticks and idle ones."""
    if before is None or after is None or after[0] <= before[0]:
        return False
    return (after[1] - before[1]) / (after[0] - before[0]) < SPARE


def warnings_of(
    samples: Sequence[Sample], limits: Iterable[Limit], thresholds: Thresholds
) -> tuple[str, ...]:
    """What the last samples show, oldest first; the amounts are those of the last ones."""
    last = samples[-(INTERVALS + 1) :]
    if len(last) <= INTERVALS:
        return ()
    found = (_busy(last, thresholds), _growing(last, thresholds), *_near(last, limits, thresholds))
    return tuple(warning for warning in found if warning is not None)


def _busy(samples: Sequence[Sample], thresholds: Thresholds) -> str | None:
    if not all(_is_busy(sample, thresholds) for sample in samples[1:]):
        return None
    mean = sum(sample.cpu_percent or 0.0 for sample in samples[1:]) / (len(samples) - 1)
    none_left = ", and the machine has none to spare" if samples[-1].is_crowded else ""
    return f"its worker uses {mean:.0f} % of a core{none_left}"


def _is_busy(sample: Sample, thresholds: Thresholds) -> bool:
    least = thresholds.crowded_percent if sample.is_crowded else thresholds.busy_percent
    return sample.cpu_percent is not None and sample.cpu_percent >= least


def _growing(samples: Sequence[Sample], thresholds: Thresholds) -> str | None:
    rates = [rate for before, after in pairwise(samples) if (rate := _rate(before, after))]
    if len(rates) < len(samples) - 1 or min(rates) < thresholds.growth_bytes_s:
        return None
    return f"its worker's memory grows by {sum(rates) / len(rates) / MIB:.0f} MiB/s"


def _rate(before: Sample, after: Sample) -> float | None:
    """Bytes a second between two samples."""
    if before.use.memory_bytes is None or after.use.memory_bytes is None or after.at <= before.at:
        return None
    return (after.use.memory_bytes - before.use.memory_bytes) / (after.at - before.at)


def _near(samples: Sequence[Sample], limits: Iterable[Limit], thresholds: Thresholds) -> list[str]:
    """Limits that every one of the samples was near, or above."""
    found = []
    for limit in limits:
        amounts = [sample.amounts.by_resource.get(limit.resource, 0.0) for sample in samples[1:]]
        if limit.resource is not Resource.CPU and min(amounts) >= limit.allowed * thresholds.near:
            found.append(
                f"its worker uses {said(limit.resource, amounts[-1])} of the {limit.allowed:,} allowed"
            )
    return found


@dataclass(frozen=True, slots=True)
class Floods:
    """What a worker flooded: how often it was slowed down for it so far, and when that was seen to grow last."""

    counts: Mapping[str, int] = field(default_factory=dict)
    grew_at: Mapping[str, float] = field(default_factory=dict)

    def after(self, counts: Mapping[str, int], now: float) -> "Floods":
        """With the counts as they are now."""
        grown = {what: now for what, count in counts.items() if count > self.counts.get(what, 0)}
        return Floods(dict(counts), {**self.grew_at, **grown})

    def warnings(self, now: float) -> tuple[str, ...]:
        """What is told of it."""
        told = [what for what, at in self.grew_at.items() if now - at < FLOODS_TOLD_S]
        return tuple(
            f"its worker floods its {what}, and was slowed down {self.counts[what]} times" for what in told
        )


def crashes(moments: Sequence[float], now: float) -> str | None:
    """How often it crashed within how long, of the crashes (oldest first) that are still told; None where there is none."""
    recent = [moment for moment in moments if now - moment < CRASHES_TOLD_S]
    if not recent:
        return None
    if len(recent) == 1:
        return "its worker crashed once in the last minute"
    return f"its worker crashed {len(recent)} times in {max(1.0, recent[-1] - recent[0]):.0f} s"
