"""Folders that appear whole or not at all, and disappear the same way, whenever the power goes or the process is killed.

1. What was written below a folder is on the disk before the folder gets its name.
2. A folder to delete gets another name first, so that no half of it is ever found under its own.
"""

import contextlib
import ctypes
import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from isp_plugins.packages.errors import DiskFullError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def rename_into_place(folder: Path, target: Path) -> bool:
    """Give a finished folder its name; False, and the folder deleted, where there is one of that name already."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _sync_file_system(folder)
    try:
        folder.rename(target)
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
            raise
        shutil.rmtree(folder, ignore_errors=True)
        return False
    _sync_names(target.parent)
    return True


def remove(folder: Path, trash: Path) -> int:
    """Delete a folder; the bytes that its files took."""
    trash.mkdir(mode=0o700, parents=True, exist_ok=True)
    gone = trash / f"{folder.name[:40]}-{secrets.token_hex(4)}"
    try:
        folder.rename(gone)
    except FileNotFoundError:
        return 0
    freed = size_of(gone)
    shutil.rmtree(gone, ignore_errors=True)
    return freed


def empty(trash: Path) -> None:
    """Delete what a killed deletion left behind."""
    for folder in trash.iterdir() if trash.is_dir() else ():
        shutil.rmtree(folder, ignore_errors=True)


def size_of(folder: Path) -> int:
    """Bytes of the files below a folder; links are not followed."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            total += path.lstat().st_size
    return total


@contextlib.contextmanager
def telling_full_disk(path: Path) -> Iterator[None]:
    """Turn the system's word for a full disk into `DiskFullError`."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFullError(path=path, problem=os.strerror(error.errno or 0)) from error
        raise


def _sync_file_system(folder: Path) -> None:
    """Force what was written to the folder's file system to the disk: one call for thousands of small files."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
        if syncfs is None or syncfs(handle) != 0:
            os.sync()
    finally:
        os.close(handle)


def _sync_names(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
