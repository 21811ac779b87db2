"""What becomes of a plugin that does not come up, or dies: the cause masked, logged, stored and shown, the next try decided.

1. What is wanted is tried again after a pause; with one restart too many it is quarantined instead (`intensity`).
2. What was not even tried, because something that the plugin needs is missing, is no reason for quarantine.
"""

from collections.abc import Iterable
from typing import Any

from isp_plugins.actors import SYSTEM, Actor
from isp_plugins.audit import AuditOutcome, AuditTag
from isp_plugins.contracts.vocabulary import Desired, HealthEvent, HealthStatus, State
from isp_plugins.lifecycle.announcements import Announcement
from isp_plugins.lifecycle.ledger import Also, Entry
from isp_plugins.lifecycle.records import PluginRecord
from isp_plugins.lifecycle.stage import Stage


def failed(stage: Stage, record: PluginRecord, cause: str, *, tried: bool = True) -> PluginRecord:
    """The plugin after one more failure: failed, or quarantined where it was restarted too often."""
    failures, now = record.failures + 1, stage.clock.now()
    if record.desired is not Desired.ENABLED:
        return record.moved(State.FAILED, now, cause=cause, failures=failures)
    pause = stage.recovery.pause(record.id, failures)
    if tried and not stage.recovery.allows(record.id, pause):
        return quarantined(stage, record, cause)
    retry_at = stage.recovery.wall(pause)
    return record.moved(State.FAILED, now, cause=cause, failures=failures, retry_at=retry_at)


def quarantined(stage: Stage, record: PluginRecord, cause: str) -> PluginRecord:
    """The plugin in quarantine, until its one try."""
    retry_at = (
        stage.recovery.wall(stage.settings.quarantine_pause) if record.desired is Desired.ENABLED else None
    )
    return record.moved(
        State.QUARANTINED, stage.clock.now(), cause=cause, failures=record.failures + 1, retry_at=retry_at
    )


def entry_about(after: PluginRecord, **details: Any) -> Entry:
    """The audit entry of a plugin that failed, or was quarantined, by itself; the details are added to the cause."""
    tag = AuditTag.PLUGIN_QUARANTINED if after.state is State.QUARANTINED else AuditTag.PLUGIN_FAILED
    return Entry(tag, SYSTEM, after, {"cause": after.cause, **details}, AuditOutcome.FAILED)


def expect_retry(stage: Stage, after: PluginRecord) -> None:
    """Let recovery know when this plugin is due, if ever; its health history says what happened."""
    quarantine = after.state is State.QUARANTINED
    if after.retry_at is None:
        stage.recovery.forget(after.id)
    else:
        stage.recovery.expect_at(after.id, after.retry_at, patient=quarantine)
    event = HealthEvent.QUARANTINED if quarantine else HealthEvent.FAILED
    stage.history.add(after.id, event, HealthStatus.UNHEALTHY, after.cause or "")


async def store_failure(
    stage: Stage, after: PluginRecord, *entries: Entry, also: Iterable[Also] = ()
) -> None:
    """Store and show a failed plugin, and let recovery know when it is due; where the database fails, too, it is shown all the same."""
    try:
        await stage.ledger.commit(after, entries=entries, also=also)
    except BaseException:
        stage.ledger.show(after)
        raise
    finally:
        expect_retry(stage, after)
    if after.state is State.QUARANTINED:
        announce_quarantine(stage, after)


def announce_quarantine(stage: Stage, after: PluginRecord) -> None:
    """Tell subscribers that a plugin is left alone now, why, and until when."""
    restarts = stage.recovery.recent_restarts(after.id)
    extra = {
        "hook": None,
        "failures": max(after.failures, restarts + 1),
        **({"window": stage.settings.restart_window} if restarts else {}),
        "until": after.retry_at.isoformat() if after.retry_at else None,
        "cause": after.cause,
        "reason": after.cause,
    }
    stage.announcer.announce(Announcement.QUARANTINED, after, SYSTEM, extra)


async def fail_request(stage: Stage, record: PluginRecord, cause: str, actor: Actor) -> None:
    """Store that an operator's enable failed; what was wanted before stays wanted."""
    entry = Entry(AuditTag.PLUGIN_ENABLED, actor, record, {"cause": cause}, AuditOutcome.FAILED)
    await store_failure(stage, failed(stage, record, cause), entry)


async def fail_running(stage: Stage, record: PluginRecord, cause: str) -> None:
    """Store that a plugin that ran does not run any more."""
    after = failed(stage, record, cause)
    await store_failure(stage, after, entry_about(after))
