"""What the death of a worker means for its plugin: it is taken down with the cause, and recovery brings it back.

The one place that a runtime's `on_death` leads to; what was called when it died has had its answer already.
"""

from isp_plugins.contracts.vocabulary import LogLevel
from isp_plugins.contracts.worker import Death, Mortal
from isp_plugins.lifecycle.failing import fail_running
from isp_plugins.lifecycle.stage import Stage
from isp_plugins.lifecycle.starting import take_down


async def died(stage: Stage, death: Death) -> None:
    """Take the plugin down and store why; does nothing where another instance runs by now, or none."""
    async with stage.locks.of(death.plugin_id):
        instance = stage.instances.get(death.plugin_id)
        # Its instance tells by itself whether it is dead; only a worker can be.
        running: object = None if instance is None else instance.running
        if not _is_dead(running, death):
            return
        record = stage.directory.get(death.plugin_id)
        cause = stage.logs.masked(record.id, death.detail)
        stage.launcher.note(record, LogLevel.ERROR, cause)
        await take_down(stage, record.id)
        await fail_running(stage, stage.directory.get(record.id), cause)


def _is_dead(running: object, death: Death) -> bool:
    mortal: Mortal | None = running if hasattr(running, "death") else None  # type: ignore[assignment]  # as its attribute tells
    return mortal is not None and mortal.death is death
