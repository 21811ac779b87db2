"""Deletes the artifacts and environments that nothing refers to any more, and the wheels and SDKs that only those needed."""

import json
import re
from pathlib import Path

from isp_plugins.packages.environments import MARKER
from isp_plugins.packages.limits import PackageFolders
from isp_plugins.packages.moving import empty, remove
from isp_plugins.packages.values import Freed

_NAME = re.compile(r"[0-9a-f]{64}|\..*")
"""A digest, or what an installation that was killed had not yet given its name."""
_HASH = re.compile(r"sha256:([0-9a-f]{64})")


def drop_unused(
    folders: PackageFolders,
    *,
    digests: frozenset[str],
    environments: frozenset[str],
    wheels: frozenset[str] = frozenset(),
) -> Freed:
    """Everything but what is named; folders that are not ours (another name than a digest) are left alone."""
    empty(folders.trash)
    artifacts = _unnamed(folders.artifacts, digests)
    unused = _unnamed(folders.environments, environments)
    freed = sum(remove(folder, folders.trash) for folder in (*artifacts, *unused))
    needed = _needed(folders.environments) | wheels
    half_done = [each for each in _unnamed(folders.sdk, frozenset()) if each.name.startswith(".")]
    for folder in (*_unnamed(folders.wheelhouse, needed), *half_done):
        freed += remove(folder, folders.trash)
    return Freed(tuple(folder.name for folder in artifacts), tuple(folder.name for folder in unused), freed)


def _unnamed(folder: Path, names: frozenset[str]) -> list[Path]:
    inside = sorted(folder.iterdir()) if folder.is_dir() else []
    return [each for each in inside if _NAME.fullmatch(each.name) and each.name not in names]


def _needed(environments: Path) -> frozenset[str]:
    """Digests of the wheels in the locks of the environments that stay."""
    texts = (json.loads(marker.read_text("utf-8"))["text"] for marker in environments.glob(f"*/{MARKER}"))
    return frozenset(digest for text in texts for digest in _HASH.findall(text))
