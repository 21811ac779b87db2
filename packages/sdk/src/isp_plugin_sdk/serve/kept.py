"""Loads a plugin's modules from the copy that its host keeps of them, under the names and places of the originals.

1. What the copy holds comes from it, whatever lies on the disk by now; anything else is looked for on the disk.
2. `__file__` and `__path__` are the originals', so that data files beside the code are found where they are.
"""

import os
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from types import CodeType, ModuleType


class KeptLoader(SourceFileLoader):
    """Compiles the kept source of an original file; bytecode beside the original is never used."""

    def __init__(self, fullname: str, path: str, kept: str) -> None:
        super().__init__(fullname, path)
        self._kept = kept

    def get_data(self, path: str) -> bytes:
        """The kept source; of any other file what is on the disk."""
        return super().get_data(self._kept if path == self.path else path)

    def get_code(self, fullname: str) -> CodeType:
        """The module's code."""
        del fullname
        code: CodeType = self.source_to_code(self.get_data(self.path), self.path)
        return code


class KeptFinder:
    """Stands before all other finders.

    Args:
        copy: The folder with the copies: `<number of the folder>/<path in it>`.
        folders: The originals' real folders, in the order of those numbers.
        never: Top-level names that are not the plugin's.
    """

    def __init__(self, copy: str, folders: Sequence[str], never: frozenset[str]) -> None:
        self._places = {folder: os.path.join(copy, str(number)) for number, folder in enumerate(folders)}  # noqa: PTH118  pathlib costs a worker's start
        self._folders = list(folders)
        self._never = never

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a kept module, or None."""
        del target
        if path is None and fullname in self._never:
            return None
        name = fullname.rpartition(".")[2]
        for entry in self._folders if path is None else path:
            kept = self._kept(f"{entry}{os.sep}{name}")
            if kept is None:
                continue
            package, module = f"{kept}{os.sep}__init__.py", f"{kept}.py"
            if os.path.isfile(package):  # noqa: PTH113  pathlib costs a worker's start
                return _spec(fullname, f"{entry}{os.sep}{name}{os.sep}__init__.py", package, is_package=True)
            if os.path.isfile(module):  # noqa: PTH113  pathlib costs a worker's start
                return _spec(fullname, f"{entry}{os.sep}{name}.py", module, is_package=False)
        return None

    def _kept(self, original: str) -> str | None:
        """Where the copy of something would be."""
        for folder, place in self._places.items():
            if original.startswith(folder + os.sep):
                return place + original[len(folder) :]
        return None


def _spec(fullname: str, original: str, kept: str, *, is_package: bool) -> ModuleSpec | None:
    locations = [os.path.dirname(original)] if is_package else None  # noqa: PTH120  pathlib costs a worker's start
    loader = KeptLoader(fullname, original, kept)
    return spec_from_file_location(fullname, original, loader=loader, submodule_search_locations=locations)
