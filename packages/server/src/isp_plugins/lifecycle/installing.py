"""Installs a plugin from its source, as an operation: `_install` reads as a paragraph, each step is one specialist's.

1. Nothing but files in staging and content-addressed folders is made before `register`, and all that `register` writes is one transaction.
2. What fails or is cancelled undoes itself: staging goes, files that no release refers to go, a plugin that could not be enabled goes again.
3. Killed before `register` it is undone at the next start, after it it is finished, and a plugin that does not start then stays, disabled:
   what it was to be configured with was written with it, and nothing of that is stored with the operation.
"""

import logging
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from isp_plugin_sdk.manifest import Manifest
from isp_plugin_sdk.sandbox.grants import Grants
from isp_plugins.actors import Actor, ActorType
from isp_plugins.configuration import ConfigChange, ConfigurationService, SetValue
from isp_plugins.configuration.schema import ConfigSchema
from isp_plugins.configuration.values import Candidate, summary_of
from isp_plugins.contracts.vocabulary import State
from isp_plugins.db.engine import Database
from isp_plugins.errors import PluginSystemError
from isp_plugins.lifecycle import consent, kept
from isp_plugins.lifecycle.directory import PluginDirectory
from isp_plugins.lifecycle.errors import (
    ConfigurationIncompleteForEnableError,
    PluginDraftInvalidError,
    PluginInstalledError,
)
from isp_plugins.lifecycle.kept import Part
from isp_plugins.lifecycle.manager import PluginManager
from isp_plugins.lifecycle.orders import InstallOrder
from isp_plugins.lifecycle.preparing import BUILDING, FETCHING, Preparer, remove, subject_of
from isp_plugins.lifecycle.records import PluginDraft, PluginRecord
from isp_plugins.lifecycle.registering import check
from isp_plugins.operations import Operation, Operations, Progress
from isp_plugins.operations.service import interrupted

INSTALL = "install"
"""The kind of these operations."""
STEPS = (*FETCHING, "configure", *BUILDING, "register", "enable")
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What was found in a package, and what is meant with it."""

    draft: PluginDraft
    candidate: Candidate
    was_kept: frozenset[Part]
    """What is kept of an earlier installation."""


class Installer:
    """Installs plugins on this node."""

    def __init__(
        self,
        *,
        manager: PluginManager,
        directory: PluginDirectory,
        preparer: Preparer,
        operations: Operations,
        configuration: ConfigurationService,
        database: Database,
    ) -> None:
        self.preparer = preparer
        """What is done with a package before anything is written."""
        self._manager = manager
        self._directory = directory
        self._operations = operations
        self._configuration = configuration
        self._database = database
        operations.recoverer(INSTALL, self._recover)

    async def begin(self, order: InstallOrder, actor: Actor) -> Operation:
        """Begin an installation; what it refuses is told by its operation."""
        try:
            return await self._operations.begin(
                INSTALL,
                order.name or subject_of(order),
                STEPS,
                lambda progress: self._install(order, actor, progress),
                actor,
                request=order.to_request(),
                after=lambda: remove(order.upload),
            )
        except BaseException:
            await remove(order.upload)
            raise

    async def _install(self, order: InstallOrder, actor: Actor, progress: Progress) -> Mapping[str, Any]:
        """Every step in its turn; on the way out, whatever happened, what is not needed any more goes."""
        preparer = self.preparer
        async with preparer.workplace(progress) as (staging, claims):
            fetched = await preparer.fetch(order, progress, staging)
            async with progress.step("manifest"):
                manifest = await preparer.manifest_of(fetched)
                draft = await self._accept(order, manifest, progress, claims)
                await preparer.ask_subscribers(manifest, fetched.wheel)
            async with progress.step("configure"):
                found = await self._configured(order, manifest, draft)
            release = await preparer.release(fetched, manifest, progress, staging)
            async with progress.step("register", interruptible=False):
                record = await self._manager.install(found.draft, release, found.candidate, actor)
            if order.auto_enable:
                await self._enable(record, found, actor, progress)
            return self._result(record.id)

    async def _accept(
        self, order: InstallOrder, manifest: Manifest, progress: Progress, claims: AsyncExitStack
    ) -> PluginDraft:
        """Refuse what was not expected, is here, or is being installed; else this installation has the name."""
        name = manifest.name
        self.preparer.expect(order, manifest, progress)
        draft = PluginDraft.of(manifest.registration())
        if (here := self._directory.find(name)) is not None:
            raise PluginInstalledError(name=name, version=here.version, plugin_id=here.id)
        check(self._directory, draft)
        grants = self.preparer.grants_of(manifest)
        consent.check(name, Grants(), grants, accepted=order.accept_grants)
        await self.preparer.claim(name, progress, claims)
        return draft

    async def _configured(self, order: InstallOrder, manifest: Manifest, draft: PluginDraft) -> _Found:
        """Hold the values that came, and those that are kept, against the schema; nothing is written."""
        async with self._database.reading() as session:
            kept_id = await kept.find(session, draft.name)
            parts = await kept.parts_of(session, kept_id) if kept_id is not None else frozenset()
        change = ConfigChange(
            set={key: SetValue(value) for key, value in order.configuration.items()},
            note=f"installation of {manifest.version}",
        )
        schema = ConfigSchema.of(draft.config_schema)
        candidate = await self._configuration.plan(kept_id or 0, schema, change)
        if order.auto_enable and candidate.incomplete:
            mistakes = [dict(mistake) for mistake in candidate.incomplete]
            raise ConfigurationIncompleteForEnableError(
                name=draft.name, summary=summary_of(mistakes), mistakes=mistakes
            )
        return _Found(draft=draft, candidate=candidate, was_kept=parts)

    async def _enable(self, record: PluginRecord, found: _Found, actor: Actor, progress: Progress) -> None:
        """Enable it; if that fails, or it is cancelled, it goes again, and what was kept before stays kept."""
        try:
            async with progress.step("enable"):
                await self._manager.enable(record.id, actor)
        except BaseException:
            await self._take_back(record, found, actor)
            raise

    async def _take_back(self, record: PluginRecord, found: _Found, actor: Actor) -> None:
        if found.was_kept and found.candidate.changed_keys and found.candidate.base_version:
            back = ConfigChange(rollback_to=found.candidate.base_version)
            try:
                await self._manager.configure(record.id, back, actor)
            except PluginSystemError as error:
                logger.warning("The kept configuration of %s stays as it was sent: %s", record.name, error)
        await self._manager.delete(record.id, actor, keep=found.was_kept)

    async def _recover(self, progress: Progress) -> Mapping[str, Any]:
        """Finish what was registered when the host was killed; of everything else the start dropped every trace."""
        operation = progress.operation
        record = self._directory.find(operation.subject)
        if record is None or record.release is None or record.release.operation_id != operation.id:
            raise interrupted(operation)
        if operation.request.get("auto_enable") and record.state is not State.ACTIVE:
            async with progress.step("enable"):
                await self._manager.enable(record.id, actor_of(operation))
        return self._result(record.id)

    def _result(self, plugin_id: int) -> dict[str, Any]:
        record = self._directory.get(plugin_id)
        release = record.release.to_dict() if record.release else {}
        return {
            "plugin_id": record.id,
            "plugin": record.name,
            "version": record.version,
            "state": record.state.value,
            "digest": release.get("digest"),
            "environment": release.get("environment"),
        }


def actor_of(operation: Operation) -> Actor:
    """Who asked for it."""
    raw = operation.actor
    return Actor(ActorType(raw["type"]), raw["id"], raw["name"], raw.get("source"))


def registration_mistakes(registration: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is wrong with what a manifest would register, beyond the manifest's own rules."""
    try:
        PluginDraft.of(registration)
    except PluginDraftInvalidError as error:
        return error.details
    return []
