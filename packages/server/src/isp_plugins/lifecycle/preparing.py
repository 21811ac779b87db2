"""What is done with a package before anything is written, for installations and upgrades: fetched, checked, built, resolved, kept.

1. Everything is made in staging, or in content-addressed folders that are renamed into place; killed, nothing of it counts.
2. One plugin is installed or upgraded once at a time; whoever comes second is refused.
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
from isp_plugins.contracts.hooks import Dispatcher
from isp_plugins.lifecycle import consent
from isp_plugins.lifecycle.errors import InstallationUnderWayError, InstallationVetoedError
from isp_plugins.lifecycle.orders import InstallOrder
from isp_plugins.lifecycle.releases import ReleaseDraft
from isp_plugins.lifecycle.shelf import Shelf
from isp_plugins.nodes.claims import Claims
from isp_plugins.operations import Progress
from isp_plugins.packages.store import PackageStore
from isp_plugins.packages.values import Download, Tree

FETCHING = ("fetch", "verify", "unpack", "manifest")
BUILDING = ("resolve", "environment")
MIB = 1024 * 1024
REMOVAL_TRIES = 100
REMOVAL_PAUSE_S = 0.1
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Fetched:
    """A package in staging."""

    download: Download
    tree: Tree
    wheel: Path


class Preparer:
    """Prepares packages on this node."""

    def __init__(
        self, *, packages: PackageStore, dispatcher: Dispatcher, shelf: Shelf, staging: Path, claims: Claims
    ) -> None:
        self._packages = packages
        self._dispatcher = dispatcher
        self._shelf = shelf
        self._staging = staging
        self._claims: dict[str, int] = {}
        """Which operation works on which plugin."""
        self._among_nodes = claims

    async def open(self) -> None:
        """Drop what a kill left behind: nothing is under way yet, so all that is staged is nobody's."""
        await asyncio.to_thread(shutil.rmtree, self._staging, ignore_errors=True)
        await self._shelf.sweep()

    def new_upload(self) -> Path:
        """A folder for a file that comes with a request; whoever made it hands it over in an order, or removes it."""
        folder = self._staging / f"upload-{secrets.token_hex(8)}"
        folder.mkdir(mode=0o700, parents=True)
        return folder

    async def drop_upload(self, folder: Path) -> None:
        """Remove the folder of a file that is not to be installed."""
        await remove(folder)

    @asynccontextmanager
    async def workplace(self, progress: Progress) -> AsyncIterator[tuple[Path, AsyncExitStack]]:
        """A staging folder, and a stack for claims; both are cleared at the end, and then what no release refers to."""
        staging = self._staging / str(progress.operation.id)
        async with AsyncExitStack() as tidy:
            tidy.push_async_callback(self._shelf.sweep_if_due)
            claims = await tidy.enter_async_context(AsyncExitStack())
            await tidy.enter_async_context(self._shelf.installing())
            tidy.push_async_callback(remove, staging)
            await asyncio.to_thread(staging.mkdir, mode=0o700, parents=True, exist_ok=True)
            try:
                yield staging, claims
            except BaseException:
                await self._shelf.sweep()  # becomes due: this installation still counts
                raise

    async def fetch(self, order: InstallOrder, progress: Progress, staging: Path) -> Fetched:
        """The steps up to a wheel."""
        packages = self._packages
        async with progress.step("fetch"):
            progress.detail(subject_of(order))
            download = await packages.fetch(order.source, staging)
        async with progress.step("verify"):
            order.check_digest(download.origin.get("sha256"))
            progress.detail(_verified(download))
        async with progress.step("unpack"):
            tree = await packages.unpack(download, staging)
            wheel = await packages.build(tree, staging)
        return Fetched(download, tree, wheel)

    async def manifest_of(self, fetched: Fetched) -> Manifest:
        """What the package says of itself."""
        return await asyncio.to_thread(self._packages.read_manifest, fetched.wheel)

    def expect(self, order: InstallOrder, manifest: Manifest, progress: Progress) -> None:
        """Refuse another plugin or version than was asked for, and tell what it is."""
        order.check_manifest(manifest.name, manifest.version)
        progress.about(manifest.name)
        progress.detail(f"{manifest.name} {manifest.version}")

    async def claim(self, name: str, progress: Progress, claims: AsyncExitStack) -> None:
        """Nobody else, on any node, installs or upgrades the plugin meanwhile; `InstallationUnderWayError`, `ClaimedElsewhereError`."""
        if (other := self._claims.setdefault(name, progress.operation.id)) != progress.operation.id:
            raise InstallationUnderWayError(name=name, operation=other)
        claims.callback(self._claims.pop, name, None)
        await claims.enter_async_context(self._among_nodes.hold(name))

    async def release(
        self, fetched: Fetched, manifest: Manifest, progress: Progress, staging: Path
    ) -> ReleaseDraft:
        """The steps from a wheel to what can be run."""
        packages = self._packages
        async with progress.step("resolve"):
            lock = await packages.resolve(fetched.wheel, manifest, staging, wheels=fetched.tree.wheels)
            progress.detail(_counted(len(lock.requirements)))
        async with progress.step("environment"):
            environment = await packages.build_environment(lock, staging)
            artifact = await packages.keep(fetched.wheel, staging)
            shared = await packages.share(artifact, lock)
            progress.detail("made" if environment.made else "shared with an equal lock")
        return ReleaseDraft(
            version=manifest.version,
            digest=artifact.digest,
            environment=environment.key,
            lock=lock.to_dict(),
            manifest=manifest.to_dict(),
            source=fetched.download.origin,
            operation_id=progress.operation.id,
            shared=shared,
        )

    def grants_of(self, manifest: Manifest) -> Grants:
        """What it asks for, if that can be given at all; the sandbox itself is made anew at each start."""
        data_dir = self._staging.parent
        return consent.grantable(manifest.name, manifest.to_dict(), data_dir)

    async def ask_subscribers(self, manifest: Manifest, wheel: Path) -> None:
        """Let subscribers of `plugin_before_install` veto; one that fails vetoes, too."""
        digest = await asyncio.to_thread(_sha256, wheel)
        payload = {"manifest": manifest.to_dict(), "digest": f"sha256:{digest}", "signature": None}
        result = await self._dispatcher.dispatch("plugin_before_install", payload, internal=True)
        if result.status != "completed":
            told = result.to_dict()
            reason = told["reason"] or _why_stopped(told)
            raise InstallationVetoedError(name=manifest.name, reason=reason.rstrip("."))


def subject_of(order: InstallOrder) -> str:
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


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


async def remove(folder: Path | None) -> None:
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
