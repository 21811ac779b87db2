"""Devices on loopback, and the plugin as its registration describes it."""

import importlib
import importlib.util
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from isp_plugin_sdk.testing import FakeHost, PluginHarness

FOLDER = Path(__file__).parents[1]
WAIT_S = 30.0


def _load(name: str) -> ModuleType:
    """A module beside this one; the tests are no package."""
    spec = importlib.util.spec_from_file_location(f"network_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


double = _load("fleet")


@pytest.fixture
def fleet() -> Iterator[Any]:
    """Six devices that answer."""
    with double.standing(6) as running:
        yield running


@pytest.fixture
def big_fleet() -> Iterator[Any]:
    """A thousand devices that answer."""
    with double.standing(1000) as running:
        yield running


@pytest.fixture
def config(fleet: Any) -> dict[str, Any]:
    """A fast configuration for the six."""
    return {
        "method": "tcp", "interval": 0.2, "recheck_interval": 0.05, "timeout": 0.5, "failures_down": 2, "successes_up": 2,
        "hold_seconds": 0, "devices": fleet.configuration(),
    }  # fmt: skip


@pytest.fixture
def host() -> FakeHost:
    """The host's storage, which outlives the plugin."""
    return FakeHost()


@pytest.fixture
def start(tmp_path: Path, host: FakeHost) -> Iterator[Callable[..., PluginHarness]]:
    """Start the plugin with a configuration; it lies where its module path looks for it."""
    harnesses: list[PluginHarness] = []
    registration = json.loads((FOLDER / "plugin.json").read_text("utf-8"))
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "network_monitoring").symlink_to(FOLDER, target_is_directory=True)

    def begin(config: dict[str, Any], **options: Any) -> PluginHarness:
        harness = PluginHarness.from_registration(
            registration, config, folder=tmp_path, **({"host": host, "deadline_s": 30.0} | options)
        )
        harness.start()
        harnesses.append(harness)
        return harness

    yield begin
    for harness in harnesses:
        harness.stop()


@pytest.fixture
def until() -> Callable[..., Any]:
    """Wait for a condition, and return what it returned."""

    def wait(condition: Callable[[], Any], what: str = "it") -> Any:
        deadline = time.monotonic() + WAIT_S
        while not (found := condition()):
            assert time.monotonic() < deadline, f"{what} did not happen"
            time.sleep(0.01)
        return found

    return wait


@pytest.fixture
def changes(host: FakeHost) -> Callable[[], list[tuple[Any, str, str]]]:
    """What `device_status_changed` was dispatched for: id, old, new."""

    def found() -> list[tuple[Any, str, str]]:
        told = [one.payload for one in list(host.dispatches) if one.hook == "device_status_changed"]
        return [(one["id"], one["old"], one["new"]) for one in told]

    return found


@pytest.fixture(scope="session")
def load() -> Callable[[str], ModuleType]:
    """A module of the plugin, by its name."""
    root = ModuleType("isp_plugin_network_rules")
    root.__path__ = [str(FOLDER.parent)]
    sys.modules[root.__name__] = root
    return lambda name: importlib.import_module(f"isp_plugin_network_rules.network_monitoring.{name}")
