"""Registration: a validated draft becomes a plugin, its subscriptions, release and configuration with it, in one transaction."""

from dataclasses import replace

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from isp_plugins.actors import Actor
from isp_plugins.configuration.values import Candidate
from isp_plugins.contracts.vocabulary import RuntimeKind
from isp_plugins.lifecycle.announcements import Announcement
from isp_plugins.lifecycle.dependencies import cycle_through, required_names, shown_cycle
from isp_plugins.lifecycle.directory import PluginDirectory
from isp_plugins.lifecycle.errors import DependencyCycleError, PluginNameTakenError
from isp_plugins.lifecycle.records import PluginDraft, PluginRecord
from isp_plugins.lifecycle.releases import ReleaseDraft
from isp_plugins.lifecycle.stage import Stage

REGISTRATION = 0
"""The lock of registrations; no plugin has this id."""


async def register(stage: Stage, draft: PluginDraft, actor: Actor) -> PluginRecord:
    """Store a plugin; `PluginNameTakenError`, `DependencyCycleError`, `BindingInvalidError`, `SubscriptionExistsError`."""
    return await _store(stage, draft, actor)


async def install(
    stage: Stage, draft: PluginDraft, release: ReleaseDraft, candidate: Candidate, actor: Actor
) -> PluginRecord:
    """Store a plugin with its release and its configuration; as `register`, and `ConfigurationConflictError`."""
    in_worker = replace(draft, runtime=RuntimeKind.PROCESS)
    return await _store(stage, in_worker, actor, release, candidate)


async def _store(
    stage: Stage,
    draft: PluginDraft,
    actor: Actor,
    release: ReleaseDraft | None = None,
    candidate: Candidate | None = None,
) -> PluginRecord:
    async def also(session: AsyncSession, record: PluginRecord) -> None:
        for hook in draft.hooks:
            await stage.hook_store.create(session, record.id, hook)
        if candidate is not None:
            await stage.configuration.save(session, replace(candidate, plugin_id=record.id), actor)

    async with stage.locks.of(REGISTRATION):
        check(stage.directory, draft)
        try:
            record = await stage.ledger.register(draft, actor, also=also, release=release)
        except IntegrityError as error:
            raise PluginNameTakenError(name=draft.name, plugin_id="known to another node") from error
    stage.announcer.announce(Announcement.INSTALLED, record, actor)
    return record


def check(directory: PluginDirectory, draft: PluginDraft) -> None:
    """Refuse a name that is taken, and needs that lead in a circle."""
    if (taken := directory.find(draft.name)) is not None:
        raise PluginNameTakenError(name=draft.name, plugin_id=taken.id)
    requires = directory.requires() | {draft.name: required_names(draft.dependencies)}
    if circle := cycle_through(draft.name, requires):
        raise DependencyCycleError(cycle=shown_cycle(circle))
