"""Brings folders and uploaded files into staging, within the limits; git has a module of its own.

1. What is fetched is a copy: the source may change or vanish afterwards.
2. Of a folder, what belongs to its owner's tools (version control, virtual environments, caches) stays behind; a link in it is refused.
"""

import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from isp_plugins.packages.archives import refuse
from isp_plugins.packages.errors import PackageTooLargeError, SourceUnusableError
from isp_plugins.packages.limits import PackageLimits
from isp_plugins.packages.moving import telling_full_disk
from isp_plugins.packages.names import problem_of
from isp_plugins.packages.values import Download, Source

CHUNK = 1024 * 1024
LEFT_BEHIND = frozenset(
    {".bin", ".eggs", ".git", ".hg", ".hypothesis", ".mypy_cache", ".nox", ".pytest_cache", ".ruff_cache", ".svn", ".tox", ".venv"}
    | {"__pycache__", "venv"}
)  # fmt: skip


def origin_of(source: Source, **found: Any) -> dict[str, Any]:
    """What is kept of where a package came from."""
    known = {
        "kind": source.kind.value,
        "location": source.location,
        "ref": source.ref,
        "commit": None,
        "name": None,
        "sha256": None,
        "bytes": None,
    }
    return {**known, **found}


def fetch_file(source: Source, staging: Path, limits: PackageLimits) -> Download:
    """A copy of one file, under the name that it was sent with."""
    path = Path(source.location)
    name = Path(source.name or path.name).name
    if problem := problem_of(name):
        raise SourceUnusableError(location=repr(name), problem=f"the file {problem}")
    try:
        # A pipe would wait for its writer: opened like this it does not, and is refused below.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file, telling_full_disk(staging):
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise SourceUnusableError(location=name, problem="expected a file, got something else")
            target = staging / "download" / name
            target.parent.mkdir()
            digest, size = _copied(file, target, limits)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError) as error:
        raise SourceUnusableError(location=name, problem=_reason(error)) from error
    return Download(target, origin_of(source, location=name, name=name, sha256=digest, bytes=size))


def fetch_folder(source: Source, staging: Path, limits: PackageLimits) -> Download:
    """A copy of a folder; a path to a file is taken as that file."""
    path = Path(source.location)
    if path.exists() and not path.is_dir():
        return fetch_file(source, staging, limits)
    if not path.is_dir():
        problem = "expected a folder or a file on the server's machine, there is none"
        raise SourceUnusableError(location=source.location, problem=problem)
    target = staging / "download"
    try:
        with telling_full_disk(staging):
            size = _copy_tree(path, target, limits)
    except PermissionError as error:
        raise SourceUnusableError(location=source.location, problem=_reason(error)) from error
    return Download(target, origin_of(source, location=str(path.absolute()), bytes=size))


def too_large(what: str, limits: PackageLimits) -> PackageTooLargeError:
    """The error for a source above the limit on what is fetched."""
    return PackageTooLargeError(
        what=what,
        limit=f"{limits.fetched_bytes:,} bytes",
        setting="ISP_PLUGINS_PACKAGE_MAX_MB",
        got="more than that",
    )


def _copied(file: Any, target: Path, limits: PackageLimits) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with target.open("xb") as copy:
        while data := file.read(CHUNK):
            size += len(data)
            if size > limits.fetched_bytes:
                raise too_large("fetched", limits)
            digest.update(data)
            copy.write(data)
    return digest.hexdigest(), size


def _copy_tree(root: Path, target: Path, limits: PackageLimits) -> int:
    """Copy what is chosen; the bytes copied."""
    size = count = 0
    target.mkdir()
    for path in _chosen(root):
        count += 1
        name = path.relative_to(root).as_posix()
        kind = path.lstat()
        if not (stat.S_ISREG(kind.st_mode) or stat.S_ISDIR(kind.st_mode)):
            refuse(root.name, [(name, "is a link, a device or a pipe")])
        if problem := problem_of(name):
            refuse(root.name, [(name, problem)])
        if stat.S_ISDIR(kind.st_mode):
            (target / name).mkdir()
            continue
        size += kind.st_size
        if size > limits.fetched_bytes or count > limits.entries:
            raise too_large("fetched", limits)
        shutil.copyfile(path, target / name, follow_symlinks=False)
        (target / name).chmod(0o755 if kind.st_mode & 0o111 else 0o644)
    return size


def _chosen(folder: Path) -> Iterator[Path]:
    """Everything below a folder that is not left behind, folders before what is in them."""
    for path in sorted(folder.iterdir()):
        if path.name in LEFT_BEHIND or path.name.endswith((".pyc", ".egg-info")):
            continue
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from _chosen(path)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
