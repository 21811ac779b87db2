"""Takes a running plugin out that does harm: one whose calls hang for ever, or that was restarted too often.

Quarantine ends with the one try after its pause (`recovering`), or when the operator enables the plugin.
"""

from isp_plugins.contracts.vocabulary import LogLevel
from isp_plugins.lifecycle.failing import entry_about, quarantined, store_failure
from isp_plugins.lifecycle.stage import Stage
from isp_plugins.lifecycle.starting import take_down


async def quarantine(stage: Stage, plugin_id: int, cause: str) -> None:
    """Stop an active plugin and leave it alone, across restarts of the host too; what is wanted of it stays wanted."""
    async with stage.locks.of(plugin_id):
        await quarantine_locked(stage, plugin_id, cause)


async def quarantine_locked(stage: Stage, plugin_id: int, cause: str) -> None:
    """The same, for who holds the plugin's lock."""
    if plugin_id not in stage.instances:
        return
    record = stage.directory.get(plugin_id)
    after = quarantined(stage, record, cause)
    stage.launcher.note(record, LogLevel.ERROR, f"Quarantined: {cause}")
    await store_failure(stage, after, entry_about(after))
    await take_down(stage, plugin_id)
