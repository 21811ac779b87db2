"""From a module path to a constructed plugin; blocking, so it runs in a daemon thread.

1. The file is looked for on the plugin path, and nowhere else.
2. The module is imported, the class taken from it and checked, its constructor's signature checked, the instance constructed.
3. Every mistake is told with what was expected and what came; what the plugin raises becomes text here.
"""

import asyncio
import copy
import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeVar

from isp_plugin_sdk.context import PluginContext
from isp_plugin_sdk.plugin import PluginInterface, building
from isp_plugins.contracts.runtime import StartRequest
from isp_plugins.runtime.errors import (
    ConstructorError,
    EntryPointMissingError,
    LoadTimedOutError,
    ModuleMissingError,
    ModuleOutsideFolderError,
    NotAPluginError,
    PluginFailedError,
    PluginImportError,
)
from isp_plugins.runtime.execute import shown
from isp_plugins.runtime.in_process import causes, search
from isp_plugins.runtime.in_process.imports import Load

_FROM_BASE = frozenset({"plugin_id", "config", "context", "logger"})
"""What `PluginInterface.__init__` sets: whoever misses one of these has not called it."""
_T = TypeVar("_T")


class Builder:
    """Builds one plugin, of a class that is loaded already where one is given; `instance` is there when the call has returned."""

    def __init__(
        self,
        load: Load,
        request: StartRequest,
        loop: asyncio.AbstractEventLoop,
        cls: type[PluginInterface] | None = None,
    ) -> None:
        self._load = load
        self._cls = cls
        self._request = request
        self._loop = loop
        self._step = "being imported"
        self.instance: PluginInterface | None = None

    def __call__(self) -> None:
        """Import, check and construct; raises a `PluginFailedError`."""
        cls = self._cls or self._import_class()
        self._step = "being constructed"
        if not self._load.closed:  # nobody waits any more for a load that was given up
            self.instance = self._construct(cls)

    def overdue(self, limit_s: float) -> LoadTimedOutError:
        """The error for a load that did not end in time, naming the step it is in."""
        return LoadTimedOutError(**self._names, step=self._step, limit_s=limit_s)

    @property
    def _names(self) -> dict[str, str]:
        return {"module_path": self._request.module_path, "entry_point": self._request.entry_point}

    def _import_class(self) -> type[PluginInterface]:
        self._locate()
        cls = self._class_in(self._guarded(PluginImportError, self._load.import_main))
        self._check_constructor(cls)
        return cls

    def _locate(self) -> None:
        """See that the file is there before anything runs."""
        try:
            found = search.find_dotted(self._request.module_path.split("."), self._load.folders)
        except search.LinkLeavesPathError as error:
            raise ModuleOutsideFolderError(path=error.path, target=error.target) from error
        if found is None or found.file is None:
            file = self._request.module_path.replace(".", "/")
            folders = ", ".join(self._load.folders) or "no folder at all"
            raise ModuleMissingError(
                **self._names, looked_for=f"{file}.py and {file}/__init__.py", folders=folders
            )

    def _class_in(self, module: ModuleType) -> type[PluginInterface]:
        """The plugin class that the entry point names."""
        missing: Any = object()
        found = self._guarded(PluginImportError, lambda: getattr(module, self._request.entry_point, missing))
        if found is missing:
            raise EntryPointMissingError(**self._names, reason=_what_there_is(module))
        reason = _why_no_plugin(found)
        if reason is not None:
            raise NotAPluginError(**self._names, reason=causes.without_root(reason, self._load.root))
        return found  # type: ignore[no-any-return]  # _why_no_plugin has looked

    def _check_constructor(self, cls: type[PluginInterface]) -> None:
        """The constructor must take a number and a configuration, by position."""
        try:
            signature = inspect.signature(cls)
        except (TypeError, ValueError):
            return
        try:
            signature.bind(self._request.plugin_id, {})
        except TypeError as error:
            raise ConstructorError(
                **self._names, reason=f"its signature is {shown(signature)}: {error}"
            ) from None

    def _construct(self, cls: type[PluginInterface]) -> PluginInterface:
        request = self._request
        config = copy.deepcopy(dict(request.config))
        context = PluginContext(request.plugin_name, request.host, self._loop)
        with building(context, request.logger):
            instance: Any = self._guarded(ConstructorError, lambda: cls(request.plugin_id, config))
        if not isinstance(instance, cls):
            reason = f"constructing it gives an object of type {type(instance).__qualname__}"
            raise ConstructorError(**self._names, reason=reason)
        if any(not hasattr(instance, name) for name in _FROM_BASE):
            raise ConstructorError(
                **self._names, reason="its __init__ does not call super().__init__(plugin_id, config)"
            )
        return instance

    def _guarded(self, kind: type[PluginFailedError], function: Callable[[], _T]) -> _T:
        """Run code of the plugin; what it raises becomes an error of that kind, as text."""
        try:
            return function()
        except BaseException as error:  # whatever a plugin raises stays with it, SystemExit included
            hint = _hint(error)
            cause = causes.describe(error, root=self._load.root, folders=self._load.folders)
        # Outside of the handler, so that the plugin's exception and its frames are not kept as the context of ours.
        raise kind(**self._names, reason=cause.summary + hint, traceback=cause.traceback)


def _what_there_is(module: ModuleType) -> str:
    """The plugin classes of a module, to choose from."""
    names = sorted(name for name, value in vars(module).items() if _why_no_plugin(value) is None)
    return (
        f"its plugin classes are {', '.join(names)}"
        if names
        else "it has no class that extends PluginInterface"
    )


def _why_no_plugin(found: Any) -> str | None:
    """Why something is no plugin class, or None."""
    if not isinstance(found, type):
        return f"it is of type {type(found).__qualname__}, not a class"
    if found is PluginInterface:
        return "it is PluginInterface itself"
    if issubclass(found, PluginInterface):
        return None
    namesake = next((base for base in found.__mro__[1:] if base.__name__ == PluginInterface.__name__), None)
    if namesake is not None:
        return f"its PluginInterface is a class of its own, from {namesake.__module__}"
    return f"its bases are {', '.join(base.__name__ for base in found.__bases__)}"


def _hint(error: BaseException) -> str:
    """What a missing attribute tells: the base's constructor has not run yet."""
    if (
        isinstance(error, AttributeError)
        and isinstance(error.obj, PluginInterface)
        and error.name in _FROM_BASE
    ):
        return f"; {error.name} is there once super().__init__(plugin_id, config) was called"
    return ""
