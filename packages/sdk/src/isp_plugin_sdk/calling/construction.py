"""From an imported module to a constructed plugin: every mistake is told with what was expected and what came.

1. The class is taken from the module and checked, its constructor's signature checked, the instance constructed.
2. What the plugin's code raises becomes text here; the exception and its frames are let go.
"""

import copy
import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any, TypeVar

from isp_plugin_sdk.calling import causes
from isp_plugin_sdk.calling.binding import shown
from isp_plugin_sdk.calling.errors import CannotStartError, StartKind
from isp_plugin_sdk.context import PluginContext
from isp_plugin_sdk.plugin import PluginInterface, building

_FROM_BASE = frozenset({"plugin_id", "config", "context", "logger"})
"""What `PluginInterface.__init__` sets: whoever misses one of these has not called it."""
_T = TypeVar("_T")


class Construction:
    """How one plugin is built.

    Args:
        module_path: The module's name, as the author knows it.
        entry_point: The name of the class.
        root: A private root package around the module, which is not shown; empty: none.
        folders: Where the plugin's own files are, for the place of an error.
    """

    def __init__(self, module_path: str, entry_point: str, *, root: str, folders: Sequence[str]) -> None:
        self.names = {"module_path": module_path, "entry_point": entry_point}
        self._root = root
        self._folders = folders

    def class_in(self, module: ModuleType, plugin_id: int) -> type[PluginInterface]:
        """The plugin class that the entry point names, with a constructor that fits."""
        missing: Any = object()
        entry_point = self.names["entry_point"]
        found = self.guarded(StartKind.IMPORT, lambda: getattr(module, entry_point, missing))
        if found is missing:
            raise self._cannot(StartKind.ENTRY_POINT, _what_there_is(module))
        reason = _why_no_plugin(found)
        if reason is not None:
            raise self._cannot(StartKind.NOT_A_PLUGIN, causes.without_root(reason, self._root))
        self._check_constructor(found, plugin_id)
        return found  # type: ignore[no-any-return]  # _why_no_plugin has looked

    def construct(
        self,
        cls: type[PluginInterface],
        plugin_id: int,
        config: Mapping[str, Any],
        context: PluginContext,
        logger: logging.Logger,
    ) -> PluginInterface:
        """The instance, with a configuration of its own."""
        own = copy.deepcopy(dict(config))
        with building(context, logger):
            instance: Any = self.guarded(StartKind.CONSTRUCTOR, lambda: cls(plugin_id, own))
        if not isinstance(instance, cls):
            reason = f"constructing it gives an object of type {type(instance).__qualname__}"
            raise self._cannot(StartKind.CONSTRUCTOR, reason)
        if any(not hasattr(instance, name) for name in _FROM_BASE):
            reason = "its __init__ does not call super().__init__(plugin_id, config)"
            raise self._cannot(StartKind.CONSTRUCTOR, reason)
        return instance

    def guarded(self, kind: StartKind, function: Callable[[], _T]) -> _T:
        """Run code of the plugin; what it raises becomes a `CannotStartError` of that kind."""
        try:
            return function()
        except BaseException as error:  # whatever a plugin raises stays with it, SystemExit included
            hint = _hint(error)
            cause = causes.describe(error, root=self._root, folders=self._folders)
        # Outside of the handler, so that the plugin's exception and its frames are not kept as the context of ours.
        raise self._cannot(kind, cause.summary + hint, cause.traceback)

    def _check_constructor(self, cls: type[PluginInterface], plugin_id: int) -> None:
        """The constructor must take a number and a configuration, by position."""
        try:
            signature = inspect.signature(cls)
        except (TypeError, ValueError):
            return
        try:
            signature.bind(plugin_id, {})
        except TypeError as error:
            reason = f"its signature is {shown(signature)}: {error}"
            raise self._cannot(StartKind.CONSTRUCTOR, reason) from None

    def _cannot(self, kind: StartKind, reason: str, traceback: str = "") -> CannotStartError:
        return CannotStartError(kind, reason, traceback, **self.names)


def instead_of_true(value: Any) -> str:
    """What `initialize` returned instead of True, and what to do."""
    if value is False:
        return "it returned False; the plugin's log may say more"
    if value is None:
        return "it returned None: expected `return True` at its end, or False where it did not succeed"
    return f"it returned a value of type {type(value).__qualname__}, expected True or False"


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
