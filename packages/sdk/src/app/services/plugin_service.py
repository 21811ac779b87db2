"""The import path of the specification, a contract that never changes: `from app.services.plugin_service import PluginInterface`."""

from isp_plugin_sdk import (
    CalledOnEventLoopError,
    DeclarationInvalidError,
    HostCallTimedOutError,
    NotJsonError,
    PluginContext,
    PluginInterface,
    PluginSdkError,
    Reject,
    RetryLater,
    action,
    event,
    filter,  # noqa: A004  the specification's word for this hook type
    schedule,
)

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
