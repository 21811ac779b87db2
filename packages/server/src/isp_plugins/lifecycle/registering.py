"""Registration: a validated draft becomes a plugin, its subscriptions with it, in one transaction."""

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from isp_plugins.actors import Actor
from isp_plugins.lifecycle.announcements import Announcement
from isp_plugins.lifecycle.dependencies import cycle_through, required_names, shown_cycle
from isp_plugins.lifecycle.errors import DependencyCycleError, PluginNameTakenError
from isp_plugins.lifecycle.records import PluginDraft, PluginRecord
from isp_plugins.lifecycle.stage import Stage

REGISTRATION = 0
"""The lock of registrations; no plugin has this id."""


async def register(stage: Stage, draft: PluginDraft, actor: Actor) -> PluginRecord:
    """Store a plugin; `PluginNameTakenError`, `DependencyCycleError`, `BindingInvalidError`, `SubscriptionExistsError`."""

    async def subscribe(session: AsyncSession, record: PluginRecord) -> None:
        for hook in draft.hooks:
            await stage.hook_store.create(session, record.id, hook)

    async with stage.locks.of(REGISTRATION):
        _check(stage, draft)
        try:
            record = await stage.ledger.register(draft, actor, also=subscribe)
        except IntegrityError as error:
            raise PluginNameTakenError(name=draft.name, plugin_id="known to another node") from error
    stage.announcer.announce(Announcement.INSTALLED, record, actor)
    return record


def _check(stage: Stage, draft: PluginDraft) -> None:
    if (taken := stage.directory.find(draft.name)) is not None:
        raise PluginNameTakenError(name=draft.name, plugin_id=taken.id)
    requires = stage.directory.requires() | {draft.name: required_names(draft.dependencies)}
    if circle := cycle_through(draft.name, requires):
        raise DependencyCycleError(cycle=shown_cycle(circle))
