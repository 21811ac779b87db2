"""Runs the examples' own tests where their authors run them, in the SDK's harness, and in a real worker; a copied example needs nothing of this."""

from pathlib import Path

import pytest

from isp_plugin_sdk.testing import PluginHarness
from support.runtime_harness import HARNESSES

HARNESS, WORKER = "harness", "worker"
QUICK = {
    "email_notification": {"test_welcome", "test_configuration"},
    "network_monitoring": {"test_health", "test_devices"},
    "payment_gateway": {"test_payments"},
}
"""What of each example also runs in a worker in every run; the rest does in `make soak`."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test that starts the plugin, once in each."""
    if "start" not in metafunc.fixturenames:
        return
    file = Path(metafunc.definition.path)
    quick = file.stem in QUICK[file.parents[1].name]
    worker = pytest.param(WORKER, marks=() if quick else pytest.mark.soak)
    metafunc.parametrize("runs_in", [HARNESS, worker], indirect=True)


@pytest.fixture(autouse=True)
def runs_in(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `PluginHarness.from_registration` starts."""
    kind = getattr(request, "param", HARNESS)
    if kind != HARNESS:
        monkeypatch.setattr(PluginHarness, "from_registration", HARNESSES[kind].from_registration)
