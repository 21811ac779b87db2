"""Payloads of the hooks that tell about plugins themselves; `plugin` is the plugin's name."""

from typing import Any, Literal, TypedDict

from isp_plugin_sdk.payloads.common import Check, Payload

Health = Literal["healthy", "degraded", "unhealthy", "unknown"]
"""How well a plugin does."""


class Signature(TypedDict, total=False):
    """Who signed an artifact, and whether the signature holds."""

    identity: str | None
    issuer: str | None
    verified: bool


class PluginBeforeInstall(Payload, total=False):
    """A plugin is about to be installed; a filter may reject it. `scan` is what the scanner found."""

    manifest: dict[str, Any]
    digest: str
    signature: Signature | None
    scan: dict[str, Any]


class PluginInstalled(Payload, total=False):
    """A plugin was installed."""

    plugin: str
    version: str


class PluginEnabled(Payload, total=False):
    """A plugin was enabled."""

    plugin: str
    version: str


class PluginDisabled(Payload, total=False):
    """A plugin was disabled."""

    plugin: str
    version: str


class PluginUninstalled(Payload, total=False):
    """A plugin was uninstalled."""

    plugin: str
    version: str


class PluginConfigured(Payload, total=False):
    """A plugin's configuration changed; values are never told."""

    plugin: str
    changed_keys: list[str]


_Upgrade = TypedDict("_Upgrade", {"from": str, "to": str}, total=False)


class PluginUpgraded(_Upgrade, Payload, total=False):
    """A plugin was upgraded `from` one version `to` another."""

    plugin: str
    migrations: list[str]


class PluginHealthChanged(Payload, total=False):
    """A plugin's health changed; `checks` is what its last health check said, `reason` what the host knows, in words."""

    plugin: str
    old: Health
    new: Health
    checks: list[Check]


class PluginQuarantined(Payload, total=False):
    """A plugin failed too often and is left alone `until` a moment, for a `reason`; `window` in seconds."""

    plugin: str
    hook: str | None
    failures: int
    window: float
    until: str | None


class PluginHookFailed(Payload, total=False):
    """A plugin failed on a hook after `ms` milliseconds; its input is told by digest only."""

    plugin: str
    hook: str
    error: str
    ms: float | None
    input_digest: str


HOOKS: dict[str, type] = {
    "plugin_before_install": PluginBeforeInstall,
    "plugin_installed": PluginInstalled,
    "plugin_enabled": PluginEnabled,
    "plugin_disabled": PluginDisabled,
    "plugin_uninstalled": PluginUninstalled,
    "plugin_configured": PluginConfigured,
    "plugin_upgraded": PluginUpgraded,
    "plugin_health_changed": PluginHealthChanged,
    "plugin_quarantined": PluginQuarantined,
    "plugin_hook_failed": PluginHookFailed,
}
