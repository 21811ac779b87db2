"""All that a plugin needs; standard library only."""

from isp_plugin_sdk.context import PluginContext
from isp_plugin_sdk.errors import (
    CalledOnEventLoopError,
    DeclarationInvalidError,
    HostCallTimedOutError,
    NotJsonError,
    PluginSdkError,
    Reject,
    RetryLater,
)
from isp_plugin_sdk.hooks import action, event, filter  # noqa: A004  the specification's word for this hook type
from isp_plugin_sdk.plugin import PluginInterface
from isp_plugin_sdk.schedules import schedule

__version__ = "0.1.0"

__all__ = [
    "CalledOnEventLoopError",
    "DeclarationInvalidError",
    "HostCallTimedOutError",
    "NotJsonError",
    "PluginContext",
    "PluginInterface",
    "PluginSdkError",
    "Reject",
    "RetryLater",
    "action",
    "event",
    "filter",
    "schedule",
]
