"""Why a plugin cannot be started or called; each runtime turns these into its own, with the same fields."""

from enum import StrEnum
from typing import Any

from isp_plugin_sdk.errors import PluginSdkError


class StartKind(StrEnum):
    """What went wrong while a plugin was started."""

    MODULE = "module"
    """There is no such module."""
    IMPORT = "import"
    """The module's code raised."""
    ENTRY_POINT = "entry_point"
    """The module has no such class."""
    NOT_A_PLUGIN = "not_a_plugin"
    """The class does not extend `PluginInterface`."""
    CONSTRUCTOR = "constructor"
    """The class cannot be constructed."""
    INITIALIZE = "initialize"
    """`initialize` raised or did not return True."""


class RefusalKind(StrEnum):
    """Why a method was not called."""

    METHOD = "method"
    """It may not be called by name."""
    ARITY = "arity"
    """It does not take exactly one payload."""
    PARAMETERS = "parameters"
    """What was given does not fit its signature."""


class CannotStartError(Exception):
    """A plugin does not come up; all that the plugin raised is text here."""

    def __init__(self, kind: StartKind, reason: str, traceback: str = "", **fields: Any) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason
        self.traceback = traceback
        self.fields = fields


class RefusedError(PluginSdkError):
    """{method} is not called: {reason}."""

    kind: RefusalKind


class MethodRefusedError(RefusedError):
    """{method} is not a method of {plugin} that may be called: {reason}. {choices}."""

    kind = RefusalKind.METHOD


class ArityRefusedError(RefusedError):
    """{method} does not take one payload: its signature is {signature}, expected exactly one argument, as in `def {method}(self, payload)`."""

    kind = RefusalKind.ARITY


class ParametersRefusedError(RefusedError):
    """The parameters do not fit {method}{signature}: {reason}. An object is bound by name or goes whole to a method of one parameter, a list is bound by position."""

    kind = RefusalKind.PARAMETERS
