"""Keeps the source of plugins of the plugin path as it was when they were started, so that a worker that comes back runs the same code.

1. Kept is every module below the outermost folder of the module's path, so its package and what lies beside it; of a folder that holds more than the
   limits only the plugin's own package, or its file. What is not kept comes from the disk: other packages, extension modules, and data
   files, which a plugin in process reads from the disk, too.
2. A copy is named by the digest of what it holds and appears whole or not at all; equal code is kept once.
3. Whoever starts plugins says which copies are still needed; the others of that plugin are dropped. All of them are when a host begins,
   which starts its plugins from the disk.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from isp_plugins.runtime import search

MAX_FILES = 2000
"""Most modules of one copy."""
MAX_BYTES = 32 * 1024 * 1024
"""Most that they may hold together, in bytes."""


class KeptCode:
    """Copies below one folder; whatever is there from before is dropped. Methods block."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._copies: dict[int, set[str]] = {}
        """By plugin, the digests of what was copied for it."""
        shutil.rmtree(folder, ignore_errors=True)

    def take(self, plugin_id: int, module_path: str, folders: Sequence[str]) -> Path:
        """A copy of a plugin's code as it is on the disk now; `OSError`."""
        sources = _sources(module_path, folders)
        digest = _digest(sources)
        self._copies.setdefault(plugin_id, set()).add(digest)
        target = self._folder / digest
        if not target.is_dir():
            self._write(sources, target)
        return target

    def settle(self, plugin_id: int, needed: Collection[Path]) -> None:
        """Of what was copied for the plugin only these are needed; another plugin's equal code stays."""
        self._copies[plugin_id], before = {copy.name for copy in needed}, self._copies.get(plugin_id, set())
        others = set().union(*self._copies.values())
        for digest in before - others:
            shutil.rmtree(self._folder / digest, ignore_errors=True)

    def _write(self, sources: Mapping[str, bytes], target: Path) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix="draft-", dir=self._folder))
        try:
            for name, content in sources.items():
                file = draft / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
            draft.rename(target)
        except OSError:
            shutil.rmtree(draft, ignore_errors=True)
            if not target.is_dir():  # else somebody else kept the same a moment ago
                raise


def _digest(sources: Mapping[str, bytes]) -> str:
    found = hashlib.sha256()
    for name, content in sorted(sources.items()):
        found.update(f"{len(name)} {len(content)} {name}".encode("utf-8", "surrogateescape"))
        found.update(content)
    return found.hexdigest()


def _sources(module_path: str, folders: Sequence[str]) -> dict[str, bytes]:
    """The modules of a plugin: `<number of the folder>/<path in it>`, as `isp_plugin_sdk.serve.kept` looks for them."""
    for place in (_around(module_path, folders), _own(module_path, folders)):
        files = list(_bounded(place))
        if len(files) <= MAX_FILES and sum(file.stat().st_size for file in files) <= MAX_BYTES:
            return {_name_of(file, folders): file.read_bytes() for file in files}
    return {}


def _around(module_path: str, folders: Sequence[str]) -> list[Path]:
    """The outermost folder of a module's path, in each folder of the plugin path that has one; of a module on top, the modules there."""
    top, _, below = module_path.partition(".")
    found = [Path(folder, top) for folder in folders if Path(folder, top).is_dir()]
    return found if below or found else [file for folder in folders for file in Path(folder).glob("*.py")]


def _own(module_path: str, folders: Sequence[str]) -> list[Path]:
    """The outermost package around a module that is no plain folder, or the module's file."""
    names = module_path.split(".")
    for count in range(1, len(names) + 1):
        found = search.find_dotted(names[:count], folders)
        if found is not None and found.file is not None:
            return [Path(found.locations[0] if found.locations else found.file)]
    return []


def _bounded(places: Sequence[Path]) -> Iterator[Path]:
    """Modules at and below some places, one more than are kept at most; links are not followed."""
    count = 0
    for place in places:
        for file in _below(place):
            yield file
            count += 1
            if count > MAX_FILES:
                return


def _below(place: Path) -> Iterator[Path]:
    if place.is_file():
        yield place
        return
    for folder, names, files in os.walk(place):
        names[:] = [name for name in names if name != "__pycache__" and not name.startswith(".")]
        for name in files:
            file = Path(folder, name)
            if name.endswith(".py") and not file.is_symlink():
                yield file


def _name_of(file: Path, folders: Sequence[str]) -> str:
    number, folder = next(
        (number, folder) for number, folder in enumerate(folders) if file.is_relative_to(folder)
    )
    return f"{number}/{file.relative_to(folder)}"
