"""Reads what the file system and this process say: disk, permissions, limits, versions, backups; blocking, a few milliseconds."""

import os
import resource
import sqlite3
import stat
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from isp_plugins.access.bootstrap import FILE_NAME as ADMIN_KEY
from isp_plugins.keyring import FILE_NAME as KEY_FILE
from isp_plugins.lifecycle.doctor.facts import BackupFacts, CacheFacts, DiskFacts, FileFacts, ProcessFacts
from isp_plugins.lifecycle.doctor.findings import Unread
from isp_plugins.packages.limits import MIB, PackageFolders
from isp_plugins.packages.moving import size_of
from isp_plugins.settings import Settings

_COPIES = {".db", ".tar", ".gz", ".tgz"}


def disk_of(folder: Path) -> DiskFacts | Unread:
    """Space and inodes for this user."""
    try:
        found = os.statvfs(folder)
    except OSError as error:
        return Unread(f"{folder}: {error.strerror}")
    return DiskFacts(
        path=folder,
        free=found.f_bavail * found.f_frsize,
        total=found.f_blocks * found.f_frsize,
        free_inodes=found.f_favail,
        inodes=found.f_files,
    )


def folders_of(settings: Settings) -> list[FileFacts]:
    """The data directory and the plugin path, each folder once."""
    data = settings.data_dir.absolute()
    return [
        file_facts(folder, os.R_OK | os.X_OK | (os.W_OK if folder == data else 0))
        for folder in dict.fromkeys((data, *settings.plugin_folders))
    ]


def private_files_of(settings: Settings, database: Path | None) -> list[FileFacts]:
    """The files that nobody else may read."""
    names = [settings.data_dir.absolute() / name for name in (KEY_FILE, ADMIN_KEY)]
    return [file_facts(file, os.R_OK) for file in (*names, *([database] if database else []))]


def file_facts(path: Path, needed: int) -> FileFacts:
    """One file or folder; `needed` is what `os.access` is asked for."""
    try:
        found = path.stat()
    except OSError:
        return FileFacts(path, None)
    return FileFacts(
        path,
        stat.S_IMODE(found.st_mode),
        is_owned=found.st_uid in {os.geteuid(), 0} or os.geteuid() == 0,
        is_usable=os.access(path, needed),
        is_folder=stat.S_ISDIR(found.st_mode),
    )


def process_facts() -> ProcessFacts:
    """This process's versions and limits."""
    return ProcessFacts(
        version=version("isp-plugins"),
        python=sys.version_info[:3],
        sqlite=_three(sqlite3.sqlite_version_info),
        open_files=_open_files(),
        open_file_limit=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
    )


def backup_facts(folder: Path, now: float) -> BackupFacts:
    """The newest copy in the folder; `now` is in seconds of the epoch."""
    try:
        found = [
            file for file in folder.glob("[!.]*") if file.suffix in _COPIES or (file / "backup.json").exists()
        ]
        copies = [(file.stat().st_mtime, file.name) for file in found]
    except OSError:
        copies = []
    if not copies:
        return BackupFacts(folder, None, None)
    moment, name = max(copies)
    return BackupFacts(folder, name, max(now - moment, 0.0))


def cache_facts(settings: Settings) -> list[CacheFacts]:
    """What the caches of packages hold."""
    folders = PackageFolders(settings.data_dir.absolute())
    return [
        CacheFacts(folders.cache.name, size_of(folders.cache), settings.package_cache_mb * MIB),
        CacheFacts(folders.bytecode.name, size_of(folders.bytecode), settings.bytecode_cache_mb * MIB),
    ]


def zone_name() -> str:
    """The local time zone with its offset, as in `CET (UTC+0100)`."""
    return f"{time.strftime('%Z')} (UTC{time.strftime('%z')})"


def _open_files() -> int | Unread:
    try:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208  names alone; Path would stat every link
    except OSError as error:
        return Unread(str(error.strerror))


def _three(found: Sequence[int]) -> tuple[int, int, int]:
    major, minor, patch = found[:3]
    return major, minor, patch
