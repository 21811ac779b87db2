"""Finds modules on the plugin path, and nowhere else.

1. Python's own order: in each folder a package before an extension module before a source file; the first folder wins; folders
   without `__init__.py` are a namespace package only where no folder has anything better.
2. What is found is named by its real path, and a real path outside the plugin path is refused: a link does not lead out.
3. Directories are read at every search, never from a cache: what changed a moment ago is seen.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

from isp_plugins.runtime.errors import ModuleMissingError, ModuleOutsideFolderError

SUFFIXES = (*EXTENSION_SUFFIXES, ".py")


class LinkLeavesPathError(ImportError):
    """A file or folder of the plugin path is a link to somewhere else."""

    def __init__(self, path: str, target: str) -> None:
        super().__init__(f"{path} is a link to {target}, which is outside the plugin path", path=path)
        self.target = target


@dataclass(frozen=True, slots=True)
class Found:
    """Where a module lies: its file (None: a namespace package), and the search path of its submodules (None: not a package)."""

    file: str | None
    locations: tuple[str, ...] | None = None


def real_folders(folders: Sequence[Path]) -> tuple[str, ...]:
    """The plugin path with every link in it resolved, each folder once."""
    return tuple(dict.fromkeys(os.path.realpath(folder) for folder in folders))


def find(name: str, search_path: Sequence[str], folders: Sequence[str]) -> Found | None:
    """The module `name` in the folders of `search_path`, or None; `LinkLeavesPathError` where it is outside `folders`."""
    portions: list[str] = []
    for entry in search_path:
        base = f"{entry}{os.sep}{name}"
        found = _in_folder(base, folders)
        if found is not None:
            return found
        if Path(base).is_dir():
            portions.append(_inside(base, folders))
    return Found(None, tuple(portions)) if portions else None


def find_dotted(names: Sequence[str], folders: Sequence[str]) -> Found | None:
    """The module of a dotted name on the plugin path, or None where it or a package on the way is missing."""
    search_path: tuple[str, ...] | None = tuple(folders)
    found: Found | None = None
    for name in names:
        found = find(name, search_path, folders) if search_path is not None else None
        if found is None:
            return None
        search_path = found.locations
    return found


def require_module(module_path: str, entry_point: str, folders: Sequence[str]) -> Found:
    """Where a plugin's module lies; `ModuleMissingError` or `ModuleOutsideFolderError`, before anything of it runs."""
    try:
        found = find_dotted(module_path.split("."), folders)
    except LinkLeavesPathError as error:
        raise ModuleOutsideFolderError(path=error.path, target=error.target) from error
    if found is None or found.file is None:
        file = module_path.replace(".", "/")
        raise ModuleMissingError(
            module_path=module_path,
            entry_point=entry_point,
            looked_for=f"{file}.py and {file}/__init__.py",
            folders=", ".join(folders) or "no folder at all",
        )
    return found


def _in_folder(base: str, folders: Sequence[str]) -> Found | None:
    """A regular package or a module file at `base`."""
    init = Path(base, "__init__.py")
    if init.is_file():
        return Found(_inside(str(init), folders), (_inside(base, folders),))
    file = next((base + suffix for suffix in SUFFIXES if Path(base + suffix).is_file()), None)
    return Found(_inside(file, folders)) if file is not None else None


def _inside(path: str, folders: Sequence[str]) -> str:
    """The real path, which must lie in one of the folders."""
    target = os.path.realpath(path)
    if not any(Path(target).is_relative_to(folder) for folder in folders):
        raise LinkLeavesPathError(path, target)
    return target
