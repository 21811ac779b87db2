"""What happened to one subscription in some stretch of time; tallies add up, over time, nodes and subscriptions.

A frame is the tallies of one stretch, by key. It is kept and stored packed, as JSON for each plugin.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, NamedTuple

import orjson

from isp_plugins.telemetry.stats.histogram import Histogram

NO_PLUGIN = 0
"""Stands for the plugin in the key of a hook's own dispatches."""


class Key(NamedTuple):
    """Whom a tally is about: a plugin's method on a hook, whatever id the subscription has or had."""

    plugin_id: int
    hook: str
    type: str
    method: str


def of_dispatches(hook: str) -> Key:
    """The key under which a hook's dispatches are counted, as calls."""
    return Key(NO_PLUGIN, hook, "", "")


COUNTS = ("calls", "errors", "rejects", "timeouts", "queued")


@dataclass(slots=True)
class Tally:
    """Counts, and the durations of timed calls."""

    calls: int = 0
    errors: int = 0
    rejects: int = 0
    timeouts: int = 0
    queued: int = 0
    skips: dict[str, int] = field(default_factory=dict)
    durations: Histogram = field(default_factory=Histogram)

    def add(self, other: "Tally", times: int = 1) -> None:
        """Add another one; with -1, take it away again."""
        self.calls += other.calls * times
        self.errors += other.errors * times
        self.rejects += other.rejects * times
        self.timeouts += other.timeouts * times
        self.queued += other.queued * times
        for reason, count in other.skips.items():
            now = self.skips.get(reason, 0) + count * times
            if now:
                self.skips[reason] = now
            else:
                self.skips.pop(reason, None)
        self.durations.add(other.durations, times)

    def __bool__(self) -> bool:
        counts = self.calls or self.errors or self.rejects or self.timeouts or self.queued
        return bool(counts or self.skips or self.durations.counts)

    def weighted(self) -> "Tally":
        """The same with each duration standing for as many calls as were made for each that was timed.

        So a busy minute, of which one call in sixteen is timed, weighs as much as it must beside a quiet one.
        """
        timed = self.durations.total
        durations = Histogram()
        durations.add(self.durations, max(1, round(self.calls / timed)) if timed else 1)
        return Tally(
            self.calls, self.errors, self.rejects, self.timeouts, self.queued, dict(self.skips), durations
        )


Frame = dict[Key, Tally]
Packed = Mapping[int, bytes]
"""A frame as JSON by plugin: `[[hook, type, method, [counts], {skips}, [bucket, count, bucket, count ...]]]`."""


def add_to(frame: Frame, other: Iterable[tuple[Key, Tally]], times: int = 1) -> None:
    """Add tallies to a frame (with -1: take them away); empty ones leave it."""
    for key, tally in other:
        mine = frame.get(key)
        if mine is None:
            mine = frame[key] = Tally()
        mine.add(tally, times)
        if not mine:
            del frame[key]


def pack(frame: Mapping[Key, Tally]) -> Packed:
    """The frame as it is kept."""
    by_plugin: dict[int, list[Any]] = {}
    for key, tally in frame.items():
        counts = (tally.calls, tally.errors, tally.rejects, tally.timeouts, tally.queued)
        line = [*key[1:], counts, tally.skips, [*chain.from_iterable(tally.durations.counts.items())]]
        by_plugin.setdefault(key.plugin_id, []).append(line)
    return {plugin_id: orjson.dumps(lines) for plugin_id, lines in by_plugin.items()}


def unpack(packed: Packed) -> Iterator[tuple[Key, Tally]]:
    """The tallies of a packed frame."""
    for plugin_id, body in packed.items():
        for hook, kind, method, counts, skips, durations in orjson.loads(body):
            calls, errors, rejects, timeouts, queued = counts
            histogram = Histogram(zip(durations[::2], durations[1::2], strict=True))
            yield (
                Key(plugin_id, hook, kind, method),
                Tally(calls, errors, rejects, timeouts, queued, skips, histogram),
            )
