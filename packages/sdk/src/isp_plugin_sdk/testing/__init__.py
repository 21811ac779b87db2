"""Tests of a plugin without a host: `PluginHarness` plays the host's part, `FakeHost` keeps storage and records hooks."""

from isp_plugin_sdk.testing.dispatch import Dispatched, SubscriptionOutcome
from isp_plugin_sdk.testing.errors import (
    BindingError,
    ConfigurationError,
    ConfigureError,
    ConstructionError,
    DeadlineExceededError,
    HarnessError,
    HealthReportError,
    InitializeError,
    LoopBlockedError,
    MethodError,
    NotStartedError,
    PayloadMutatedError,
    ReturnValueError,
)
from isp_plugin_sdk.testing.fake_host import FakeHost, RecordedDispatch
from isp_plugin_sdk.testing.harness import PluginHarness
from isp_plugin_sdk.testing.registration import Registration, load_class

__all__ = [
    "BindingError",
    "ConfigurationError",
    "ConfigureError",
    "ConstructionError",
    "DeadlineExceededError",
    "Dispatched",
    "FakeHost",
    "HarnessError",
    "HealthReportError",
    "InitializeError",
    "LoopBlockedError",
    "MethodError",
    "NotStartedError",
    "PayloadMutatedError",
    "PluginHarness",
    "RecordedDispatch",
    "Registration",
    "ReturnValueError",
    "SubscriptionOutcome",
    "load_class",
]
