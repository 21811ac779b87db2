"""A stateful payment gateway on a loopback port, and the plugin as its registration describes it."""

import base64
import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from isp_plugin_sdk.testing import FakeHost, PluginHarness

FOLDER = Path(__file__).parents[1]


def _load(name: str) -> ModuleType:
    """A module beside this one; the tests are no package."""
    spec = importlib.util.spec_from_file_location(f"payment_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


double = _load("gateway")


@pytest.fixture
def gateway() -> Iterator[Any]:
    """A running gateway."""
    with double.running() as running:
        yield running


@pytest.fixture
def signed() -> Callable[..., dict[str, str]]:
    """What signs a callback's body."""
    sign: Callable[..., dict[str, str]] = double.signed
    return sign


@pytest.fixture
def config(gateway: Any) -> dict[str, Any]:
    """What an operator sets for that gateway."""
    return {
        "endpoint": gateway.url,
        "api_key": double.KEY,
        "webhook_secret": double.SECRET,
        "timeout": 2,
        "max_retries": 2,
    }


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
    (tmp_path / "plugins" / "payment_gateway").symlink_to(FOLDER, target_is_directory=True)

    def begin(config: dict[str, Any], **options: Any) -> PluginHarness:
        harness = PluginHarness.from_registration(
            registration, config, folder=tmp_path, **({"host": host, "deadline_s": 15.0} | options)
        )
        harness.start()
        harnesses.append(harness)
        return harness

    yield begin
    for harness in harnesses:
        harness.stop()


@pytest.fixture
def plugin(start: Callable[..., PluginHarness], config: dict[str, Any]) -> PluginHarness:
    """The plugin, running."""
    return start(config)


@pytest.fixture
def call_back(plugin: PluginHarness, gateway: Any) -> Callable[..., Any]:
    """Let the gateway call back: about an object, signed unless headers are given."""

    def deliver(
        kind: str, thing: dict[str, Any], *, to: PluginHarness | None = None, headers: Any = None, **more: Any
    ) -> Any:
        body = gateway.event(kind, thing, **more)
        payload = {
            "gateway": "stripe",
            "headers": double.signed(body) if headers is None else headers(body),
            "raw_body_ref": "data:application/json;base64," + base64.b64encode(body).decode(),
            "remote_ip": "198.51.100.7",
        }
        return (to or plugin).action("handle_callback", payload, hook="payment_callback_received")

    return deliver
