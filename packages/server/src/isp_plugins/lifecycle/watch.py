"""Sees every change of a plugin's health, and has it told: `plugin_health_changed` with old, new and the checks.

1. States that pass (`enabling`, `disabling`) have no health of their own; a plugin that comes up or goes down changes once.
2. A plugin that flaps is told of again when it has calmed down (`damping`).
3. What a failure inside a `plugin_*` hook does to a plugin's health is not told, or telling could cause the next one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from isp_plugins.actors import SYSTEM
from isp_plugins.clock import Clock
from isp_plugins.contracts.vocabulary import State
from isp_plugins.lifecycle.announcements import Announcement, Announcer
from isp_plugins.lifecycle.damping import Flapping, Told
from isp_plugins.lifecycle.directory import PluginDirectory
from isp_plugins.lifecycle.health import summary_of
from isp_plugins.lifecycle.records import PluginRecord

_PASSING = frozenset({State.ENABLING, State.DISABLING})


class HealthWatch:
    """Watches a directory."""

    def __init__(
        self,
        *,
        directory: PluginDirectory,
        announcer: Announcer,
        clock: Clock,
        limits: Flapping,
        checks: Callable[[int], Sequence[Mapping[str, Any]]],
        is_quiet: Callable[[int], bool],
    ) -> None:
        self._directory = directory
        self._announcer = announcer
        self._clock = clock
        self._limits = limits
        self._checks = checks
        self._is_quiet = is_quiet
        self._told: dict[int, Told] = {}
        directory.watch = self.see

    def see(self, record: PluginRecord) -> None:
        """Look at a plugin that may have changed."""
        if record.state in _PASSING:
            return
        health = record.health
        if record.tripped and self._is_quiet(record.id):
            health = summary_of(replace(record, tripped=None))
        before = self._told.get(record.id, Told())
        after, telling = before.saw(health.status, self._clock.monotonic(), self._limits)
        self._told[record.id] = after
        if telling is not None:
            extra = {
                "old": telling.old.value,
                "new": telling.new.value,
                "checks": [dict(check) for check in self._checks(record.id)],
                "reason": "; ".join(health.reasons),
            }
            self._announcer.announce(Announcement.HEALTH_CHANGED, record, SYSTEM, extra)

    def tick(self) -> None:
        """Look again at those whose last change is not told yet."""
        for plugin_id, told in tuple(self._told.items()):
            if plugin_id not in self._directory:
                del self._told[plugin_id]
            elif told.seen is not told.told:
                self.see(self._directory.get(plugin_id))
