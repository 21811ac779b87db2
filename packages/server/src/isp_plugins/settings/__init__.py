"""The server's own settings: every limit with its default and its unit."""

from isp_plugins.settings.server import CLIENT_VARIABLES, Settings, SettingsError

__all__ = ["CLIENT_VARIABLES", "Settings", "SettingsError"]
