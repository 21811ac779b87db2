"""What active plugins want run by the clock, and one such run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from isp_plugins.contracts.runtime import Scheduled
from isp_plugins.contracts.vocabulary import LogLevel
from isp_plugins.lifecycle.calling import running
from isp_plugins.lifecycle.stage import Stage


@dataclass(frozen=True, slots=True)
class ScheduledMethod:
    """One schedule of one active plugin."""

    plugin_id: int
    plugin: str
    method: str
    cron: str

    @property
    def name(self) -> str:
        """What the schedule is known by, on all nodes and over restarts."""
        return f"{self.plugin}.{self.method} {self.cron}"[:200]


def scheduled(stage: Stage) -> list[ScheduledMethod]:
    """The schedules of every plugin that runs here."""
    return [
        ScheduledMethod(instance.record.id, instance.record.name, one.method, one.cron)
        for instance in tuple(stage.instances.values())
        if isinstance(instance.running, Scheduled)
        for one in instance.running.declared_schedules
    ]


async def run_scheduled(stage: Stage, one: ScheduledMethod, slot: Mapping[str, Any]) -> None:
    """Call the method with its slot; what it raises is in the plugin's log, and raised."""
    instance = await running(stage, one.plugin_id, "run a schedule of")
    try:
        async with instance.called() as plugin:
            await plugin.execute(one.method, [dict(slot)], stage.settings.schedule_timeout)
    except Exception as error:
        stage.launcher.note(
            instance.record, LogLevel.ERROR, f"The schedule {one.cron} -> {one.method} failed: {error}"
        )
        raise
