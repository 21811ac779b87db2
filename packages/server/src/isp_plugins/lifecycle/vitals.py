"""What this host remembers of each plugin's probes, apart from its record: misses in a row, the last answer, when the next is due.

1. It belongs to one instance: a new instance begins anew.
2. An instance that was started because the one before did not answer is unproven: until it answers, every miss counts as the last straw.
"""

from dataclasses import dataclass, field
from datetime import datetime

from isp_plugins.lifecycle.instances import Instance
from isp_plugins.lifecycle.views import Checks, LastProbe
from isp_plugins.runtime.probes import Answer


@dataclass(slots=True)
class Vital:
    """One instance's probes so far."""

    instance: Instance | None = None
    misses: int = 0
    """Probes in a row that had no answer."""
    unproven: bool = False
    """Whether it has to answer its first probe."""
    due: float | None = None
    """When it is probed next, in seconds of the clock's monotonic time."""
    last: LastProbe | None = None
    heard: Answer | None = None
    """The answer that was taken note of last; who asked together hears the same one."""

    def take(self, answer: Answer, checks: Checks, at: datetime) -> None:
        """Take note of an answer, or of a miss."""
        self.misses = self.misses + 1 if answer.missed else 0
        self.unproven = self.unproven and answer.missed
        self.last = LastProbe(at, answer.missed, answer.status.value, answer.duration_ms, checks)

    def ill(self, limit: int) -> bool:
        """Whether it missed so many probes in a row that it has to be restarted."""
        return self.misses >= limit or (self.unproven and self.misses > 0)


@dataclass(slots=True)
class Vitals:
    """Those of every plugin of this node, by id."""

    _kept: dict[int, Vital] = field(default_factory=dict)

    def of(self, plugin_id: int) -> Vital:
        """Those of one plugin."""
        return self._kept.setdefault(plugin_id, Vital())

    def of_instance(self, plugin_id: int, instance: Instance) -> Vital:
        """Those of this instance; what was known of another is forgotten, but for what it found last."""
        vital = self.of(plugin_id)
        if vital.instance is not instance:
            vital = self._kept[plugin_id] = Vital(instance, last=vital.last)
        return vital

    def checks(self, plugin_id: int) -> Checks:
        """What the last probe of a plugin found, check by check."""
        last = self.of(plugin_id).last
        return last.checks if last else ()

    def forget(self, plugin_id: int) -> None:
        """Drop those of a plugin that is gone."""
        self._kept.pop(plugin_id, None)
