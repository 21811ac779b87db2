"""Upgrades an installed plugin, and returns it to a kept release, as operations.

1. Everything before `switch` is staging: killed there, the old version is whole. All that `switch` writes is one transaction.
2. What may run without a trace runs first: the migrated configuration is known, and held against the new schema, before anything starts.
3. Killed after the transaction, the next start finds the new version whole and calls the operation a success.
4. A dry run ends before `switch`, tells what would change, and leaves nothing.
"""

import logging
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from packaging.version import InvalidVersion, Version

from isp_plugin_sdk.manifest import Manifest
from isp_plugin_sdk.sandbox.grants import Grants
from isp_plugins.actors import Actor
from isp_plugins.clock import Clock
from isp_plugins.contracts.grants import GrantsDifference, grants_difference
from isp_plugins.db.engine import Database
from isp_plugins.errors import PluginSystemError
from isp_plugins.lifecycle import consent, passages, releases
from isp_plugins.lifecycle.directory import PluginDirectory
from isp_plugins.lifecycle.errors import (
    InstallationMissingError,
    LowerVersionError,
    NotInstalledError,
    PackageNameMismatchError,
    ReleaseNotKeptError,
    SameVersionError,
)
from isp_plugins.lifecycle.launching import cause_of
from isp_plugins.lifecycle.manager import PluginManager
from isp_plugins.lifecycle.migrating import Migration
from isp_plugins.lifecycle.orders import InstallOrder
from isp_plugins.lifecycle.passages import Passage
from isp_plugins.lifecycle.preparing import BUILDING, FETCHING, Preparer, remove
from isp_plugins.lifecycle.records import PluginDraft, PluginRecord
from isp_plugins.lifecycle.releases import Release
from isp_plugins.lifecycle.shelf import Shelf
from isp_plugins.lifecycle.switching import Return, Upgrade, described
from isp_plugins.operations import Operation, Operations, Progress
from isp_plugins.operations.service import interrupted
from isp_plugins.packages.store import PackageStore
from isp_plugins.packages.values import Lock

UPGRADE = "upgrade"
ROLLBACK = "rollback"
UPGRADE_STEPS = (*FETCHING, *BUILDING, "migrate", "switch")
ROLLBACK_STEPS = ("find", "switch")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpgradeOrder:
    """An upgrade as it was asked for."""

    plugin_id: int
    package: InstallOrder
    dry_run: bool = False
    allow_downgrade: bool = False

    def to_request(self) -> dict[str, Any]:
        """What is stored and shown of it."""
        more = {"dry_run": self.dry_run, "allow_downgrade": self.allow_downgrade}
        return self.package.to_request() | {"plugin_id": self.plugin_id} | more


class Upgrader:
    """Upgrades and returns plugins on this node."""

    def __init__(
        self,
        *,
        manager: PluginManager,
        directory: PluginDirectory,
        preparer: Preparer,
        packages: PackageStore,
        operations: Operations,
        database: Database,
        shelf: Shelf,
        clock: Clock,
    ) -> None:
        self._manager = manager
        self._directory = directory
        self._preparer = preparer
        self._packages = packages
        self._operations = operations
        self._database = database
        self._shelf = shelf
        self._clock = clock
        operations.recoverer(UPGRADE, self._recover_upgrade)
        operations.recoverer(ROLLBACK, self._recover_rollback)

    async def begin(self, order: UpgradeOrder, actor: Actor) -> Operation:
        """Begin an upgrade; `NotInstalledError`. What else it refuses is told by its operation."""
        try:
            record = self._installed(order.plugin_id)
            return await self._operations.begin(
                UPGRADE,
                record.name,
                UPGRADE_STEPS,
                lambda progress: self._upgrade(order, actor, progress),
                actor,
                request=order.to_request(),
                after=lambda: remove(order.package.upload),
            )
        except BaseException:
            await remove(order.package.upload)
            raise

    async def begin_rollback(
        self, plugin_id: int, actor: Actor, *, to: str | int | None = None, why: str | None = None
    ) -> Operation:
        """Begin the return to a kept release, by its version or id; `NotInstalledError`, `ReleaseNotKeptError`.

        Where none is named, it is the older one that the present took over from, or the last that was installed before it.
        """
        record = self._installed(plugin_id)
        release, _ = await self._kept(record, to)
        request = {
            "plugin_id": plugin_id,
            "from": record.version,
            "to": release.version,
            "release": release.id,
            "cause": why,
        }
        return await self._operations.begin(
            ROLLBACK,
            record.name,
            ROLLBACK_STEPS,
            lambda progress: self._roll_back(plugin_id, release.id, why, actor, progress),
            actor,
            request=request,
        )

    async def roll_back_now(self, plugin_id: int, actor: Actor, *, to: str | None = None) -> dict[str, Any]:
        """The same at once and without an operation, for a host that does not run; errors of `Takeovers.take_back`."""
        record = self._installed(plugin_id)
        release, passage = await self._kept(record, to)
        await self._require_files(record, release)
        after = await self._manager.releases.take_back(
            plugin_id, Return(release=release, passage=passage), actor
        )
        return self._result(record, after)

    async def releases(self, plugin_id: int) -> list[dict[str, Any]]:
        """What is kept of a plugin, the newest first; which of it is its own now, and which it can return to."""
        record = self._directory.get(plugin_id)
        async with self._database.reading() as session:
            kept = await releases.of_plugin(session, plugin_id)
            left = await passages.of_plugin(session, plugin_id)
        current = record.release.id if record.release else None
        watched = {one.successor_id: one.watch_until for one in left.values() if one.watch_until}
        return [
            one.to_dict()
            | {
                "is_current": one.id == current,
                "left_at": left[one.id].created_at if one.id in left and one.id != current else None,
                "left_because": left[one.id].why if one.id in left and one.id != current else None,
                "watched_until": watched.get(one.id) if one.id == current else None,
            }
            for one in kept
        ]

    async def _upgrade(self, order: UpgradeOrder, actor: Actor, progress: Progress) -> Mapping[str, Any]:
        """Every step in its turn; on the way out what is not needed any more goes."""
        preparer, package = self._preparer, order.package
        async with preparer.workplace(progress) as (staging, claims):
            fetched = await preparer.fetch(package, progress, staging)
            async with progress.step("manifest"):
                manifest = await preparer.manifest_of(fetched)
                before, difference = await self._accept(order, manifest, progress, claims)
                await preparer.ask_subscribers(manifest, fetched.wheel)
            release = await preparer.release(fetched, manifest, progress, staging)
            async with progress.step("migrate"):
                draft = PluginDraft.of(manifest.registration())
                after = described(before, draft, release.provisional(self._clock.now(), actor.name))
                migration = await self._manager.releases.migrated(before, after, package.configuration)
                progress.detail(_counted(migration))
            if order.dry_run:
                await self._shelf.sweep()  # becomes due, and is done at the end
                return _preview(before, after, migration, difference)
            wanted = Upgrade(
                after=after,
                draft=draft,
                release=release,
                candidate=migration.candidate,
                details={"grants": Grants.of_manifest(release.manifest).to_table()},
            )
            async with progress.step("switch", interruptible=False):
                switched = await self._manager.releases.upgrade(before.id, wanted, actor)
            await self._shelf.sweep()
            return self._result(before, switched) | {"configuration": list(migration.changes)}

    async def _accept(
        self, order: UpgradeOrder, manifest: Manifest, progress: Progress, claims: AsyncExitStack
    ) -> tuple[PluginRecord, GrantsDifference]:
        """Refuse another plugin, the same or a lower version, and grants that nobody accepted."""
        before, package = self._installed(order.plugin_id), order.package
        if manifest.name != before.name:
            raise PackageNameMismatchError(found=manifest.name, expected=before.name)
        self._preparer.expect(package, manifest, progress)
        await self._preparer.claim(before.name, progress, claims)
        before = await self._as_stored(order.plugin_id)
        _require_other(before, manifest.version, lower=order.allow_downgrade)
        old, new = Grants.of_manifest(_release(before).manifest), self._preparer.grants_of(manifest)
        if not order.dry_run:
            consent.check(before.name, old, new, accepted=package.accept_grants)
        return before, grants_difference(old, new)

    async def _roll_back(
        self, plugin_id: int, release_id: int, why: str | None, actor: Actor, progress: Progress
    ) -> Mapping[str, Any]:
        async with AsyncExitStack() as claims:
            before = self._installed(plugin_id)
            async with progress.step("find"):
                await self._preparer.claim(before.name, progress, claims)
                before = await self._as_stored(plugin_id)
                release, passage = await self._kept(before, release_id)
                await self._require_files(before, release)
                progress.detail(f"{before.name} {release.version}")
            async with progress.step("switch", interruptible=False):
                wanted = Return(release=release, passage=passage, why=why)
                after = await self._manager.releases.take_back(plugin_id, wanted, actor)
        await self._shelf.sweep()
        return self._result(before, after) | ({"cause": why} if why else {})

    async def _kept(self, record: PluginRecord, wanted: str | int | None) -> tuple[Release, Passage]:
        """A release that the plugin can return to; `ReleaseNotKeptError`."""
        current = _release(record).id
        async with self._database.reading() as session:
            kept = await releases.of_plugin(session, record.id)
            left = await passages.of_plugin(session, record.id)
        choices = [one for one in kept if one.id != current and one.id in left]
        fitting = [one for one in choices if _fits(one, wanted, current)]
        if wanted is None:
            fitting.sort(key=lambda one: left[one.id].successor_id == current, reverse=True)
        if not fitting:
            raise ReleaseNotKeptError(
                wanted="An earlier release" if wanted is None else f"Version {wanted}",
                name=record.name,
                kept=", ".join(one.version for one in choices) or "none",
            )
        return fitting[0], left[fitting[0].id]

    async def _require_files(self, record: PluginRecord, release: Release) -> None:
        """Its artifact and environment are on this machine, brought here if need be; `InstallationMissingError`."""
        try:
            await self._packages.ensure(release.digest, Lock.of(release.lock), logger.info)
        except (PluginSystemError, OSError) as error:
            name = f"{record.name} {release.version}"
            raise InstallationMissingError(name=name, cause=cause_of(error)) from error

    async def _as_stored(self, plugin_id: int) -> PluginRecord:
        """The plugin after whatever another node made of it until now; `NotInstalledError`."""
        await self._manager.convergence.catch_up(plugin_id)
        return self._installed(plugin_id)

    def _installed(self, plugin_id: int) -> PluginRecord:
        record = self._directory.get(plugin_id)
        if record.release is None:
            raise NotInstalledError(name=record.name)
        return record

    async def _recover_upgrade(self, progress: Progress) -> Mapping[str, Any]:
        """What was switched before the host was killed is done; of everything else the start dropped every trace."""
        operation = progress.operation
        record = self._directory.find(operation.subject)
        if record is None or record.release is None or record.release.operation_id != operation.id:
            raise interrupted(operation)
        return self._result(None, record)

    async def _recover_rollback(self, progress: Progress) -> Mapping[str, Any]:
        """The same, by the release that it was to return to."""
        operation = progress.operation
        record = self._directory.find(operation.subject)
        if record is None or record.release is None or record.release.id != operation.request.get("release"):
            raise interrupted(operation)
        return self._result(None, record)

    def _result(self, before: PluginRecord | None, after: PluginRecord) -> dict[str, Any]:
        return {
            "plugin_id": after.id,
            "plugin": after.name,
            "from": before.version if before else None,
            "version": after.version,
            "state": self._directory.get(after.id).state.value,
            "digest": f"sha256:{_release(after).digest}",
        }


def _release(record: PluginRecord) -> Release:
    assert record.release is not None  # noqa: S101  looked at by `_installed`
    return record.release


def _require_other(before: PluginRecord, found: str, *, lower: bool) -> None:
    """`SameVersionError`, `LowerVersionError`."""
    if found == before.version:
        raise SameVersionError(name=before.name, version=found)
    if not lower and _is_lower(found, before.version):
        raise LowerVersionError(name=before.name, found=found, version=before.version)


def _is_lower(one: str, other: str) -> bool:
    try:
        return Version(one) < Version(other)
    except InvalidVersion:
        return False


def _fits(one: Release, wanted: str | int | None, current: int) -> bool:
    if wanted is None:
        return one.id < current
    return wanted in {one.version, one.id}


def _counted(migration: Migration) -> str:
    asked = "by the plugin's own migrate" if migration.asked else "no migrate of its own"
    return f"{len(migration.changes)} values change, {asked}"


def _preview(
    before: PluginRecord, after: PluginRecord, migration: Migration, difference: GrantsDifference
) -> dict[str, Any]:
    return {
        "dry_run": True,
        "plugin_id": before.id,
        "plugin": before.name,
        "from": before.version,
        "version": after.version,
        "migrates": migration.asked,
        "configuration": list(migration.changes),
        "missing": _mistakes(migration.candidate.incomplete),
        "grants": {
            "more": [str(line) for line in difference.more],
            "less": [str(line) for line in difference.less],
            "needs_consent": difference.needs_consent,
        },
    }


def _mistakes(found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{"path": one["path"], "message": one["message"]} for one in found]
