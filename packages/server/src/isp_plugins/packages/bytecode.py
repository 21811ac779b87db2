"""Bytecode, compiled once where code is kept, so that a worker starts three times as fast.

1. It is compiled in a process of its own: what a stranger wrote may take the compiler down.
2. It is never checked against its source again (`unchecked-hash`): what is kept under a digest does not change. So it is the same bytes every time.
3. A distribution's bytecode is kept by the digest of its RECORD, which names every file's digest, and copied into the next environment.
"""

import csv
import hashlib
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import cache_from_source
from pathlib import Path

from isp_plugins.packages.in_thread import in_thread
from isp_plugins.packages.limits import PackageLimits
from isp_plugins.packages.moving import rename_into_place
from isp_plugins.packages.processes import run
from isp_plugins.packages.pruning import used
from isp_plugins.packages.refusals import refuse_full_disk
from isp_plugins.packages.tool_environment import base_environment


@dataclass(frozen=True, slots=True)
class _Installed:
    """One distribution of an environment."""

    key: str
    sources: tuple[Path, ...]
    """Its modules, relative to the environment's packages."""


async def compile_below(places: Sequence[Path], home: Path, limits: PackageLimits) -> None:
    """Compile files, and every module below folders; one that is no Python of this version stays source."""
    if not places:
        return
    names = home / "to-compile.txt"
    await in_thread(names.write_text, "".join(f"{place}\n" for place in places))
    finished = await run(
        [sys.executable, "-I", "-S", "-m", "compileall", "-q", "--invalidation-mode=unchecked-hash", "-i", str(names)],
        environment=base_environment(home),
        folder=home,
        timeout_s=limits.resolve_s,
        log_in=home,
    )  # fmt: skip
    if not finished.worked:
        refuse_full_disk(finished.output, home)


async def compile_environment(site_packages: Path, cache: Path, staging: Path, limits: PackageLimits) -> None:
    """Give every distribution its bytecode: what is kept is copied, the rest compiled and kept."""
    installed = await in_thread(_distributions, site_packages)
    new = [one for one in installed if not (cache / one.key).is_dir()]
    sources = [site_packages / source for one in new for source in one.sources]
    await compile_below(sources, staging, limits)
    await in_thread(_exchange, site_packages, cache, staging, installed, new)


def _distributions(site_packages: Path) -> list[_Installed]:
    return [_installed(record) for record in sorted(site_packages.glob("*.dist-info/RECORD"))]


def _installed(record: Path) -> _Installed:
    text = record.read_text("utf-8", "replace")
    names = [row[0] for row in csv.reader(text.splitlines()) if row and row[0].endswith(".py")]
    inside = tuple(Path(name) for name in names if not name.startswith(("/", "..")) and "\n" not in name)
    key = hashlib.sha256(f"{sys.implementation.cache_tag}\n{text}".encode()).hexdigest()
    return _Installed(key, inside)


def _exchange(
    site_packages: Path, cache: Path, staging: Path, installed: list[_Installed], new: list[_Installed]
) -> None:
    for one in installed:
        if one not in new:
            _copy(one, cache / one.key, site_packages)
            used(cache / one.key)
            continue
        part = staging / f"bytecode-{one.key}"
        part.mkdir(exist_ok=True)
        _copy(one, site_packages, part)
        rename_into_place(part, cache / one.key)


def _copy(one: _Installed, source: Path, target: Path) -> None:
    """Copy what of the distribution's bytecode is there."""
    for module in one.sources:
        compiled = cache_from_source(str(module))
        if (source / compiled).is_file():
            (target / compiled).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / compiled, target / compiled)
