"""Turns the engine's running counts into what was added since the last look.

1. Counters that began anew (another serial) are compared with zero.
2. A count never goes down: a call that was counted and then turned out to be skipped is taken off what follows.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from isp_plugins.contracts.statistics import Measured, Measurement
from isp_plugins.telemetry.stats.tally import Key, Tally, of_dispatches

ERROR_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class LastRun:
    """When a subscription was last called, and its last error; moments in seconds of the epoch."""

    ran_at: float | None = None
    error: str | None = None
    failed_at: float | None = None

    def later(self, other: "LastRun") -> "LastRun":
        """The later of each."""
        mine, theirs = self.failed_at or 0.0, other.failed_at or 0.0
        failed = other if theirs > mine else self
        ran = max(self.ran_at or 0.0, other.ran_at or 0.0)
        return LastRun(ran or None, failed.error, failed.failed_at)


@dataclass(frozen=True, slots=True)
class Added:
    """What one key gained."""

    key: Key
    plugin: str
    tally: Tally
    seconds: float
    """The sum of the durations in the tally."""
    last: LastRun


class Meter:
    """Remembers what was seen last."""

    def __init__(self) -> None:
        self._seen: dict[int, Tally] = {}
        self._dispatches: dict[str, int] = {}
        self.ids: dict[Key, int] = {}
        """The ids of the subscriptions that were measured last."""

    def read(self, measured: Measured) -> Iterator[Added]:
        """What was added, by key; nothing for what stood still."""
        self.ids = {_key_of(one): one.subscription.id for one in measured.subscriptions}
        serials = {one.serial for one in measured.subscriptions}
        self._seen = {serial: tally for serial, tally in self._seen.items() if serial in serials}
        for one in measured.subscriptions:
            base = self._seen.setdefault(one.serial, Tally())
            tally = _gain(base, one)
            if tally:
                yield Added(
                    _key_of(one), one.subscription.plugin_name, tally, sum(one.durations), _last(one, tally)
                )
        for hook, count in measured.dispatches.items():
            before = self._dispatches.get(hook, 0)
            self._dispatches[hook] = max(count, before)
            if count > before:
                yield Added(of_dispatches(hook), "", Tally(calls=count - before), 0.0, LastRun())


def _gain(base: Tally, one: Measurement) -> Tally:
    """What is new; the base becomes what is counted now."""
    gain = Tally(
        max(0, one.calls - base.calls),
        max(0, one.errors - base.errors),
        max(0, one.rejects - base.rejects),
        max(0, one.timeouts - base.timeouts),
        max(0, one.queued - base.queued),
        _gained(base.skips, {reason.value: count for reason, count in one.skips.items()}),
    )
    base.calls += gain.calls
    base.errors += gain.errors
    base.rejects += gain.rejects
    base.timeouts += gain.timeouts
    base.queued += gain.queued
    gain.durations.observe(one.durations)
    return gain


def _gained(base: dict[str, int], now: Mapping[str, int]) -> dict[str, int]:
    gained = {name: count - base.get(name, 0) for name, count in now.items() if count > base.get(name, 0)}
    base.update({name: now[name] for name in gained})
    return gained


def _key_of(one: Measurement) -> Key:
    subscription = one.subscription
    return Key(subscription.plugin_id, subscription.hook, subscription.type.value, subscription.method)


def _last(one: Measurement, gain: Tally) -> LastRun:
    """Only what is news: an error of before this look was told before."""
    failed = gain.errors or gain.timeouts
    return LastRun(
        one.last_turn if gain.calls else None,
        (one.last_error or "")[:ERROR_CHARACTERS] if failed else None,
        one.last_error_at if failed else None,
    )
