"""Gives this machine what a release needs: its artifact and its environment, from what is here and from the depot.

1. What is there is taken as it is: folders have their names only once they are whole.
2. Wheels are fetched by digest, checked, and renamed into place; the environment is built from the release's own lock, and without a
   network where every wheel of it is at hand.
3. It can be killed at any moment: what is unfinished lies in a folder of its own, which the next start empties.
"""

import asyncio
import logging
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from isp_plugins.packages.depot import Depot
from isp_plugins.packages.errors import ArtifactNowhereError
from isp_plugins.packages.gathering import gather
from isp_plugins.packages.in_thread import in_thread
from isp_plugins.packages.limits import PackageFolders
from isp_plugins.packages.moving import rename_into_place
from isp_plugins.packages.sdk_wheel import kept_sdk
from isp_plugins.packages.values import Artifact, Environment, Lock

if TYPE_CHECKING:
    from isp_plugins.packages.store import PackageStore
    from isp_plugins.packages.uv_tool import Uv

FRESH_S = 600.0
"""So long what was made because it was missing stays, whatever a sweep has read before."""
_log = logging.getLogger(__name__)
Tell = Callable[[str], None]
"""Writes a line of progress where the operator sees it."""


class Ensurer:
    """Ensures one thing once at a time, for one store."""

    def __init__(self, store: "PackageStore") -> None:
        self._store = store
        self._locks: dict[str, asyncio.Lock] = {}
        self._fresh: dict[str, float] = {}

    def fresh(self) -> frozenset[str]:
        """Digests and keys of what was made here lately because it was missing."""
        limit = time.monotonic() - FRESH_S
        self._fresh = {name: at for name, at in self._fresh.items() if at > limit}
        return frozenset(self._fresh)

    async def artifact(self, digest: str, tell: Tell) -> Artifact:
        """The artifact; `ArtifactNowhereError`, `DepotUnreachableError`, `DepotFileDamagedError`."""
        store = self._store
        async with self._alone(digest):
            if (there := store.artifact(digest)) is not None:
                return there
            tell(
                f"Its artifact {digest[:12]} is not on this machine; it is fetched from {_where(store.depot)}."
            )
            async with self._made(digest), self._workplace() as staging:
                wheel = await self._fetched(digest, staging, "The plugin's wheel")
                return await store.keep(wheel, staging)

    async def environment(self, lock: Lock, tell: Tell) -> Environment:
        """The environment; as above, and `EnvironmentFailedError`, `LockOutdatedError`."""
        store = self._store
        async with self._alone(lock.key):
            if (there := store.environment(lock.key)) is not None:
                return there
            tell(
                f"Its environment {lock.key[:12]} is not on this machine; it is built from the release's lock."
            )
            async with self._made(lock.key), self._workplace() as staging:
                await self._bring_wheels(lock, staging)
                built = await store.build_environment(lock, staging)
            tell(f"Its environment {lock.key[:12]} is built.")
            return built

    async def gather(self, uv: "Uv", lock: Lock) -> None:
        """Bring the lock's wheels that came from an index and that the depot has not, so that other nodes need no index."""
        store = self._store
        there = {stored.digest for stored in await store.depot.contents()} if store.depot else set()
        async with self._alone(lock.key), self._workplace() as staging:
            still = await gather(uv, store.folders.wheelhouse, lock, staging, frozenset(there))
        if still:
            _log.warning(
                "%d wheels of an environment could not be had as files; other nodes need the package index for it.",
                still,
            )

    async def _bring_wheels(self, lock: Lock, staging: Path) -> None:
        """Those wheels of the lock that the depot has and this machine has not; the index has the others."""
        store, folders = self._store, self._store.folders
        if kept_sdk(folders.sdk, lock.sdk_digest) is None:
            await store.pack_own_sdk()
        for digest in sorted(lock.hashes):
            place = (folders.sdk if digest == lock.sdk_digest else folders.wheelhouse) / digest
            if store.depot is None or await in_thread(place.is_dir):
                continue
            part = staging / f"wheel-{digest}"
            if await store.depot.fetch(digest, part) is not None:
                await in_thread(rename_into_place, part, place)

    async def _fetched(self, digest: str, staging: Path, what: str) -> Path:
        depot = self._store.depot
        found = await depot.fetch(digest, staging / "fetched") if depot else None
        if found is None:
            where = f"in {depot.shown}" if depot else "in a depot (ISP_PLUGINS_DEPOT)"
            raise ArtifactNowhereError(what=what, digest=digest, where=where)
        return found

    @asynccontextmanager
    async def _alone(self, name: str) -> AsyncIterator[None]:
        async with self._locks.setdefault(name, asyncio.Lock()):
            yield

    @asynccontextmanager
    async def _made(self, name: str) -> AsyncIterator[None]:
        """It is being made, and is fresh from now on."""
        self._fresh[name] = time.monotonic()
        yield
        self._fresh[name] = time.monotonic()

    @asynccontextmanager
    async def _workplace(self) -> AsyncIterator[Path]:
        folder = self._store.folders.fetching / secrets.token_hex(8)
        await in_thread(_make, folder)
        try:
            yield folder
        finally:
            await in_thread(shutil.rmtree, folder, ignore_errors=True)


def files_to_share(folders: PackageFolders, artifact: Artifact, lock: Lock) -> list[tuple[str, Path]]:
    """What other nodes need: the plugin's wheel, the SDK's, and those of the wheelhouse."""
    found = [(artifact.digest, artifact.wheel)]
    if (sdk := kept_sdk(folders.sdk, lock.sdk_digest)) is not None:
        found.append((lock.sdk_digest, sdk))
    for digest in sorted(lock.hashes):
        found += [(digest, wheel) for wheel in sorted((folders.wheelhouse / digest).glob("*.whl"))]
    return found


def _make(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True)


def _where(depot: Depot | None) -> str:
    return depot.shown if depot else "nowhere: this installation has no depot"
