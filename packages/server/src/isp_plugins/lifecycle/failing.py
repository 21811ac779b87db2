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


def expect_retry(stage: Stage, record: PluginRecord) -> None:
    """Let recovery know when this plugin is due."""
    if record.retry_at is not None:
        stage.recovery.expect(record.id, record.retry_at)


async def fail_request(stage: Stage, record: PluginRecord, cause: str, actor: Actor) -> None:
    """Store that an operator's enable failed; what was wanted before stays wanted."""
    after = failed(stage, record, cause)
    entry = Entry(AuditTag.PLUGIN_ENABLED, actor, record, {"cause": cause}, AuditOutcome.FAILED)
    await stage.ledger.commit(after, entries=[entry])
    expect_retry(stage, after)


async def fail_running(stage: Stage, record: PluginRecord, cause: str, actor: Actor = SYSTEM) -> None:
    """Store that a plugin that ran does not run any more."""
    after = failed(stage, record, cause)
    await stage.ledger.commit(
        after, entries=[Entry(AuditTag.PLUGIN_FAILED, actor, record, {"cause": cause}, AuditOutcome.FAILED)]
    )
    expect_retry(stage, after)
