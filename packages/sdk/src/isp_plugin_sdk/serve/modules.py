"""Where a worker finds the plugin's modules: in its folders first, but never in place of the standard library or the SDK.

1. A module or package in a folder of `--path` is the plugin's, unless its name is the standard library's, the SDK's or `app`.
2. What the host keeps a copy of (`--kept`) comes from that copy (`kept`).
3. A plain folder there (without `__init__.py`) is the plugin's where the plugin's own module lies in it, or where nobody else has that name.
"""

import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

SHARED = sys.stdlib_module_names | {"app", "isp_plugin_sdk"}
"""Top-level names that the plugin's folders never hide."""


class PluginFinder:
    """Stands first on `sys.meta_path`."""

    def __init__(self, folders: Sequence[str], top: str) -> None:
        self._folders = list(folders)
        self._top = top

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a top-level module of the plugin's, or None."""
        if path is not None or fullname in SHARED:
            return None
        spec = PathFinder.find_spec(fullname, self._folders, target)
        return spec if spec is not None and (spec.loader is not None or fullname == self._top) else None


def install(folders: Sequence[str], module_path: str, kept: str = "") -> tuple[str, ...]:
    """Let Python find the plugin's modules, those first that are kept; the real folders."""
    real = tuple(dict.fromkeys(os.path.realpath(folder) for folder in folders))
    if real:
        sys.meta_path.insert(0, PluginFinder(real, module_path.partition(".")[0]))
        sys.path.extend(real)
    if kept:
        from isp_plugin_sdk.serve.kept import KeptFinder

        sys.meta_path.insert(0, KeptFinder(kept, real, SHARED))
    return real


def folders_of(module: ModuleType, module_path: str) -> tuple[str, ...]:
    """Where an installed plugin's own files are: the folder around its outermost package."""
    file = getattr(module, "__file__", None)
    if not file:
        return ()
    above = os.path.realpath(file)
    is_package = os.path.basename(above).startswith("__init__.")  # noqa: PTH119  pathlib costs a worker's start
    for _ in range(module_path.count(".") + 1 + is_package):
        above = os.path.dirname(above)  # noqa: PTH120  pathlib costs a worker's start
    return (above,)
