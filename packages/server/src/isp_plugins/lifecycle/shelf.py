"""The artifacts and environments on this machine and in the depot: those that no release refers to go, but never under an installation.

1. What is in use is what the database says, of all nodes' plugins, and what this node still runs; the depot drops nothing that another
   node is about to refer to (`packages.depot.rows`).
2. While something is installed nothing is dropped; what became due meanwhile is dropped when the last installation has ended.
3. A sweep that fails is done again with the next one, or at the next start.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncSession

from isp_plugins.db.engine import Database
from isp_plugins.db.errors import DatabaseUnavailableError
from isp_plugins.errors import PluginSystemError
from isp_plugins.lifecycle import releases
from isp_plugins.lifecycle.directory import PluginDirectory
from isp_plugins.lifecycle.releases import InUse
from isp_plugins.packages.store import PackageStore
from isp_plugins.packages.values import Freed, Lock

logger = logging.getLogger(__name__)


class Shelf:
    """Who uses which files."""

    def __init__(self, packages: PackageStore, database: Database, directory: PluginDirectory) -> None:
        self._packages = packages
        self._database = database
        self._directory = directory
        self._installing = 0
        self._is_due = False
        self._sweeping = asyncio.Lock()

    @asynccontextmanager
    async def installing(self) -> AsyncIterator[None]:
        """Nothing is dropped meanwhile."""
        async with self._sweeping:  # a sweep that has looked already must end first
            self._installing += 1
        try:
            yield
        finally:
            self._installing -= 1

    async def sweep(self) -> Freed:
        """Drop what nobody uses, now or when nothing is installed any more."""
        async with self._sweeping:
            self._is_due = self._installing > 0
            if self._is_due:
                return Freed()
            try:
                return await self._sweep()
            except (OSError, PluginSystemError):
                logger.exception("Files that no plugin uses stay until the next sweep")
                return Freed()

    async def sweep_if_due(self) -> None:
        """Do what had to wait."""
        if self._is_due:
            await self.sweep()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[bool]:
        """Whether nothing is being installed; if so, no installation begins meanwhile."""
        async with self._sweeping:
            yield self._installing == 0

    async def in_use(self) -> InUse:
        """What releases refer to, and what this node runs; `DatabaseUnavailableError`."""
        async with self._database.reading() as session:
            stored = await releases.in_use(session)
        here = [record.release for record in self._directory if record.release is not None]
        return InUse(
            stored.digests | {release.digest for release in here},
            stored.environments | {release.environment for release in here},
            stored.wheels.union(*(Lock.of(release.lock).hashes for release in here)),
            stored.distributions.union(*(Lock.of(release.lock).names for release in here)),
        )

    async def _sweep(self) -> Freed:
        try:
            used = await self.in_use()
        except DatabaseUnavailableError as error:
            logger.warning("Files that no plugin uses stay for now: %s", error)
            return Freed()
        freed = await self._packages.drop_unused(
            digests=used.digests, environments=used.environments, wheels=used.wheels
        )
        if self._packages.depot is not None:
            await self._packages.depot.sweep(_needed)
        return freed


async def _needed(session: AsyncSession) -> frozenset[str]:
    """Digests that the depot is to keep."""
    used = await releases.in_use(session)
    return used.digests | used.wheels
