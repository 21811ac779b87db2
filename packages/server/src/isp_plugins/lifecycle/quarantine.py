"""Takes a plugin out that does harm: one whose calls hang for ever, each holding a thread. Only the operator lets it back in."""

from isp_plugins.actors import SYSTEM
from isp_plugins.audit import AuditOutcome, AuditTag
from isp_plugins.contracts.vocabulary import LogLevel, State
from isp_plugins.lifecycle.announcements import Announcement
from isp_plugins.lifecycle.ledger import Entry
from isp_plugins.lifecycle.stage import Stage
from isp_plugins.lifecycle.starting import take_down


async def quarantine(stage: Stage, plugin_id: int, cause: str) -> None:
    """Stop an active plugin and leave it alone, across restarts too; what is wanted of it stays wanted."""
    async with stage.locks.of(plugin_id):
        if plugin_id not in stage.instances:
            return
        record = stage.directory.get(plugin_id)
        after = record.moved(State.QUARANTINED, stage.clock.now(), cause=cause, failures=record.failures + 1)
        stage.launcher.note(record, LogLevel.ERROR, f"Quarantined: {cause}")
        entry = Entry(AuditTag.PLUGIN_QUARANTINED, SYSTEM, record, {"cause": cause}, AuditOutcome.FAILED)
        await stage.ledger.commit(after, entries=[entry])
        await take_down(stage, plugin_id)
    stage.announcer.announce(
        Announcement.QUARANTINED, after, SYSTEM, {"failures": after.failures, "cause": cause}
    )
