"""Packages without uv: real files in the places where the real store puts them, and steps that hold or fail when the test says so.

A package here is a JSON file: `{manifest: {...}, source: "Python text", needs: ["x==1", ...]}`.
"""

import asyncio
import contextlib
import hashlib
import json
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from isp_plugin_sdk.manifest import Manifest
from isp_plugins.contracts.worker import WorkerLimits, WorkerProgram
from isp_plugins.packages.errors import ManifestInvalidError
from isp_plugins.packages.store import PackageStore
from isp_plugins.packages.values import (
    Artifact,
    Download,
    Environment,
    Freed,
    Lock,
    Source,
    Tree,
    TreeKind,
)
from isp_plugins.settings import Settings

SOURCE = """
from app.services.plugin_service import PluginInterface


class Plugin(PluginInterface):
    def initialize(self):
        return not self.config.get("refuse")

    def welcome(self, customer):
        return {"welcomed": customer.get("id"), "greeting": self.config.get("greeting")}
"""
SCHEMA = {
    "greeting": {"type": "string", "default": "hello"},
    "password": {"type": "string", "encrypted": True},
    "refuse": {"type": "boolean", "default": False},
}


def package(
    folder: Path,
    name: str = "sample",
    *,
    version: str = "1.0.0",
    needs: tuple[str, ...] = (),
    source: str = SOURCE,
    **manifest: Any,
) -> Path:
    """Write a package and give its file."""
    described = {
        "name": name,
        "version": version,
        "plugin_type": "CUSTOM",
        "entry_point": f"{name}_code:Plugin",
        "config_schema": SCHEMA,
    }
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}-{version}.whl"
    file.write_text(json.dumps({"manifest": described | manifest, "source": source, "needs": needs}))
    return file


class FilePackages(PackageStore):
    """The double; `fails` and `holds` name methods."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.data = settings.data_dir.absolute()
        self.fails: dict[str, Exception] = {}
        self.holds: set[str] = set()
        self.reached = asyncio.Event()
        self.go_on = asyncio.Event()
        self.done: list[str] = []

    @contextlib.asynccontextmanager
    async def _step(self, name: str) -> AsyncIterator[None]:
        """One step: its files are written before it holds or fails, as a kill in the middle would find them."""
        self.done.append(name)
        yield
        if name in self.holds:
            self.reached.set()
            await self.go_on.wait()
        if name in self.fails:
            raise self.fails[name]

    async def fetch(self, source: Source, staging: Path) -> Download:
        async with self._step("fetch"):
            target = staging / "download"
            await asyncio.to_thread(shutil.copyfile, source.location, target)
        digest, size = hashlib.sha256(target.read_bytes()).hexdigest(), target.stat().st_size
        origin = {
            "kind": source.kind.value,
            "location": None,
            "name": source.name,
            "sha256": digest,
            "bytes": size,
        }
        return Download(target, origin)

    async def unpack(self, download: Download, staging: Path) -> Tree:
        async with self._step("unpack"):
            (staging / "tree").mkdir()
            shutil.copyfile(download.path, staging / "tree" / "package.whl")
        return Tree(TreeKind.WHEEL, staging / "tree" / "package.whl")

    async def build(self, tree: Tree, staging: Path) -> Path:
        async with self._step("build"):
            return tree.path

    def read_manifest(self, wheel: Path) -> Manifest:
        self.done.append("read_manifest")
        if "read_manifest" in self.fails:
            raise self.fails["read_manifest"]
        try:
            return Manifest.of(json.loads(wheel.read_text())["manifest"])
        except (ValueError, KeyError, TypeError) as error:
            mistakes = [{"path": "name", "message": "line 1: is required"}]
            raise ManifestInvalidError(
                file="plugin.toml", summary="name: is required", mistakes=mistakes
            ) from error

    async def resolve(
        self, wheel: Path, manifest: Manifest, staging: Path, *, wheels: Path | None = None
    ) -> Lock:
        async with self._step("resolve"):
            needs = json.loads(wheel.read_text())["needs"]
        return Lock("\n".join(["isp-plugin-sdk==0.1.0", *needs]), "cpython-3.11", "0" * 64)

    async def build_environment(self, lock: Lock, staging: Path) -> Environment:
        target = self.data / "environments" / lock.key
        made = not target.is_dir()
        async with self._step("build_environment"):
            if made:
                (staging / "environment").mkdir()
                (staging / "environment" / "lock.txt").write_text(lock.text)
                target.parent.mkdir(parents=True, exist_ok=True)
                (staging / "environment").rename(target)
        return Environment(lock.key, target, made)

    async def keep(self, wheel: Path, staging: Path) -> Artifact:
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        async with self._step("keep"):
            described = json.loads(wheel.read_text())
            part, target = staging / "artifact", self.data / "artifacts" / digest
            if not target.is_dir():
                (part / "code").mkdir(parents=True)
                module = described["manifest"]["entry_point"].partition(":")[0]
                (part / "code" / f"{module}.py").write_text(described["source"])
                shutil.copyfile(wheel, part / "package.whl")
                target.parent.mkdir(parents=True, exist_ok=True)
                part.rename(target)
        return self.artifact(digest)

    def program(
        self, manifest: Manifest, artifact: Artifact, environment: Environment, limits: WorkerLimits
    ) -> WorkerProgram:
        argv = (sys.executable, "-m", "isp_plugin_sdk.serve", "--path", str(artifact.code))
        return WorkerProgram(
            argv=(*argv, manifest.entry_point or ""),
            folder=artifact.code,
            version=manifest.version,
            limits=limits,
        )

    def artifact(self, digest: str) -> Artifact:
        path = self.data / "artifacts" / digest
        return Artifact(digest, path, path / "package.whl", (path / "package.whl").stat().st_size)

    def environment(self, key: str) -> Environment:
        return Environment(key, self.data / "environments" / key, made=False)

    async def drop_unused(
        self,
        *,
        digests: frozenset[str],
        environments: frozenset[str],
        wheels: frozenset[str] = frozenset(),
    ) -> Freed:
        gone: dict[str, list[str]] = {"artifacts": [], "environments": []}
        for folder, used in (("artifacts", digests), ("environments", environments)):
            for path in sorted((self.data / folder).glob("*")):
                if path.name not in used:
                    shutil.rmtree(path)
                    gone[folder].append(path.name)
        return Freed(tuple(gone["artifacts"]), tuple(gone["environments"]))


def files_of(data_dir: Path) -> dict[str, list[str]]:
    """What lies in the folders that packages use, by folder."""
    return {
        folder: sorted(path.name for path in (data_dir / folder).glob("*"))
        for folder in ("staging", "artifacts", "environments")
    }
