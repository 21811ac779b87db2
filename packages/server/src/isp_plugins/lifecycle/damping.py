"""Which changes of a plugin's health are told, so that one that flaps does not fill anybody's mailbox. Pure; times are monotonic seconds.

1. A change is told at once, from what was told last to what is now, unless there were more than `most` changes in the last `window_s`
   seconds: then the plugin flaps, and nothing is told.
2. Once it has calmed down, what is now is told if it differs from what was told last.
3. So what is told is a chain: each `old` is the `new` before it, and the last `new` becomes the truth.
"""

from dataclasses import dataclass, replace

from isp_plugins.contracts.vocabulary import HealthStatus


@dataclass(frozen=True, slots=True)
class Flapping:
    """When a plugin's health flaps."""

    most: int
    """Changes in a window that are still told."""
    window_s: float


@dataclass(frozen=True, slots=True)
class Telling:
    """A change to be told."""

    old: HealthStatus
    new: HealthStatus


@dataclass(frozen=True, slots=True)
class Told:
    """What was told of one plugin, and what was seen."""

    told: HealthStatus = HealthStatus.UNKNOWN
    seen: HealthStatus = HealthStatus.UNKNOWN
    changes: tuple[float, ...] = ()
    """When it was seen to change, within the window."""

    def saw(self, status: HealthStatus, now: float, limits: Flapping) -> tuple["Told", Telling | None]:
        """After a look: what is to be told now, if anything."""
        changes = tuple(moment for moment in self.changes if moment > now - limits.window_s)
        if status is not self.seen:
            changes = (*changes, now)
        after = replace(self, seen=status, changes=changes)
        if status is self.told or len(changes) > limits.most:
            return after, None
        return replace(after, told=status), Telling(self.told, status)
