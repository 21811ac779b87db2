"""The artifacts and environments on this machine: those that no release refers to go, but never under an installation.

1. What is in use is what the database says, of all nodes' plugins.
2. While something is installed nothing is dropped; what became due meanwhile is dropped when the last installation has ended.
3. A sweep that fails is done again with the next one, or at the next start.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from isp_plugins.db.engine import Database
from isp_plugins.db.errors import DatabaseUnavailableError
from isp_plugins.errors import PluginSystemError
from isp_plugins.lifecycle import releases
from isp_plugins.packages.store import PackageStore
from isp_plugins.packages.values import Freed

logger = logging.getLogger(__name__)


class Shelf:
    """Who uses which files."""

    def __init__(self, packages: PackageStore, database: Database) -> None:
        self._packages = packages
        self._database = database
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

    async def in_use(self) -> tuple[frozenset[str], frozenset[str]]:
        """Digests and environments that releases refer to; `DatabaseUnavailableError`."""
        async with self._database.reading() as session:
            return await releases.in_use(session)

    async def _sweep(self) -> Freed:
        try:
            digests, environments = await self.in_use()
        except DatabaseUnavailableError as error:
            logger.warning("Files that no plugin uses stay for now: %s", error)
            return Freed()
        return await self._packages.drop_unused(digests=digests, environments=environments)
