"""Makes a backup, also while the server runs: the audit's head first, then the database, then the files that it refers to.

1. The head file may lag behind the database, never lead; so it is copied before.
2. SQLite is copied by its own online backup, one moment of it; of PostgreSQL only what lies outside is taken, `pg_dump` does the rest.
3. A plugin that goes between the copy of the database and that of its wheel is noticed, and the database is copied again.
4. It appears under its name once it is whole, and is for its owner alone; so are its database and key wherever they are unpacked.
"""

import os
import secrets
import shutil
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from isp_plugins.clock import Clock
from isp_plugins.db.urls import sqlite_file
from isp_plugins.durable_file import copy_private, replace_when_written
from isp_plugins.keyring import FILE_NAME as KEY_FILE
from isp_plugins.packages.moving import rename_into_place
from isp_plugins.settings import Settings
from isp_plugins.system.backup.contents import (
    DATABASE,
    HEAD_FILE,
    LIST_FILE,
    WHEELS,
    BackupTargetError,
    Contents,
    digest_of,
    others_in,
)

TRIES = 3
BUSY_TIMEOUT_S = 30
TAR_ENDINGS = (".tar", ".tar.gz", ".tgz")


def is_tar(path: Path) -> bool:
    """Whether a backup is one file."""
    return path.name.endswith(TAR_ENDINGS)


def back_up(settings: Settings, target: Path, *, with_key: bool, clock: Clock) -> dict[str, Any]:
    """Write the backup; what it holds and lacks, for people. `BackupTargetError`."""
    target = target.absolute()
    if target.exists():
        raise BackupTargetError(path=target, problem="there is something of that name already")
    data_dir = settings.data_dir.absolute()
    with _part_beside(target) as part:
        if (data_dir / HEAD_FILE).is_file():
            shutil.copyfile(data_dir / HEAD_FILE, part / HEAD_FILE)
        missing = _copy_referred(settings, part)
        for path in others_in(data_dir, sqlite_file(settings.url)):
            _copy(path, part / path.name)
        has_key = with_key and (data_dir / KEY_FILE).is_file()
        if has_key:
            copy_private(data_dir / KEY_FILE, part / KEY_FILE)
        contents = _list(part, settings, with_key=has_key, clock=clock)
        (part / LIST_FILE).write_text(contents.to_json(), encoding="utf-8")
        size = sum(path.stat().st_size for path in part.rglob("*") if path.is_file())
        _give_name(part, target)
    return {
        "backup": str(target),
        "made_at": contents.made_at,
        "database": contents.database,
        "files": len(contents.files),
        "bytes": size,
        "with_key": has_key,
        "missing": missing,
    }


def _copy_referred(settings: Settings, part: Path) -> list[str]:
    """The database, and the wheels of its releases; digests of those that are not on this machine."""
    artifacts = settings.data_dir.absolute() / "artifacts"
    source = sqlite_file(settings.url)
    missing: list[str] = []
    for _ in range(TRIES):
        referred = _copy_database(source, part / DATABASE) if source else None
        for wheel in sorted(artifacts.glob("*/*.whl")):
            if referred is None or wheel.parent.name in referred:
                _copy(wheel, part / WHEELS / wheel.parent.name / wheel.name)
        missing = [digest for digest in sorted(referred or ()) if not (part / WHEELS / digest).is_dir()]
        if not missing:
            break
    return missing


def _copy_database(source: Path, target: Path) -> frozenset[str]:
    """One moment of the database; the digests that its releases refer to. `BackupTargetError` where there is none."""
    target.unlink(missing_ok=True)
    if not source.is_file():
        raise BackupTargetError(path=target.parent, problem=f"there is no database {source}; see --data-dir")
    target.touch(mode=0o600)  # SQLite keeps the mode of a file that is there
    with (
        closing(sqlite3.connect(source, timeout=BUSY_TIMEOUT_S)) as database,
        closing(sqlite3.connect(target)) as copy,
    ):
        database.backup(copy, pages=-1)
        copy.execute("PRAGMA journal_mode=DELETE")
        return frozenset(row[0] for row in copy.execute("SELECT digest FROM plugin_releases"))


def _copy(source: Path, target: Path) -> None:
    """A file or folder, links as links; what goes meanwhile is left out."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        if source.is_dir() and not source.is_symlink():
            shutil.copytree(source, target, symlinks=True, ignore=_half_done, dirs_exist_ok=True)
        elif source.is_file() or source.is_symlink():
            shutil.copy2(source, target, follow_symlinks=False)
    except FileNotFoundError:
        return
    except shutil.Error as error:
        if any(Path(one[0]).exists() for one in error.args[0]):
            raise


def _half_done(folder: str, names: list[str]) -> set[str]:
    """Sockets and pipes, bytecode, and folders that have not got their names yet."""
    return {
        name
        for name in names
        if name == "__pycache__" or not ((path := Path(folder, name)).is_file() or path.is_dir() or path.is_symlink())
    }  # fmt: skip


def _list(part: Path, settings: Settings, *, with_key: bool, clock: Clock) -> Contents:
    files = {
        str(path.relative_to(part)): digest_of(path)
        for path in sorted(part.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }
    return Contents(
        made_at=clock.now().isoformat(),
        version=version("isp-plugins"),
        database="sqlite" if sqlite_file(settings.url) else "postgresql",
        with_key=with_key,
        files=files,
    )


def _give_name(part: Path, target: Path) -> None:
    if not is_tar(target):
        if not rename_into_place(part, target):
            raise BackupTargetError(path=target, problem="there is something of that name already")
        return
    mode: Literal["w", "w:gz"] = "w" if target.name.endswith(".tar") else "w:gz"
    with replace_when_written(target) as file, tarfile.open(file, mode) as archive:
        for path in sorted(part.iterdir()):
            archive.add(path, arcname=path.name)


@contextmanager
def _part_beside(target: Path) -> Iterator[Path]:
    part = target.parent / f".{target.name}-{secrets.token_hex(4)}"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part.mkdir(mode=0o700)
        yield part
    except OSError as error:
        problem = f"{error.filename or part}: {os.strerror(error.errno or 0)}"
        raise BackupTargetError(path=target, problem=problem) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
