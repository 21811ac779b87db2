"""Installs a plugin from its source, as an operation: `_install` reads as a paragraph, each step is one specialist's.

1. Nothing but files in staging and content-addressed folders is made before `register`, and all that `register` writes is one transaction.
2. What fails or is cancelled undoes itself: staging goes, files that no release refers to go, a plugin that could not be enabled goes again.
3. Killed before `register` it is undone at the next start, after it it is finished, and a plugin that does not start then stays, disabled:
   what it was to be configured with was written with it, and nothing of that is stored with the operation.
4. One plugin is installed once at a time; whoever comes second is refused.
"""

import asyncio
import hashlib
import logging
import secrets
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isp_plugin_sdk.manifest import Manifest
from isp_plugin_sdk.sandbox.grants import Grants
from isp_plugins.actors import Actor, ActorType
from isp_plugins.configuration import ConfigChange, ConfigurationService, SetValue
from isp_plugins.configuration.schema import ConfigSchema
from isp_plugins.configuration.values import Candidate, summary_of
from isp_plugins.contracts.hooks import Dispatcher
from isp_plugins.contracts.vocabulary import State
from isp_plugins.db.engine import Database
from isp_plugins.errors import PluginSystemError
from isp_plugins.lifecycle import consent, kept
from isp_plugins.lifecycle.directory import PluginDirectory
from isp_plugins.lifecycle.errors import (
    ConfigurationIncompleteForEnableError,
    InstallationUnderWayError,
    InstallationVetoedError,
    PluginDraftInvalidError,
    PluginInstalledError,
)
from isp_plugins.lifecycle.kept import Part
from isp_plugins.lifecycle.manager import PluginManager
from isp_plugins.lifecycle.orders import InstallOrder
from isp_plugins.lifecycle.records import PluginDraft, PluginRecord
from isp_plugins.lifecycle.registering import check
from isp_plugins.lifecycle.releases import ReleaseDraft
from isp_plugins.lifecycle.shelf import Shelf
from isp_plugins.operations import Operation, Operations, Progress
from isp_plugins.operations.service import interrupted
from isp_plugins.packages.store import PackageStore
from isp_plugins.packages.values import Download

INSTALL = "install"
"""The kind of these operations."""
STEPS = (
    "fetch",
    "verify",
    "unpack",
    "manifest",
    "configure",
    "resolve",
    "environment",
    "register",
    "enable",
)
MIB = 1024 * 1024
REMOVAL_TRIES = 100
REMOVAL_PAUSE_S = 0.1
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
        packages: PackageStore,
        operations: Operations,
        configuration: ConfigurationService,
        dispatcher: Dispatcher,
        database: Database,
        shelf: Shelf,
        staging: Path,
    ) -> None:
        self._manager = manager
        self._directory = directory
        self._packages = packages
        self._operations = operations
        self._configuration = configuration
        self._dispatcher = dispatcher
        self._database = database
        self._shelf = shelf
        self._staging = staging
        self._claims: dict[str, int] = {}
        """Which operation installs which plugin."""
        operations.recoverer(INSTALL, self._recover)

    async def open(self) -> None:
        """Drop what a kill left behind: no installation is under way yet, so all that is staged is nobody's."""
        await asyncio.to_thread(shutil.rmtree, self._staging, ignore_errors=True)
        await self._shelf.sweep()

    def new_upload(self) -> Path:
        """A folder for a file that comes with a request; whoever made it hands it over in an order, or removes it."""
        folder = self._staging / f"upload-{secrets.token_hex(8)}"
        folder.mkdir(mode=0o700, parents=True)
        return folder

    async def drop_upload(self, folder: Path) -> None:
        """Remove the folder of a file that is not to be installed."""
        await _remove(folder)

    async def begin(self, order: InstallOrder, actor: Actor) -> Operation:
        """Begin an installation; what it refuses is told by its operation."""
        try:
            return await self._operations.begin(
                INSTALL,
                order.name or _subject(order),
                STEPS,
                lambda progress: self._install(order, actor, progress),
                actor,
                request=order.to_request(),
                after=lambda: _remove(order.upload),
            )
        except BaseException:
            await _remove(order.upload)
            raise

    async def _install(self, order: InstallOrder, actor: Actor, progress: Progress) -> Mapping[str, Any]:
        """Every step in its turn; on the way out, whatever happened, what is not needed any more goes."""
        packages = self._packages
        async with self._workplace(progress) as (staging, claims):
            async with progress.step("fetch"):
                progress.detail(_subject(order))
                download = await packages.fetch(order.source, staging)
            async with progress.step("verify"):
                order.check_digest(download.origin.get("sha256"))
                progress.detail(_verified(download))
            async with progress.step("unpack"):
                tree = await packages.unpack(download, staging)
                wheel = await packages.build(tree, staging)
            async with progress.step("manifest"):
                manifest = await asyncio.to_thread(packages.read_manifest, wheel)
                draft = self._accept(order, manifest, progress, claims)
                await self._ask_subscribers(manifest, wheel)
            async with progress.step("configure"):
                found = await self._configured(order, manifest, draft)
            async with progress.step("resolve"):
                lock = await packages.resolve(wheel, manifest, staging, wheels=tree.wheels)
                progress.detail(_counted(len(lock.requirements)))
            async with progress.step("environment"):
                environment = await packages.build_environment(lock, staging)
                artifact = await packages.keep(wheel, staging)
                progress.detail("made" if environment.made else "shared with an equal lock")
            release = ReleaseDraft(
                version=manifest.version,
                digest=artifact.digest,
                environment=environment.key,
                lock=lock.to_dict(),
                manifest=manifest.to_dict(),
                source=download.origin,
                operation_id=progress.operation.id,
            )
            async with progress.step("register", interruptible=False):
                record = await self._manager.install(found.draft, release, found.candidate, actor)
            if order.auto_enable:
                await self._enable(record, found, actor, progress)
            return self._result(record.id)

    @asynccontextmanager
    async def _workplace(self, progress: Progress) -> AsyncIterator[tuple[Path, AsyncExitStack]]:
        """A staging folder, and a stack for claims; both are cleared at the end, and then what no release refers to."""
        staging = self._staging / str(progress.operation.id)
        async with AsyncExitStack() as tidy:
            tidy.push_async_callback(self._shelf.sweep_if_due)
            claims = await tidy.enter_async_context(AsyncExitStack())
            await tidy.enter_async_context(self._shelf.installing())
            tidy.push_async_callback(_remove, staging)
            await asyncio.to_thread(staging.mkdir, mode=0o700, parents=True, exist_ok=True)
            try:
                yield staging, claims
            except BaseException:
                await self._shelf.sweep()  # becomes due: this installation still counts
                raise

    def _accept(
        self, order: InstallOrder, manifest: Manifest, progress: Progress, claims: AsyncExitStack
    ) -> PluginDraft:
        """Refuse what was not expected, is here, or is being installed; else this installation has the name."""
        name = manifest.name
        order.check_manifest(name, manifest.version)
        progress.about(name)
        progress.detail(f"{name} {manifest.version}")
        draft = PluginDraft.of(manifest.registration())
        if (here := self._directory.find(name)) is not None:
            raise PluginInstalledError(name=name, version=here.version, plugin_id=here.id)
        check(self._directory, draft)
        grants = self._grants_of(manifest)
        consent.check(name, Grants(), grants, accepted=order.accept_grants)
        if (other := self._claims.setdefault(name, progress.operation.id)) != progress.operation.id:
            raise InstallationUnderWayError(name=name, operation=other)
        claims.callback(self._claims.pop, name, None)
        return draft

    def _grants_of(self, manifest: Manifest) -> Grants:
        """What it asks for, if that can be given at all; the sandbox itself is made anew at each start."""
        data_dir = self._staging.parent
        return consent.grantable(manifest.name, manifest.to_dict(), data_dir)

    async def _ask_subscribers(self, manifest: Manifest, wheel: Path) -> None:
        """Let subscribers of `plugin_before_install` veto; one that fails vetoes, too."""
        digest = await asyncio.to_thread(_sha256, wheel)
        payload = {"manifest": manifest.to_dict(), "digest": f"sha256:{digest}", "signature": None}
        result = await self._dispatcher.dispatch("plugin_before_install", payload, internal=True)
        if result.status != "completed":
            told = result.to_dict()
            reason = told["reason"] or _why_stopped(told)
            raise InstallationVetoedError(name=manifest.name, reason=reason.rstrip("."))

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
                await self._manager.enable(record.id, _actor(operation))
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


def _subject(order: InstallOrder) -> str:
    """What an installation is about until the manifest is read."""
    return str(order.to_request()["source_location"])[-200:]


def _verified(download: Download) -> str:
    """What is known of a download, in a few words."""
    origin = download.origin
    told = [
        f"sha256 {origin['sha256']}" if origin.get("sha256") else "",
        f"commit {origin['commit']}" if origin.get("commit") else "",
        _size(origin["bytes"]) if origin.get("bytes") else "",
    ]
    return ", ".join(part for part in told if part)


def _size(count: int) -> str:
    return f"{count / MIB:.1f} MiB" if count >= MIB else f"{-(-count // 1024)} KiB"


def _counted(distributions: int) -> str:
    """How many are locked, the SDK among them."""
    return f"{distributions} distribution{'' if distributions == 1 else 's'} locked"


def _why_stopped(result: Mapping[str, Any]) -> str:
    """Which subscription did not let a dispatch come to its end."""
    for one in result["subscriptions"]:
        if one["error"] is not None:
            return f"plugin {one['plugin']} could not look at it ({one['error']['message']})"
    return f"its subscribers did not answer in time ({result['status']})"


def _actor(operation: Operation) -> Actor:
    raw = operation.actor
    return Actor(ActorType(raw["type"]), raw["id"], raw["name"], raw.get("source"))


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


async def _remove(folder: Path | None) -> None:
    """Delete a folder, whatever is in it; what cannot be deleted goes at the next start."""
    if folder is None:
        return
    for _ in range(REMOVAL_TRIES):
        if await asyncio.to_thread(_gone, folder):
            return
        await asyncio.sleep(REMOVAL_PAUSE_S)  # a thread whose work was given up may still write
    logger.warning("The folder %s could not be deleted; it goes at the next start", folder)


def _gone(folder: Path) -> bool:
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


def registration_mistakes(registration: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is wrong with what a manifest would register, beyond the manifest's own rules."""
    try:
        PluginDraft.of(registration)
    except PluginDraftInvalidError as error:
        return error.details
    return []
