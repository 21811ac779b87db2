"""The plugin that a worker serves: found, constructed, initialised, and asked about itself."""

import copy
import importlib
import inspect
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from isp_plugin_sdk.calling import causes, methods
from isp_plugin_sdk.calling.binding import shown, signature_of
from isp_plugin_sdk.calling.construction import Construction, instead_of_true
from isp_plugin_sdk.calling.errors import CannotStartError, StartKind
from isp_plugin_sdk.context import PluginContext, Way
from isp_plugin_sdk.hooks import declarations
from isp_plugin_sdk.plugin import PluginInterface, defines
from isp_plugin_sdk.schedules import schedules
from isp_plugin_sdk.serve import confined, modules
from isp_plugin_sdk.serve.loop import LoopThread
from isp_plugin_sdk.serve.options import Options

CAPABILITIES = ("activate", "configure", "test_connection")
"""What a plugin may define beyond the base."""


class ObjectedError(Exception):
    """The plugin returned False where it should agree."""


class ServedPlugin:
    """One plugin of one worker.

    Args:
        options: What to serve.
        plugin_id: The host's number for it.
        name: The host's name for it.
        way: How its context reaches the host.
        loop: Where its coroutines run.
    """

    def __init__(self, options: Options, plugin_id: int, name: str, way: Way, loop: LoopThread) -> None:
        self._options = options
        self._plugin_id = plugin_id
        self._name = name
        self._way = way
        self._loop = loop
        self._root = options.module_path.partition(".")[0]
        self._folders: Sequence[str] = ()
        self._callable: dict[str, tuple[Callable[[Any], Any], bool]] = {}
        self._instance: PluginInterface | None = None

    def load(self, config: Mapping[str, Any], step: Callable[[str], None]) -> dict[str, Any]:
        """Import, construct and initialise, telling each step; what the plugin is. `CannotStartError`."""
        construction = self._construct(config, step)
        step("initialize")
        self._initialize(construction)
        return self._described(type(self.instance))

    def migrate(self, from_version: str, config: Mapping[str, Any]) -> dict[str, Any] | None:
        """What the plugin makes of another version's configuration, None where it leaves that alone; nothing is initialised. `CannotStartError`."""
        construction = self._construct(config, lambda _step: None)
        if not defines(self.instance, "migrate"):
            return None
        given = copy.deepcopy(dict(config))
        value = construction.guarded(
            StartKind.INITIALIZE, lambda: self._call(self._own("migrate"), from_version, given)
        )
        if not isinstance(value, Mapping):
            reason = f"migrate returned a value of type {type(value).__qualname__}, expected the configuration as a dict"
            raise CannotStartError(StartKind.INITIALIZE, reason, **construction.names)
        return dict(value)

    def _construct(self, config: Mapping[str, Any], step: Callable[[str], None]) -> Construction:
        """Import and construct, telling each step."""
        step("import")
        self._folders = modules.install(self._options.folders, self._options.module_path, self._options.kept)
        construction = Construction(
            self._options.module_path, self._options.entry_point, root="", folders=self._folders
        )
        module = construction.guarded(
            StartKind.IMPORT, lambda: importlib.import_module(self._options.module_path)
        )
        if not self._folders:
            self._folders = modules.folders_of(module, self._options.module_path)
        cls = construction.class_in(module, self._plugin_id)
        step("construct")
        context = PluginContext(self._name, way=self._way)
        logger = logging.getLogger(self._name)
        self._instance = construction.construct(cls, self._plugin_id, config, context, logger)
        return construction

    @property
    def instance(self) -> PluginInterface:
        """The plugin; only asked for once it is constructed."""
        if self._instance is None:
            raise LookupError("the plugin has not been initialised")
        return self._instance

    def hook_method(self, name: str) -> tuple[Callable[[Any], Any], bool]:
        """The named method, which takes one payload, and whether it is a coroutine function; `RefusedError`."""
        found = self._callable.get(name)
        if found is None:
            method = methods.payload_method(self.instance, self._root, name)
            found = self._callable[name] = (method, inspect.iscoroutinefunction(method))
        return found

    def method(self, name: str) -> Callable[..., Any]:
        """The named method, to be executed; `RefusedError`."""
        return methods.bound_method(self.instance, self._root, name)

    def cause(self, error: BaseException) -> causes.Cause:
        """What the plugin raised, as text."""
        return causes.describe(error, root="", folders=self._folders)

    def activate(self) -> None:
        """Let it start its background work."""
        if defines(self.instance, "activate"):
            self._agree(self._own("activate"))

    def configure(self, config: Mapping[str, Any]) -> None:
        """Hand over a new configuration; afterwards `self.config` is the new one."""
        given, before = copy.deepcopy(dict(config)), self.instance.config
        self._agree(self._own("configure"), given)
        if self.instance.config is before:
            self.instance.config = given

    def ask(self, name: str) -> Any:
        """What one of its methods without arguments returns."""
        value = self._call(self._own(name))
        return dict(value) if isinstance(value, Mapping) else value

    def clean_up(self) -> str | None:
        """Let go of everything; what went wrong."""
        confined.drain()
        try:
            return "cleanup returned False" if self._call(self.instance.cleanup) is False else None
        except BaseException as error:
            return f"cleanup failed: {self.cause(error).summary}"

    def _initialize(self, construction: Construction) -> None:
        try:
            self._try_to_initialize(construction)
        except CannotStartError as failure:
            problem = self.clean_up()
            if problem is not None:
                self.instance.logger.warning(
                    "cleanup after a failed initialize (%s): %s", failure.reason, problem
                )
            raise

    def _try_to_initialize(self, construction: Construction) -> None:
        value = construction.guarded(StartKind.INITIALIZE, lambda: self._call(self.instance.initialize))
        if value is not True:
            raise CannotStartError(StartKind.INITIALIZE, instead_of_true(value), **construction.names)

    def _described(self, cls: type[PluginInterface]) -> dict[str, Any]:
        """The answer to `initialize`."""
        hooks = [asdict(declaration) for declaration in declarations(cls)]
        names = methods.public_methods(cls, self._root)
        return {
            "hooks": hooks,
            "schedules": [{"method": one.method, "cron": one.cron} for one in schedules(cls)],
            "methods": [self._method(name) for name in names],
            "refused": methods.refused_methods(cls, self._root),
            "capabilities": [name for name in CAPABILITIES if defines(cls, name)],
        }

    def _method(self, name: str) -> dict[str, Any]:
        method: Any = getattr(self.instance, name)
        signature = signature_of(method) if callable(method) else None
        return {
            "name": name,
            "is_async": inspect.iscoroutinefunction(method),
            "takes_payload": callable(method) and (signature is None or methods.takes_one(signature)),
            "signature": shown(signature),
        }

    def _own(self, name: str) -> Callable[..., Any]:
        method: Callable[..., Any] = getattr(self.instance, name)
        return method

    def _agree(self, function: Callable[..., Any], *arguments: Any) -> None:
        if self._call(function, *arguments) is False:
            raise ObjectedError(f"{function.__name__} returned False; the plugin's log may say more")

    def _call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call it here; what can be awaited is awaited on the loop, while this thread waits."""
        value = function(*arguments)
        return self._loop.wait(value) if inspect.isawaitable(value) else value


def python_version() -> str:
    """The interpreter, for the handshake."""
    return f"python {'.'.join(map(str, sys.version_info[:3]))}"
