"""What active plugins want run by the clock, and one such run."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from isp_plugins.contracts.runtime import Scheduled
from isp_plugins.contracts.vocabulary import LogLevel
from isp_plugins.lifecycle.calling import running
from isp_plugins.lifecycle.instances import Instance
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
    """The schedules of every plugin that runs here, those of its class and those of its manifest."""
    return [
        ScheduledMethod(instance.record.id, instance.record.name, method, cron)
        for instance in tuple(stage.instances.values())
        for method, cron in _wanted(instance)
    ]


def _wanted(instance: Instance) -> Iterable[tuple[str, str]]:
    """Each method with its cron expression, once."""
    running, release = instance.running, instance.record.release
    declared = running.declared_schedules if isinstance(running, Scheduled) else ()
    packaged = release.manifest.get("schedules", ()) if release is not None else ()
    return dict.fromkeys(
        [*((one.method, one.cron) for one in declared), *((one["method"], one["cron"]) for one in packaged)]
    )


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
