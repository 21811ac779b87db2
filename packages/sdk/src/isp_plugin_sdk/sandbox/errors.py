"""The errors of the sandbox: what was not granted, which grants or policies cannot be used, and what the kernel lacks."""

import errno
from typing import Any

from isp_plugin_sdk.errors import PluginSdkError


class NotGrantedError(PluginSdkError, PermissionError):
    """The plugin is not granted {what}. If it needs it, its manifest must ask for it with `{grant}`, and the operator must accept that."""

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)
        self.errno = errno.EACCES
        self.strerror = self.args[0]


class NeverGrantedError(NotGrantedError):
    """A plugin in a sandbox cannot have {what}: {instead}."""


class GrantsInvalidError(PluginSdkError, ValueError):
    """The grants cannot be used: {summary}."""

    @property
    def mistakes(self) -> list[dict[str, Any]]:
        """Every mistake: `{path, message}`."""
        return list(self.fields["mistakes"])


class PolicyInvalidError(PluginSdkError, ValueError):
    """The sandbox's policy cannot be used: expected {expected}, got {got}."""


class SandboxIncompleteError(PluginSdkError):
    """The sandbox is required, and this kernel or user cannot give all of it: {missing}.

    Use a newer kernel, or set ISP_PLUGINS_SANDBOX=best-effort to run plugins with what there is.
    """
