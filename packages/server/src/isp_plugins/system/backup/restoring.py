"""Makes an installation of a backup, in an empty data directory, and sees that it is whole.

1. Every file is checked against the backup's list before anything is written.
2. While it is not finished, no host starts on the folder; what a kill left behind is to be emptied by hand.
3. The database comes last. Then the system is opened without starting a plugin: it is migrated, its audit trail verified, each secret
   decrypted, and that it was restored is audited; only then it is finished. Environments are built when the server starts.
"""

import os
import secrets
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from isp_plugins.actors import LOCAL
from isp_plugins.audit import AuditTag
from isp_plugins.db.data_directory import UNFINISHED
from isp_plugins.db.urls import sqlite_file
from isp_plugins.durable_file import copy_private
from isp_plugins.keyring import FILE_NAME as KEY_FILE
from isp_plugins.keyring import KeysMissingError
from isp_plugins.packages.in_thread import in_thread
from isp_plugins.packages.store import PackageStore
from isp_plugins.settings import Settings
from isp_plugins.system.backup.contents import (
    DATABASE,
    LIST_FILE,
    WHEELS,
    BackupDamagedError,
    BackupUnreadableError,
    Contents,
    RestoreKeysMissingError,
    RestoreTargetError,
)
from isp_plugins.system.backup.making import is_tar
from isp_plugins.system.plugin_system import PluginSystem

SHOWN_MISTAKES = 5


async def restore(settings: Settings, source: Path, *, key: Path | None = None) -> dict[str, Any]:
    """Restore and verify; what came of it. `RestoreTargetError`, `BackupUnreadableError`, `BackupDamagedError`, and errors of the start."""
    data_dir, database = settings.data_dir.absolute(), sqlite_file(settings.url)
    _require_empty(data_dir, database)
    with _unpacked(source) as folder:
        contents = Contents.read(folder)
        _require_whole(contents, folder, source)
        _require_same_kind(contents, database, data_dir)
        await _fill(settings, folder, database, key)
    try:
        found = await _examine(settings, contents)
    except KeysMissingError as error:
        raise RestoreKeysMissingError(path=data_dir) from error
    await in_thread(shutil.rmtree, data_dir / UNFINISHED)
    return {"restored": str(data_dir), "made_at": contents.made_at} | found


def _require_empty(data_dir: Path, database: Path | None) -> None:
    if data_dir.is_dir() and any(data_dir.iterdir()):
        raise RestoreTargetError(path=data_dir, problem="there is something in it")
    if database is not None and database.exists():
        raise RestoreTargetError(path=data_dir, problem=f"the database {database} is there")


def _require_whole(contents: Contents, folder: Path, shown: Path) -> None:
    mistakes = list(contents.mistakes(folder))
    if mistakes:
        more = f", and {len(mistakes) - SHOWN_MISTAKES} more" if len(mistakes) > SHOWN_MISTAKES else ""
        summary = "; ".join(mistakes[:SHOWN_MISTAKES]) + more
        raise BackupDamagedError(path=shown, summary=summary)


def _require_same_kind(contents: Contents, database: Path | None, data_dir: Path) -> None:
    if (contents.database == "sqlite") != (database is not None):
        here = "sqlite" if database is not None else "postgresql"
        problem = f"it was made with {contents.database}, and ISP_PLUGINS_DATABASE_URL names {here}"
        raise RestoreTargetError(path=data_dir, problem=problem)


async def _fill(settings: Settings, folder: Path, database: Path | None, key: Path | None) -> None:
    """Everything into the data directory, the database last."""
    data_dir = settings.data_dir.absolute()
    mark = data_dir / UNFINISHED
    await in_thread(_fill_files, folder, data_dir, key)
    store = PackageStore(settings)
    for wheel in await in_thread(_wheels_in, folder):
        await store.keep(wheel, await in_thread(_new_folder, mark))
    await in_thread(_fill_database, folder, mark, database)


def _fill_files(folder: Path, data_dir: Path, key: Path | None) -> None:
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    (data_dir / UNFINISHED).mkdir(mode=0o700)
    for path in sorted(folder.iterdir()):
        if path.name not in {LIST_FILE, DATABASE, WHEELS, KEY_FILE}:
            _put(path, data_dir / path.name)
    if key is not None or (folder / KEY_FILE).is_file():
        copy_private(key or folder / KEY_FILE, data_dir / KEY_FILE)


def _wheels_in(folder: Path) -> list[Path]:
    return sorted((folder / WHEELS).glob("*/*.whl"))


def _new_folder(mark: Path) -> Path:
    made = mark / secrets.token_hex(4)
    made.mkdir()
    return made


def _fill_database(folder: Path, mark: Path, database: Path | None) -> None:
    if database is not None:
        part = mark / DATABASE
        copy_private(folder / DATABASE, part)
        _sync(part)
        shutil.move(part, database)


async def _examine(settings: Settings, contents: Contents) -> dict[str, Any]:
    """Open it, without any plugin, and look whether all is there."""
    async with PluginSystem.open(settings, start_plugins=False, restoring=True) as system:
        found = await system.audit.verify()
        unreadable = await system.configuration.unreadable_secrets()
        details = {"made_at": contents.made_at, "version": contents.version}
        await system.audit.record_alone(
            AuditTag.BACKUP_RESTORED, LOCAL, subject=("system", "backup"), details=details
        )
        return {
            "plugins": len(list(system.directory)),
            "audit": {"intact": found.ok, "checked": found.entries, "findings": [str(one) for one in found.findings]},
            "unreadable_secrets": [f"{plugin} {name}" for plugin, name in unreadable],
        }  # fmt: skip


def _put(source: Path, target: Path) -> None:
    if source.is_dir() and not source.is_symlink():
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copy2(source, target, follow_symlinks=False)


def _sync(file: Path) -> None:
    handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _unpacked(source: Path) -> Iterator[Path]:
    """The folder of a backup; of a .tar file, unpacked beside the system's temporary files."""
    if not is_tar(source) or source.is_dir():
        yield source
        return
    with tempfile.TemporaryDirectory(prefix="isp-plugins-restore-") as folder:
        try:
            with tarfile.open(source) as archive:
                archive.extractall(folder, filter="data")
        except (OSError, tarfile.TarError) as error:
            raise BackupUnreadableError(path=source, problem=str(error)) from error
        yield Path(folder)
