"""Answers the specification's import path, `app.services.plugin_service`, when nobody else does.

1. The SDK installs that path itself, as a namespace package; but a host with an `app` package of its own hides it.
2. So a finder stands last on `sys.meta_path`: whatever the host's own `app` has, the host's own `app` answers.
3. A host whose `app` is a single file is no package, and Python asks no finder below it: then the load's own import (see `imports`)
   turns to `stand_in`.
"""

import sys
import threading
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

import isp_plugin_sdk

PACKAGES = ("app", "app.services")
CONTRACT = "app.services.plugin_service"

_installing = threading.Lock()


class _ContractLoader(Loader):
    """Fills the module of the contract with what the SDK exports for it."""

    def exec_module(self, module: ModuleType) -> None:
        """Give the module the SDK's public names."""
        names = list(isp_plugin_sdk.__all__)
        module.__dict__.update({name: getattr(isp_plugin_sdk, name) for name in names}, __all__=names)


class AppFinder(MetaPathFinder):
    """Knows three names, and is asked last."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of one of the three names, or None."""
        if fullname == CONTRACT:
            return ModuleSpec(fullname, _ContractLoader(), origin="isp_plugin_sdk")
        if fullname in PACKAGES:
            spec = ModuleSpec(fullname, None, is_package=True)
            spec.submodule_search_locations = []
            return spec
        return None


def install() -> None:
    """Append the finder to `sys.meta_path`, once in a process."""
    with _installing:
        if not any(isinstance(finder, AppFinder) for finder in sys.meta_path):
            sys.meta_path.append(AppFinder())


def stand_in(name: str) -> ModuleType | None:
    """A module for `from <name> import ...` beside a host's `app.py`; None for any other name."""
    if name not in {CONTRACT, "app.services"}:
        return None
    contract = ModuleType(CONTRACT)
    _ContractLoader().exec_module(contract)
    if name == CONTRACT:
        return contract
    services = ModuleType("app.services")
    services.__dict__["plugin_service"] = contract
    return services
