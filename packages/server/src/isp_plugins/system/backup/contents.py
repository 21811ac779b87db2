"""What a backup holds: a list of its files with their digests, and which files of a data directory belong in one.

1. What can be made again is left out: environments, unpacked code, caches, and whatever is not finished.
2. Keys are left out unless they are asked for; the admin's API key always is ('isp-plugins keys create --offline' makes another).
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isp_plugins.access.bootstrap import FILE_NAME as ADMIN_KEY
from isp_plugins.db.data_directory import HOST_FILE, LOCK_FILE
from isp_plugins.errors import StartupError
from isp_plugins.keyring import FILE_NAME as KEY_FILE
from isp_plugins.keyring import KeysMissingError
from isp_plugins.runtime.worker.leftovers import FILE as BRAND_FILE

FORMAT = 1
LIST_FILE = "backup.json"
DATABASE = "database.db"
WHEELS = "wheels"
"""Folder of the artifacts' wheels, by digest."""
HEAD_FILE = "audit.head"
LEFT_OUT = frozenset({
    "artifacts", "environments", "package-cache", "bytecode-cache", "staging", "fetching", "trash", "backups",
    LOCK_FILE, HOST_FILE, ADMIN_KEY, KEY_FILE, HEAD_FILE, BRAND_FILE,
})  # fmt: skip


class BackupTargetError(StartupError):
    """The backup cannot be written to {path}: {problem}."""


class BackupUnreadableError(StartupError):
    """There is no backup in {path} that this version can read: {problem}. Name a folder or .tar file that 'isp-plugins backup' wrote."""


class BackupDamagedError(StartupError):
    """The backup {path} is damaged, nothing of it was used: {summary}. Use another one."""


class RestoreTargetError(StartupError):
    """The backup cannot be restored into {path}: {problem}. Name a folder that does not exist yet, or is empty, with --data-dir."""


class RestoreKeysMissingError(KeysMissingError):
    """The backup holds secrets and no keys, and none were given. Empty {path}, and restore again with --key FILE (the secrets.key that was kept apart from it), or with the keys in ISP_PLUGINS_SECRET_KEYS."""


@dataclass(frozen=True, slots=True)
class Contents:
    """The list of a backup."""

    made_at: str
    version: str
    """Of the product."""
    database: str
    """`sqlite`: it is here; `postgresql`: it has a dump of its own."""
    with_key: bool
    files: Mapping[str, str]
    """SHA-256 by path."""

    def to_json(self) -> str:
        """As it is written."""
        described: dict[str, Any] = {
            "format": FORMAT,
            "made_at": self.made_at,
            "version": self.version,
            "database": self.database,
            "with_key": self.with_key,
            "files": dict(self.files),
        }
        return json.dumps(described, indent=1) + "\n"

    @classmethod
    def read(cls, folder: Path) -> "Contents":
        """The list of the backup in a folder; `BackupUnreadableError`."""
        try:
            said = json.loads((folder / LIST_FILE).read_text("utf-8"))
            if said["format"] != FORMAT:
                raise BackupUnreadableError(path=folder, problem=f"it has format {said['format']}")
            names = ("made_at", "version", "database", "with_key", "files")
            return cls(**{name: said[name] for name in names})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BackupUnreadableError(path=folder, problem=f"its list {LIST_FILE}: {error}") from error

    def mistakes(self, folder: Path) -> Iterator[str]:
        """What is missing or damaged."""
        for name, digest in self.files.items():
            path = folder / name
            if Path(name).is_absolute() or ".." in Path(name).parts:
                yield f"{name} lies outside"
            elif not path.is_file():
                yield f"{name} is missing"
            elif digest_of(path) != digest:
                yield f"{name} is not what was written"


def digest_of(file: Path) -> str:
    """SHA-256."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def others_in(data_dir: Path, database: Path | None) -> Iterator[Path]:
    """Everything else that belongs in a backup: plugins' code and folders, wheels without an index, what others put there."""
    for path in sorted(data_dir.iterdir()) if data_dir.is_dir() else ():
        is_database = database is not None and path.name.startswith(database.name)
        if path.name not in LEFT_OUT and not path.name.startswith(".") and not is_database:
            yield path
