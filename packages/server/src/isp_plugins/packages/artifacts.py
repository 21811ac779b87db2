"""Keeps a wheel under its SHA-256, and beside it the same unpacked, ready to be imported."""

import hashlib
import shutil
import sys
from pathlib import Path

from isp_plugins.packages.errors import EnvironmentFailedError
from isp_plugins.packages.limits import PackageFolders
from isp_plugins.packages.moving import rename_into_place
from isp_plugins.packages.refusals import in_words, refuse_full_disk
from isp_plugins.packages.uv_tool import Uv
from isp_plugins.packages.values import Artifact


async def keep(uv: Uv, folders: PackageFolders, wheel: Path, staging: Path) -> Artifact:
    """The artifact; made in staging and renamed into place. `EnvironmentFailedError` where the wheel does not fit this machine."""
    with wheel.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    target = folders.artifacts / digest
    if not target.is_dir():
        made = staging / "artifact"
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir()
        shutil.copyfile(wheel, made / wheel.name)
        finished = await uv.run_bare(
            "pip", "install", str(made / wheel.name), f"--target={made / 'code'}", "--no-deps", "--no-index",
            f"--python={sys.executable}", "--compile-bytecode", "--no-sources", "--no-cache", folder=staging, offline=True,
        )  # fmt: skip
        if not finished.worked:
            refuse_full_disk(finished.output, staging)
            raise EnvironmentFailedError(reason=in_words(finished.output))
        rename_into_place(made, target)
    return kept(folders, digest)


def kept(folders: PackageFolders, digest: str) -> Artifact:
    """An artifact that is there."""
    folder = folders.artifacts / digest
    wheel = next(iter(sorted(folder.glob("*.whl"))))
    return Artifact(digest, folder, wheel, wheel.stat().st_size)
