"""The SDK's reasons for not starting or not calling a plugin, as the host's errors; the same in process and in a worker."""

from collections.abc import Mapping
from typing import Any

from isp_plugin_sdk.calling.errors import RefusalKind, StartKind
from isp_plugins.runtime.errors import (
    BindingError,
    ConstructorError,
    EntryPointMissingError,
    InitializeFailedError,
    MethodArityError,
    MethodNotCallableError,
    ModuleMissingError,
    NotAPluginError,
    ParametersInvalidError,
    PluginFailedError,
    PluginImportError,
)

_STARTS: Mapping[str, type[PluginFailedError]] = {
    StartKind.MODULE: ModuleMissingError,
    StartKind.IMPORT: PluginImportError,
    StartKind.ENTRY_POINT: EntryPointMissingError,
    StartKind.NOT_A_PLUGIN: NotAPluginError,
    StartKind.CONSTRUCTOR: ConstructorError,
    StartKind.INITIALIZE: InitializeFailedError,
}
_REFUSALS: Mapping[str, type[PluginFailedError]] = {
    RefusalKind.METHOD: MethodNotCallableError,
    RefusalKind.ARITY: MethodArityError,
    RefusalKind.PARAMETERS: ParametersInvalidError,
}


def start_failure(kind: str, reason: str, traceback: str, fields: Mapping[str, Any]) -> PluginFailedError:
    """Why a plugin did not come up; an unknown kind, or one whose fields are not there, is told in its own words."""
    try:
        return _STARTS.get(kind, PluginFailedError)(**{**fields, "reason": reason, "traceback": traceback})
    except (KeyError, TypeError):
        return PluginFailedError(reason=reason, traceback=traceback)


def refusal_of(kind: str, fields: Mapping[str, Any]) -> PluginFailedError:
    """Why a method was not called."""
    try:
        return _REFUSALS[kind](**fields)
    except (KeyError, TypeError):
        return BindingError(
            method=str(fields.get("method", "the method")), reason=str(fields.get("reason", kind))
        )
