"""What `install SOURCE` means: a folder to pack, a file to send, or a URL that the server fetches.

1. A folder is packed without what no package needs: version control, virtual environments, caches, build output.
2. Links are followed to files inside the folder only; whatever leads out of it is left to the server to miss.
3. The same folder gives the same archive: names sorted, times fixed.
"""

import os
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from isp_plugins.cli.exits import Exit
from isp_plugins.cli.output import fail

LEFT_OUT = frozenset(
    {
        ".git",
        ".hg",
        ".svn",
        ".tox",
        ".nox",
        ".venv",
        "venv",
        "node_modules",
        "__pycache__",
        ".mypy_cache",
        ".ruff_cache",
        ".pytest_cache",
        ".hypothesis",
        "dist",
        "build",
        ".DS_Store",
    }
)
FIXED_TIME = (1980, 1, 1, 0, 0, 0)
_SCP_LIKE = re.compile(r"[\w.-]+@[\w.-]+:.+")
_URL = re.compile(r"(git\+)?(https?|ssh|git|file)://.+")


@dataclass(frozen=True, slots=True)
class Sent:
    """A package that is sent, or a URL that the server fetches."""

    file: Path | None = None
    is_folder: bool = False
    url: str | None = None
    ref: str | None = None


def source_of(text: str) -> Sent:
    """What a SOURCE of the command line is; ends the command where it is nothing."""
    path = Path(text)
    if path.is_dir():
        return Sent(file=path, is_folder=True)
    if path.is_file():
        return Sent(file=path)
    if not _URL.fullmatch(text) and not _SCP_LIKE.fullmatch(text):
        _no_package(text)
    url, ref = _split_ref(text.removeprefix("git+"))
    return Sent(url=url if "://" in url else f"ssh://{url.replace(':', '/', 1)}", ref=ref)


def _no_package(text: str) -> NoReturn:
    fail(
        "No such package",
        detail=f"{text!r} is neither a folder nor a file here, nor a git URL. Expected a project folder, a wheel, an sdist or a zip, "
        "or something like https://git.example.net/plugin.git@v1.0.",
        code=Exit.USAGE,
    )


def pack(folder: Path, target: Path) -> None:
    """Write a folder into a zip."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files_in(folder)):
            file = folder / name
            entry = zipfile.ZipInfo(f"{folder.resolve().name or 'package'}/{name}", FIXED_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o755 if os.access(file, os.X_OK) else 0o644) << 16
            archive.writestr(entry, file.read_bytes())


def files_in(folder: Path) -> Iterator[str]:
    """Every file of a project that belongs into its package, by its path in the folder."""
    root = folder.resolve()
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in LEFT_OUT and not name.endswith(".egg-info")]
        for name in names:
            file = Path(parent) / name
            if name in LEFT_OUT or name.endswith(".pyc") or not file.is_file():
                continue
            if file.resolve().is_relative_to(root):
                yield file.relative_to(folder).as_posix()


def _split_ref(url: str) -> tuple[str, str | None]:
    """The `@ref` in a repository's path, where there is one; an `@` before the path belongs to a user."""
    scheme, separator, rest = url.partition("://")
    host, slash, path = rest.partition("/") if separator else scheme.partition(":")
    place, at, ref = path.rpartition("@")
    return (f"{scheme if separator else ''}{separator}{host}{slash}{place}", ref) if at else (url, None)
