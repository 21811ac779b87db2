"""When a device counts as up or down: pure rules over probe results.

1. A device goes down after `failures_down` failed probes in a row, up after `successes_up` good ones; a new device is up at its first answer.
2. After a change its status is held for `hold_seconds`, whatever it answers: a flapping device changes at most once in that time.
3. `since` is when the streak began that changed it: when it really went away, not when we were sure.
4. A probe that could not be tried says nothing about the device.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Self

WINDOW = 20
"""How many of the last probes the loss is counted over."""
_MASK = (1 << WINDOW) - 1


class Status(StrEnum):
    """What a device counts as."""

    UNKNOWN = "unknown"
    """It was not probed often enough yet."""
    UP = "up"
    """It answers."""
    DOWN = "down"
    """It does not."""


class Kind(StrEnum):
    """How a probe ended."""

    REACHED = "reached"
    """The device answered in time."""
    MISSED = "missed"
    """It did not."""
    UNTRIED = "untried"
    """This machine could not ask: no socket, no route, no permission."""


@dataclass(frozen=True, slots=True)
class Result:
    """One probe."""

    kind: Kind
    rtt_ms: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Rules:
    """The operator's limits."""

    failures_down: int = 3
    successes_up: int = 2
    hold_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class State:
    """What is known of a device; moments are seconds of the epoch."""

    status: Status = Status.UNKNOWN
    since: float = 0.0
    """When the status began."""
    held_until: float = 0.0
    """Until when it cannot change."""
    reported: Status = Status.UNKNOWN
    """The status that the hook was last dispatched for."""
    alarm: str | None = None
    """The alarm that was raised and not cleared."""
    streak: int = 0
    """Results in a row that contradict the status."""
    streak_began: float = 0.0
    streak_good: bool = False
    answers: int = 0
    """The last probes as bits, the latest lowest; 1 is an answer."""
    probes: int = 0
    """How many of these bits count."""
    rtt_ms: float | None = None

    @property
    def is_suspect(self) -> bool:
        """Whether the last answer contradicts the status."""
        return self.streak > 0

    @property
    def loss(self) -> float | None:
        """Lost probes among the last ones, in percent."""
        return None if not self.probes else round(100 * (1 - self.answers.bit_count() / self.probes), 1)

    def dump(self) -> dict[str, Any]:
        """What must survive a restart, as a JSON value: nothing that changes with every probe."""
        return {
            "status": self.status,
            "since": self.since,
            "held_until": self.held_until,
            "reported": self.reported,
            "alarm": self.alarm,
        }

    @classmethod
    def load(cls, stored: Mapping[str, Any]) -> Self:
        """Read what `dump` wrote."""
        return cls(**{**stored, "status": Status(stored["status"]), "reported": Status(stored["reported"])})


def observe(state: State, result: Result, now: float, rules: Rules) -> State:
    """The state after a probe."""
    if result.kind is Kind.UNTRIED:
        return state
    good = result.kind is Kind.REACHED
    wanted = Status.UP if good else Status.DOWN
    answers, probes = (state.answers << 1 | good) & _MASK, min(state.probes + 1, WINDOW)
    seen = replace(state, answers=answers, probes=probes, rtt_ms=result.rtt_ms)
    if state.status is wanted:
        return replace(seen, streak=0) if seen.streak else seen
    goes_on = state.streak > 0 and state.streak_good is good
    streak = state.streak + 1 if goes_on else 1
    began = state.streak_began if goes_on else now
    if streak < _needed(state.status, rules, good=good) or now < _held_until(state, now, rules):
        return replace(seen, streak=streak, streak_began=began, streak_good=good)
    return replace(seen, status=wanted, since=began, held_until=now + rules.hold_seconds, streak=0)


def _needed(status: Status, rules: Rules, *, good: bool) -> int:
    """How many results in a row change a status."""
    if not good:
        return rules.failures_down
    return 1 if status is Status.UNKNOWN else rules.successes_up


def _held_until(state: State, now: float, rules: Rules) -> float:
    """Until when the status is held; never longer than the rule says, should the clock have been set back."""
    return min(state.held_until, now + rules.hold_seconds)
