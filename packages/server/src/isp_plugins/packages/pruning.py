"""Finds and deletes what only saves time or was left over: caches by age and size, SDK wheels, unfinished work.

1. What a release needs stays, however old: distributions of its lock in the package cache, its SDK's wheel.
2. A cache loses what was not used for so many days, and then its oldest until it is small enough.
3. Whoever calls sees to it that nothing is installed meanwhile.
"""

import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from isp_plugins.packages.in_thread import in_thread
from isp_plugins.packages.limits import MIB, PackageFolders
from isp_plugins.packages.moving import empty, remove, size_of
from isp_plugins.packages.uv_tool import Uv
from isp_plugins.settings import Settings

DAY_S = 86_400.0
LEFT_OVER_S = DAY_S
"""Uploads and downloads that are older belong to nobody any more."""
_DIST_INFO = re.compile(r"(?P<name>.+)-[^-]+\.dist-info")


class Kind(StrEnum):
    """What can be pruned."""

    PACKAGE_CACHE = "package-cache"
    """Distributions that uv keeps, by name."""
    BYTECODE_CACHE = "bytecode-cache"
    """Compiled modules, by distribution."""
    SDK = "sdk"
    """Wheels of SDKs that no release and not this host uses."""
    LEFT_OVER = "left-over"
    """Folders of work that was not finished."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One thing that is there."""

    name: str
    bytes: int
    used_at: float
    """Seconds of the epoch."""
    is_needed: bool = False


@dataclass(frozen=True, slots=True)
class Prunable:
    """One thing that goes, and why."""

    kind: Kind
    name: str
    bytes: int
    why: str


@dataclass(frozen=True, slots=True)
class PruneLimits:
    """How much may stay."""

    days: float
    package_bytes: int
    bytecode_bytes: int

    @classmethod
    def of(cls, settings: Settings) -> "PruneLimits":
        """The operator's."""
        return cls(
            settings.package_cache_days, settings.package_cache_mb * MIB, settings.bytecode_cache_mb * MIB
        )


@dataclass(frozen=True, slots=True)
class Usage:
    """How much lies in one folder."""

    folder: str
    bytes: int


def choose(kind: Kind, there: Sequence[Kept], *, days: float, most: int, now: float) -> Iterator[Prunable]:
    """What of a cache goes; 0 days or bytes: no limit."""
    left = sum(one.bytes for one in there)
    for one in sorted(there, key=lambda one: one.used_at):
        if one.is_needed:
            continue
        age = (now - one.used_at) / DAY_S
        if days and age > days:
            why = f"not used for {age:.0f} days"
        elif most and left > most:
            why = f"the oldest of more than {most // MIB} MiB"
        else:
            continue
        left -= one.bytes
        yield Prunable(kind, one.name, one.bytes, why)


class Pruner:
    """Prunes one data directory."""

    def __init__(self, folders: PackageFolders, uv: Uv, limits: PruneLimits) -> None:
        self._folders = folders
        self._uv = uv
        self._limits = limits

    async def plan(self, *, names: frozenset[str], wheels: frozenset[str]) -> tuple[Prunable, ...]:
        """What would go; `names` of distributions and digests of `wheels` are needed by releases."""
        return await in_thread(self._plan, names, wheels)

    async def prune(self, plan: Iterable[Prunable]) -> None:
        """Delete what was planned, and what a killed deletion left."""
        plan = tuple(plan)
        await in_thread(self._delete, plan)
        cached = [one.name for one in plan if one.kind is Kind.PACKAGE_CACHE]
        if cached:
            await self._uv.run_bare("cache", "clean", "--", *cached, folder=self._folders.data_dir)
        if await in_thread(self._folders.cache.is_dir):
            await self._uv.run_bare("cache", "prune", folder=self._folders.data_dir)

    async def usage(self) -> tuple[Usage, ...]:
        """How much lies where."""
        return await in_thread(self._usage)

    def _plan(self, names: frozenset[str], wheels: frozenset[str]) -> tuple[Prunable, ...]:
        limits, folders, now = self._limits, self._folders, time.time()
        cached = _cached(folders.cache, names)
        compiled = [_kept(path) for path in _inside(folders.bytecode)]
        return (
            *choose(Kind.PACKAGE_CACHE, cached, days=limits.days, most=limits.package_bytes, now=now),
            *choose(Kind.BYTECODE_CACHE, compiled, days=limits.days, most=limits.bytecode_bytes, now=now),
            *(
                Prunable(Kind.SDK, one.name, one.bytes, "no release uses it")
                for one in map(_kept, _inside(folders.sdk))
                if one.name not in wheels
            ),
            *self._left_over(now),
        )

    def _left_over(self, now: float) -> Iterator[Prunable]:
        for folder in (self._folders.data_dir / "staging", self._folders.fetching):
            for path in _inside(folder):
                one = _kept(path)
                if now - one.used_at > LEFT_OVER_S:
                    yield Prunable(
                        Kind.LEFT_OVER, f"{folder.name}/{one.name}", one.bytes, "its work has ended"
                    )

    def _delete(self, plan: Sequence[Prunable]) -> None:
        places: Mapping[Kind, Path] = {
            Kind.BYTECODE_CACHE: self._folders.bytecode,
            Kind.SDK: self._folders.sdk,
            Kind.LEFT_OVER: self._folders.data_dir,
        }
        for one in plan:
            if one.kind in places:
                remove(places[one.kind] / one.name, self._folders.trash)
        empty(self._folders.trash)

    def _usage(self) -> tuple[Usage, ...]:
        folders = self._folders
        named = (
            folders.artifacts, folders.environments, folders.wheelhouse, folders.sdk, folders.cache,
            folders.bytecode, folders.data_dir / "staging", folders.fetching, folders.trash,
        )  # fmt: skip
        return tuple(Usage(folder.name, size_of(folder)) for folder in named)


def used(folder: Path) -> None:
    """Note that something of a cache was used now."""
    try:
        os.utime(folder)
    except OSError:
        return


def _inside(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _kept(path: Path) -> Kept:
    try:
        used_at = path.stat().st_mtime
    except OSError:
        used_at = time.time()
    return Kept(path.name, size_of(path), used_at)


def _cached(cache: Path, needed: frozenset[str]) -> list[Kept]:
    """What uv keeps, one for each distribution's name."""
    found: dict[str, Kept] = {}
    for archive in cache.glob("archive-v*/*"):
        name = next((_name_of(path) for path in archive.glob("*.dist-info")), None)
        if name is None:
            continue
        one, before = _kept(archive), found.get(name)
        found[name] = Kept(
            name,
            one.bytes + (before.bytes if before else 0),
            max(one.used_at, before.used_at if before else 0.0),
            name in needed,
        )
    return list(found.values())


def _name_of(info: Path) -> str | None:
    match = _DIST_INFO.fullmatch(info.name)
    return re.sub(r"[-_.]+", "-", match["name"]).lower() if match else None
