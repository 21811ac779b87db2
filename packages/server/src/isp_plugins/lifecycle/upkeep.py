"""Keeps this machine's packages small, and the depot complete: every hour, when nothing is installed, and when an operator asks.

1. What releases need is never pruned (`packages.pruning`).
2. What this machine has of a release and the depot has not is put there: after a change of `ISP_PLUGINS_DEPOT`, or a restore.
"""

import logging

from isp_plugins.actors import Actor
from isp_plugins.audit import AuditLog, AuditTag
from isp_plugins.db.engine import Database
from isp_plugins.errors import ConflictError, PluginSystemError
from isp_plugins.lifecycle import releases
from isp_plugins.lifecycle.shelf import Shelf
from isp_plugins.packages.pruning import Prunable, Usage
from isp_plugins.packages.store import PackageStore
from isp_plugins.packages.values import Lock
from isp_plugins.periodic import Periodic

PAUSE_S = 3600.0
logger = logging.getLogger(__name__)


class InstallationsUnderWayError(ConflictError):
    """Something is being installed, and what it has made is not to be pruned. Wait until it has ended: isp-plugins operations list --state running."""


class Upkeep:
    """Runs every hour."""

    def __init__(
        self,
        packages: PackageStore,
        shelf: Shelf,
        database: Database,
        audit: AuditLog,
        *,
        pause_s: float = PAUSE_S,
    ) -> None:
        self._packages = packages
        self._shelf = shelf
        self._database = database
        self._audit = audit
        self._periodic = Periodic(self.run, pause_s, name="upkeep of packages")

    def open(self) -> None:
        """Begin, with a pause."""
        self._periodic.start()

    async def close(self) -> None:
        """End, after the work under way."""
        await self._periodic.stop()

    async def run(self) -> None:
        """Prune if nothing is installed, and complete the depot."""
        async with self._shelf.alone() as is_alone:
            if is_alone:
                await self._packages.pruner.prune(await self._plan())
        await self.complete_depot()

    async def plan(self) -> tuple[Prunable, ...]:
        """What would be pruned now; `DatabaseUnavailableError`."""
        return await self._plan()

    async def prune(self, actor: Actor) -> tuple[Prunable, ...]:
        """Prune now; what went. `InstallationsUnderWayError`."""
        async with self._shelf.alone() as is_alone:
            if not is_alone:
                raise InstallationsUnderWayError
            plan = await self._plan()
            await self._packages.pruner.prune(plan)
        details = {"pruned": len(plan), "bytes": sum(one.bytes for one in plan)}
        await self._audit.record_alone(
            AuditTag.PACKAGES_PRUNED, actor, subject=("system", "packages"), details=details
        )
        return plan

    async def usage(self) -> tuple[Usage, ...]:
        """How much lies where on this machine, and in the depot."""
        here = await self._packages.pruner.usage()
        if self._packages.depot is None:
            return here
        stored = await self._packages.depot.contents()
        return (*here, Usage("depot", sum(one.bytes for one in stored)))

    async def complete_depot(self) -> int:
        """Put into the depot what it lacks of releases that are here; how many releases. What cannot be put now is put later."""
        depot = self._packages.depot
        if depot is None:
            return 0
        there = {one.digest for one in await depot.contents()}
        async with self._database.reading() as session:
            known = await releases.everything(session)
        count = 0
        for release in known:
            artifact = self._packages.artifact(release.digest)
            if artifact is None or release.digest in there:
                continue
            try:
                await self._packages.share(artifact, Lock.of(release.lock))
            except PluginSystemError as error:
                logger.warning("The depot lacks %s until it can be put there: %s", release.digest, error)
                return count
            count += 1
        return count

    async def _plan(self) -> tuple[Prunable, ...]:
        used = await self._shelf.in_use()
        return await self._packages.plan_pruning(names=used.distributions, wheels=used.wheels)
