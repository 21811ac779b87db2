"""A plugin's own description, `plugin.toml`."""

from isp_plugin_sdk.manifest.values import (
    FileGrants,
    Grants,
    Limits,
    Manifest,
    PluginNeed,
    Requires,
    Schedule,
)

__all__ = ["FileGrants", "Grants", "Limits", "Manifest", "PluginNeed", "Requires", "Schedule"]
