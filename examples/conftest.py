"""Runs the examples' own tests where their authors run them, in the SDK's harness, and in a real worker; a copied example needs nothing of this."""

import pytest

from isp_plugin_sdk.testing import PluginHarness
from support.runtime_harness import HARNESSES

HARNESS, WORKER = "harness", "worker"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test that starts the plugin, once in each."""
    if "start" in metafunc.fixturenames:
        metafunc.parametrize("runs_in", [HARNESS, WORKER], indirect=True)


@pytest.fixture(autouse=True)
def runs_in(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `PluginHarness.from_registration` starts."""
    kind = getattr(request, "param", HARNESS)
    if kind != HARNESS:
        monkeypatch.setattr(PluginHarness, "from_registration", HARNESSES[kind].from_registration)
