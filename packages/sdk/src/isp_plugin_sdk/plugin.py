"""`PluginInterface`, the class that every plugin extends, and the way a host hands over context and logger.

A plugin may also define these methods, which the base leaves out so that a host can tell whether they are there:

- `activate(self)`: start background work; called after the plugin's hooks are live, also when a reload swaps instances.
- `configure(self, config)`: take a new complete configuration while running; without it a change of configuration is a reload.
  Return False or raise to refuse it: then nothing is saved, and the old configuration must still be in force.
- `migrate(self, from_version, config)`: called on a new version before it is started in place of another one: given the values that were set
  for that version (no defaults), return what is to be set for this one. It runs in a process of its own and may be called more than once,
  also only to look at its result; the instance was constructed with the old values and is never initialised. Raise to refuse the upgrade.
- `test_connection(self)`: try the peers with the present configuration; return `{"ok": bool, "message": str, ...}`.

Every method may be `def` (runs in a thread, may block) or `async def` (runs on the host's loop, must not block).
"""

import inspect
import logging
import sys
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from isp_plugin_sdk.context import PluginContext
from isp_plugin_sdk.health import passed, report

LIFECYCLE_METHODS = frozenset(
    {
        "initialize",
        "cleanup",
        "get_info",
        "health_check",
        "activate",
        "configure",
        "migrate",
        "test_connection",
    }
)
"""What only the host calls; never a hook's method, never executed by name."""

_building: ContextVar[tuple[PluginContext, logging.Logger] | None] = ContextVar(
    "isp_plugin_building", default=None
)


class PluginInterface:
    """Base of every plugin; a subclass overrides what it needs and adds the methods that hooks call.

    Args:
        plugin_id: The host's number for the plugin.
        config: The complete configuration: defaults filled in, secrets decrypted.
    """

    plugin_id: int
    config: dict[str, Any]
    context: PluginContext
    """The way to the host: storage, hooks, the current call."""
    logger: logging.Logger
    """What is logged here is the plugin's log; known secrets are masked by the host."""

    def __init__(self, plugin_id: int, config: dict[str, Any]) -> None:
        self.plugin_id = plugin_id
        self.config = config
        self.context, self.logger = _building.get() or _standalone(type(self))

    def initialize(self) -> bool | Awaitable[bool]:
        """Get ready to be called; return False or raise where that is impossible."""
        return True

    def cleanup(self) -> bool | Awaitable[bool]:
        """Let go of everything; called once, when no call is running any more."""
        return True

    def get_info(self) -> Mapping[str, Any] | Awaitable[Mapping[str, Any]]:
        """Name, version, status and description; by default of the class, the `__version__` of its module or package, and its docstring."""
        return {
            "name": type(self).__name__,
            "version": _version_of(type(self).__module__),
            "status": "active",
            "description": _own_docstring(type(self)),
        }

    def health_check(self) -> Mapping[str, Any] | Awaitable[Mapping[str, Any]]:
        """A health report (`isp_plugin_sdk.health`); by default healthy, with a check that says it is the default."""
        message = "This plugin defines no health check of its own; it is loaded and initialised."
        return dict(report(passed("default", message)))


def defines(plugin: object, method: str) -> bool:
    """Whether a plugin (or its class) defines a method beyond the base; tells about `activate`, `configure` and `test_connection`."""
    cls = plugin if isinstance(plugin, type) else type(plugin)
    found = getattr(cls, method, None)
    return callable(found) and found is not getattr(PluginInterface, method, None)


@contextmanager
def building(context: PluginContext, logger: logging.Logger) -> Iterator[None]:
    """Host side: what `PluginInterface.__init__` picks up as `self.context` and `self.logger` within the block."""
    token = _building.set((context, logger))
    try:
        yield
    finally:
        _building.reset(token)


def _standalone(cls: type) -> tuple[PluginContext, logging.Logger]:
    """Context and logger of a plugin that somebody constructs without a host."""
    return PluginContext(cls.__name__), logging.getLogger(f"isp_plugin.{cls.__name__}")


def _version_of(module: str) -> str:
    """The `__version__` of a module, or of the nearest package around it."""
    while module:
        version = getattr(sys.modules.get(module), "__version__", None)
        if version is not None:
            return str(version)
        module = module.rpartition(".")[0]
    return "unknown"


def _own_docstring(cls: type) -> str:
    """The first paragraph of the class's own docstring, in one line."""
    paragraph = inspect.cleandoc(cls.__dict__.get("__doc__") or "").split("\n\n", 1)[0]
    return " ".join(paragraph.split())
