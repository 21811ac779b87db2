"""What becomes of a plugin that does not come up, or dies: the cause masked, logged, stored and shown, the next try decided."""

from isp_plugins.actors import SYSTEM, Actor
from isp_plugins.audit import AuditOutcome, AuditTag
from isp_plugins.contracts.vocabulary import Desired, State
from isp_plugins.lifecycle.ledger import Entry
from isp_plugins.lifecycle.records import PluginRecord
from isp_plugins.lifecycle.stage import Stage


def failed(stage: Stage, record: PluginRecord, cause: str) -> PluginRecord:
    """The plugin after one more failure; tried again later if it is wanted."""
    failures = record.failures + 1
    retry_at = stage.recovery.next_try(failures) if record.desired is Desired.ENABLED else None
    return record.moved(State.FAILED, stage.clock.now(), cause=cause, failures=failures, retry_at=retry_at)


async def store_failure(stage: Stage, after: PluginRecord, *entries: Entry) -> None:
    """Store and show a failed plugin, and let recovery know when it is due; where the database fails, too, it is shown all the same."""
    try:
        await stage.ledger.commit(after, entries=entries)
    except BaseException:
        stage.ledger.show(after)
        raise
    finally:
        if after.retry_at is not None:
            stage.recovery.expect(after.id, after.retry_at)


async def fail_request(stage: Stage, record: PluginRecord, cause: str, actor: Actor) -> None:
    """Store that an operator's enable failed; what was wanted before stays wanted."""
    entry = Entry(AuditTag.PLUGIN_ENABLED, actor, record, {"cause": cause}, AuditOutcome.FAILED)
    await store_failure(stage, failed(stage, record, cause), entry)


async def fail_running(stage: Stage, record: PluginRecord, cause: str) -> None:
    """Store that a plugin that ran does not run any more."""
    entry = Entry(AuditTag.PLUGIN_FAILED, SYSTEM, record, {"cause": cause}, AuditOutcome.FAILED)
    await store_failure(stage, failed(stage, record, cause), entry)
