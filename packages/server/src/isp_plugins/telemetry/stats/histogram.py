"""A histogram of durations whose buckets grow by a constant factor, so that histograms of any time and node can be added up.

1. Eight buckets for every doubling: a percentile is the middle of its bucket and at most 4.5 % off the exact one (`MAX_ERROR`).
2. From one nanosecond to about eighteen minutes; what lies outside counts in the outermost bucket.
3. Every eighth bound is a power of two in nanoseconds: coarser buckets on such bounds (`up_to`) are exact.
"""

import math
from collections.abc import Iterable

PER_DOUBLING = 8
LAST = 40 * PER_DOUBLING
"""The bucket from 2^40 ns (18 minutes) on."""
MAX_ERROR = 2 ** (0.5 / PER_DOUBLING) - 1
"""Greatest relative error of a percentile."""


def bucket_of(seconds: float) -> int:
    """The bucket that a duration belongs to."""
    nanoseconds = seconds * 1e9
    return 0 if nanoseconds <= 1 else min(int(math.log2(nanoseconds) * PER_DOUBLING), LAST)


def middle_of(bucket: int) -> float:
    """The geometric middle of a bucket, in seconds."""
    return float(2 ** ((bucket + 0.5) / PER_DOUBLING) * 1e-9)


class Histogram:
    """How many durations fell into each bucket."""

    __slots__ = ("counts",)

    def __init__(self, counts: Iterable[tuple[int, int]] = ()) -> None:
        self.counts: dict[int, int] = dict(counts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Histogram) and self.counts == other.counts

    __hash__ = None  # type: ignore[assignment]  # it changes

    @property
    def total(self) -> int:
        """How many durations there are."""
        return sum(self.counts.values())

    def observe(self, durations: Iterable[float]) -> None:
        """Count durations, in seconds."""
        counts = self.counts
        for seconds in durations:
            bucket = bucket_of(seconds)
            counts[bucket] = counts.get(bucket, 0) + 1

    def add(self, other: "Histogram", times: int = 1) -> None:
        """Add another one, each of its durations so many times; with -1, take it away again."""
        counts = self.counts
        for bucket, count in other.counts.items():
            now = counts.get(bucket, 0) + count * times
            if now:
                counts[bucket] = now
            else:
                counts.pop(bucket, None)

    def percentile(self, fraction: float) -> float | None:
        """The duration (s) that this fraction of all does not exceed, by nearest rank; None where there are none."""
        total = self.total
        rank = max(1, math.ceil(fraction * total))
        for bucket in sorted(self.counts):
            rank -= self.counts[bucket]
            if rank <= 0:
                return middle_of(bucket)
        return None

    def up_to(self, doublings: Iterable[int]) -> list[int]:
        """How many are below each bound, given in ascending powers of two of a nanosecond."""
        ordered = sorted(self.counts.items())
        found, below, at = list[int](), 0, 0
        for power in doublings:
            while at < len(ordered) and ordered[at][0] < power * PER_DOUBLING:
                below += ordered[at][1]
                at += 1
            found.append(below)
        return found
