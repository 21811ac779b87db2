"""Bytecode, compiled once where code is kept, so that a worker starts three times as fast.

1. It is compiled in a process of its own: what a stranger wrote may take the compiler down.
2. It is never checked against its source again (`unchecked-hash`): what is kept under a digest does not change. So it is the same bytes every time.
3. The SDK's is compiled once for each of its wheels, and copied into every environment.
"""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from isp_plugins.packages.archives import unpack_zip
from isp_plugins.packages.in_thread import in_thread
from isp_plugins.packages.limits import PackageLimits
from isp_plugins.packages.moving import rename_into_place
from isp_plugins.packages.processes import run
from isp_plugins.packages.refusals import refuse_full_disk
from isp_plugins.packages.tool_environment import base_environment

_COMPILED = f"code-{sys.implementation.cache_tag}"


async def compile_below(folders: Sequence[Path], home: Path, limits: PackageLimits) -> None:
    """Compile every module below the folders; one that is no Python of this version stays source."""
    if not folders:
        return
    finished = await run(
        [sys.executable, "-I", "-S", "-m", "compileall", "-q", "--invalidation-mode=unchecked-hash", *map(str, folders)],
        environment=base_environment(home),
        folder=home,
        timeout_s=limits.resolve_s,
        log_in=home,
    )  # fmt: skip
    if not finished.worked:
        refuse_full_disk(finished.output, home)


async def add_sdk_bytecode(wheel: Path, site_packages: Path, staging: Path, limits: PackageLimits) -> None:
    """Put the SDK's bytecode into an environment that holds this wheel of it."""
    compiled = wheel.parent / _COMPILED
    if not compiled.is_dir():
        part = staging / "sdk-code"
        shutil.rmtree(part, ignore_errors=True)
        await in_thread(unpack_zip, wheel, part, limits)
        await compile_below([part], part, limits)
        await in_thread(rename_into_place, part, compiled)
    await in_thread(_add, compiled, site_packages)


def _add(compiled: Path, site_packages: Path) -> None:
    for file in compiled.rglob("*.pyc"):
        target = site_packages / file.relative_to(compiled)
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(file, target)
