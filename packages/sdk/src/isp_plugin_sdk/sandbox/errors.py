"""The errors of the sandbox: which grants or policies cannot be used, and what the kernel lacks. `NotGrantedError` is everybody's, in `errors`."""

from typing import Any

from isp_plugin_sdk.errors import PluginSdkError


class GrantsInvalidError(PluginSdkError, ValueError):
    """The grants cannot be used: {summary}."""

    @property
    def mistakes(self) -> list[dict[str, Any]]:
        """Every mistake: `{path, message}`."""
        return list(self.fields["mistakes"])


class PolicyInvalidError(PluginSdkError, ValueError):
    """The sandbox's policy cannot be used: expected {expected}, got {got}."""


class SandboxIncompleteError(PluginSdkError):
    """The sandbox is required, and this kernel or user cannot give all of it: {missing}. Use a newer kernel, give plugins users of their own where the server is root (ISP_PLUGINS_SANDBOX_FIRST_UID), or set ISP_PLUGINS_SANDBOX=best-effort to run them with what there is."""
