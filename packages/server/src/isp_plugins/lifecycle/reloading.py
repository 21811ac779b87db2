"""Reload: replaces a plugin's code and configuration without dropping a call, and says what runs when that fails."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from isp_plugins.actors import Actor
from isp_plugins.audit import AuditTag
from isp_plugins.errors import PluginSystemError
from isp_plugins.lifecycle.bindings import Bound
from isp_plugins.lifecycle.errors import PluginReloadFailedError, UnhealthyCandidateError
from isp_plugins.lifecycle.failing import fail_running
from isp_plugins.lifecycle.instances import Equipment
from isp_plugins.lifecycle.ledger import Entry
from isp_plugins.lifecycle.records import PluginRecord
from isp_plugins.lifecycle.replacing import is_lost, replaced
from isp_plugins.lifecycle.stage import Stage
from isp_plugins.lifecycle.starting import require_dependencies
from isp_plugins.runtime.errors import PluginFailedError

OLD_RUNS = "The old instance runs on, nothing was changed."
NOTHING_RUNS = (
    "The old instance could not be started again either: the plugin is failed, and is tried again by itself."
)

Refusal = Callable[[str, str], PluginSystemError]
"""Makes the answer to the operator, from the cause and from what runs now."""


async def reload(stage: Stage, record: PluginRecord, actor: Actor) -> None:
    """Bring new code and the stored configuration up in place of the old; `PluginReloadFailedError` where the new one does not work."""
    require_dependencies(stage, record)
    equipment = await stage.launcher.equip(record)
    now = stage.clock.now()
    new = record.reloaded(now, since=now)

    async def save(bound: Bound) -> None:
        after = replace(new, invalid_hooks=bound.invalid)
        await stage.ledger.commit(
            after, entries=[Entry(AuditTag.PLUGIN_RELOADED, actor, after)], also=[bound.save]
        )

    def refusal(cause: str, outcome: str) -> PluginSystemError:
        return PluginReloadFailedError(name=record.name, plugin_id=record.id, cause=cause, outcome=outcome)

    await replace_with(stage, new, equipment, save, refusal)


async def replace_with(
    stage: Stage,
    new: PluginRecord,
    equipment: Equipment,
    save: Callable[[Bound], Awaitable[None]],
    refusal: Refusal,
) -> None:
    """Put a new instance in place and save; a plugin that does not work becomes the refusal, any other error passes through."""
    old = stage.instances[new.id]
    try:
        async with replaced(stage, new, equipment) as bound:
            await save(bound)
    except (PluginFailedError, UnhealthyCandidateError) as error:
        cause = stage.launcher.blame(
            new, "The new instance does not work", error, equipment.secrets | old.equipment.secrets
        )
        outcome = await _outcome(stage, new, cause)
        raise refusal(cause, outcome) from None  # what the plugin raised may hold secrets
    except BaseException:
        await _outcome(stage, new, "The plugin was stopped for a change that could not be saved.")
        raise


async def _outcome(stage: Stage, record: PluginRecord, cause: str) -> str:
    """What runs after a failure; where nothing does, that is stored."""
    if not is_lost(stage, record):
        return OLD_RUNS
    await fail_running(stage, stage.directory.get(record.id), cause)
    return NOTHING_RUNS
