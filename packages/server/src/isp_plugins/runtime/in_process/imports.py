"""The private world of modules that one load of a plugin lives in.

1. Each load has a root package of its own, `isp_plugin_<id>_<generation>`, whose search path is the plugin path. Names are unique in
   the process, so two loads of a module live side by side, and since Python locks imports by name, one that hangs blocks nobody.
2. Code is compiled from its source at every load: a stale `.pyc`, or a change within the same second, never runs old code.
   (An extension module is the exception: once in the process, Python keeps it.)
3. A plugin's absolute imports of its own modules reach the same load, at import time and later: each module's builtins carry an
   `__import__` that knows its load. What does not pass there (`importlib.import_module("plugins.x")`) gets a message.
   The price: a name that somebody adds to Python's builtins after a load began (`gettext.install`) is not seen in that load.
4. The plugin's own are: everything below the first name of its module path; other modules and packages of the plugin path that do not
   hide the standard library or the SDK; and folders of the plugin path that nobody else answers for.
5. A closed load finds nothing any more, and its modules leave `sys.modules`.
"""

import builtins
import importlib
import linecache
import sys
import threading
from collections.abc import Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ExtensionFileLoader, ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from types import CodeType, FrameType, ModuleType
from typing import Any

from isp_plugins.runtime import search
from isp_plugins.runtime.in_process import app_alias

PREFIX = "isp_plugin_"
SHARED = sys.stdlib_module_names | {"app", "isp_plugin_sdk", "isp_plugins"}
"""Top-level names that the plugin path never hides."""

_loads: dict[str, "Load"] = {}
_attempts: dict[str, int] = {}
_changing = threading.Lock()


class Load:
    """One load of one plugin: its root package and what belongs to it."""

    def __init__(self, plugin_id: int, generation: int, module_path: str, folders: Sequence[str]) -> None:
        self.module_path = module_path
        self.folders = tuple(folders)
        self._top = module_path.partition(".")[0]
        self._owned: dict[str, bool] = {}
        self.builtins: dict[str, Any] = {**vars(builtins), "__import__": self._import}
        self.root = _register(f"{PREFIX}{plugin_id}_{generation}", self)

    def import_main(self) -> ModuleType:
        """Import the plugin's module; whatever its code raises passes through."""
        return importlib.import_module(f"{self.root}.{self.module_path}")

    @property
    def closed(self) -> bool:
        """Whether it was given up or stopped."""
        return self.root not in _loads

    def close(self) -> dict[str, ModuleType]:
        """Forget every module of this load and return them; doing it again does nothing."""
        _loads.pop(self.root, None)
        names = [name for name in list(sys.modules) if name == self.root or name.startswith(f"{self.root}.")]
        return {name: sys.modules.pop(name) for name in names if name in sys.modules}

    def reopen(self, modules: Mapping[str, ModuleType]) -> None:
        """Bring back what `close` returned: the same code, whatever lies on the disk by now."""
        sys.modules.update(modules)
        _loads[self.root] = self

    def owns(self, top: str) -> bool:
        """Whether an absolute import of a top-level name means this load, before anybody else is asked."""
        owned = self._owned.get(top)
        if owned is None:
            owned = self._owned[top] = self._decide(top)
        return owned

    def spec(self, fullname: str, search_path: Sequence[str]) -> ModuleSpec | None:
        """The spec of one of this load's modules, or None where there is no such file."""
        found = search.find(fullname.rpartition(".")[2], search_path, self.folders)
        if found is None:
            return None
        if found.file is None:
            return _package(fullname, found.locations or ())
        loader = _loader_of(fullname, found.file, self)
        locations = None if found.locations is None else list(found.locations)
        return spec_from_file_location(
            fullname, found.file, loader=loader, submodule_search_locations=locations
        )

    def _decide(self, top: str) -> bool:
        if top in SHARED:
            return False
        if top == self._top:
            return True
        try:
            found = search.find(top, self.folders, self.folders)
        except search.LinkLeavesPathError:
            return False  # told where nobody else has that name: see `_import_unanswered`
        return found is not None and found.file is not None

    def _import(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,  # noqa: A002  the signature of builtins.__import__
        locals: Mapping[str, Any] | None = None,  # noqa: A002  the signature of builtins.__import__
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """What `import` statements in this load's modules call (rule 3)."""
        if level == 0 and self.owns(name.partition(".")[0]):
            return self._import_own(name, fromlist)
        try:
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        except ModuleNotFoundError as error:
            if level or error.name is None or not f"{name}.".startswith(f"{error.name}."):
                raise
            stranger = self._import_unanswered(name, fromlist)
            if stranger is None:
                raise
            return stranger

    def _import_own(self, name: str, fromlist: Sequence[str] | None) -> ModuleType:
        """Import below the root; as `__import__` does, return the leaf for a `from` import and the outermost package else."""
        leaf = builtins.__import__(f"{self.root}.{name}", None, None, fromlist or (), 0)
        return leaf if fromlist else sys.modules[f"{self.root}.{name.partition('.')[0]}"]

    def _import_unanswered(self, name: str, fromlist: Sequence[str] | None) -> ModuleType | None:
        """A module that nobody else has: a plain folder of the plugin path, or the contract beside a host's `app.py`."""
        if search.find_dotted(name.split("."), self.folders) is not None:
            return self._import_own(name, fromlist)
        return app_alias.stand_in(name) if fromlist else None


class _SourceLoader(SourceFileLoader):
    """Compiles a load's module from its source, with the load's builtins; reads and writes no bytecode."""

    def __init__(self, fullname: str, path: str, load: Load) -> None:
        super().__init__(fullname, path)
        self._load = load

    def get_code(self, fullname: str) -> CodeType:
        """The compiled source as it is now on disk."""
        path = self.get_filename(fullname)
        linecache.cache.pop(path, None)  # tracebacks shall quote the new text, too
        return self.source_to_code(self.get_data(path), path)

    def exec_module(self, module: ModuleType) -> None:
        """Run the module's code under the load's builtins."""
        module.__dict__["__builtins__"] = self._load.builtins
        super().exec_module(module)


class _RootFinder(MetaPathFinder):
    """Finds the modules of open loads, by the root package in their names; stands first, so that nobody else looks into the folders."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a load's module, or None for every other name."""
        if not fullname.startswith(PREFIX):
            return None
        root, _, below = fullname.partition(".")
        load = _loads.get(root)
        if load is None:
            return None
        return load.spec(fullname, path or ()) if below else _package(root, load.folders)


class _HintFinder(MetaPathFinder):
    """Tells a plugin that imports its own modules around the import statement how to do it; stands last."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Never a spec: a message for what is the importing plugin's own, None else."""
        load = _importing()
        if load is not None and path is None and load.owns(fullname):
            raise ModuleNotFoundError(
                f"No module named {fullname!r} outside this plugin's own load: use an import statement, or import relatively, "
                f"as in importlib.import_module('.name', __package__)",
                name=fullname,
            )
        return None


def install() -> None:
    """Put the finders on `sys.meta_path`, once in a process."""
    with _changing:
        if not any(isinstance(finder, _RootFinder) for finder in sys.meta_path):
            sys.meta_path.insert(0, _RootFinder())
            sys.meta_path.append(_HintFinder())
    app_alias.install()


def _register(name: str, load: Load) -> str:
    """A root name that no load of this process ever had: a hanging import of an earlier attempt may still hold the old one's lock."""
    with _changing:
        attempt = _attempts[name] = _attempts.get(name, 0) + 1
        root = name if attempt == 1 else f"{name}_{attempt}"
        _loads[root] = load
        return root


def _package(name: str, locations: Sequence[str]) -> ModuleSpec:
    """The spec of a package without a file."""
    spec = ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = list(locations)
    return spec


def _loader_of(fullname: str, file: str, load: Load) -> SourceFileLoader | ExtensionFileLoader:
    return (
        _SourceLoader(fullname, file, load) if file.endswith(".py") else ExtensionFileLoader(fullname, file)
    )


def _importing() -> Load | None:
    """The load whose code is nearest on this thread's stack."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001  the only way to learn who imports; runs only after everybody else failed
    while frame is not None:
        name = frame.f_globals.get("__name__")
        if isinstance(name, str) and name.startswith(PREFIX):
            return _loads.get(name.partition(".")[0])
        frame = frame.f_back
    return None
