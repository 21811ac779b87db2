"""A plugin's registration (the body that is POSTed to `/api/v1/plugins/`), read from a file, and the class that it names."""

import importlib
import itertools
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from isp_plugin_sdk.hooks import DEFAULT_PRIORITY, Declaration, FailurePolicy, HookType
from isp_plugin_sdk.plugin import PluginInterface
from isp_plugin_sdk.testing.errors import BindingError, ConstructionError

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Registration:
    """What a registration says, and the class it names."""

    name: str
    plugin_class: type[PluginInterface]
    config_schema: Mapping[str, Any]
    hooks: tuple[Declaration, ...]

    @classmethod
    def read(cls, source: Path | Mapping[str, Any], *, folder: Path) -> "Registration":
        """Read a registration (a file of JSON, or its content); `folder` is the plugin path in which `module_path` is looked up."""
        body: Mapping[str, Any] = (
            json.loads(source.read_text("utf-8")) if isinstance(source, Path) else source
        )
        return cls(
            name=body["name"],
            plugin_class=load_class(folder, body["module_path"], body["entry_point"]),
            config_schema=body.get("config_schema") or {},
            hooks=cls.hooks_of(body),
        )

    @staticmethod
    def hooks_of(body: Mapping[str, Any]) -> tuple[Declaration, ...]:
        """The subscriptions under `hooks`; `BindingError` where one is not the specification's `hook_data`."""
        return tuple(_hook(hook) for hook in body.get("hooks", []))


def load_class(folder: Path, module_path: str, entry_point: str) -> type[PluginInterface]:
    """Import a plugin's class under a private root package, as a host does; what its code raises passes through."""
    root = ModuleType(f"isp_plugin_under_test_{next(_numbers)}")
    root.__path__ = [str(folder)]
    sys.modules[root.__name__] = root
    module = importlib.import_module(f"{root.__name__}.{module_path}")
    found = getattr(module, entry_point, None)
    if not isinstance(found, type) or not issubclass(found, PluginInterface):
        raise ConstructionError(
            plugin=f"{module_path}:{entry_point}", problem="it is not a class that extends PluginInterface"
        )
    return found


def _hook(body: Mapping[str, Any]) -> Declaration:
    """One entry of `hooks`."""
    try:
        return Declaration(
            hook=body["hook_name"],
            type=HookType(body["hook_type"]),
            method=body["callback_method"],
            priority=body.get("priority", DEFAULT_PRIORITY),
            condition=body.get("conditions"),
            timeout_ms=body.get("timeout_ms"),
            failure_policy=FailurePolicy(body.get("failure_policy", "continue")),
            own_echo=body.get("own_echo", False),
            description=body.get("description", ""),
        )
    except (KeyError, ValueError) as error:
        raise BindingError(problem=f"{dict(body)!r}: {error!r}") from error
