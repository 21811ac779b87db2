"""The composition root: `PluginSystem` opens and closes every service once, and is what a host embeds."""

from isp_plugins.system.blocking import BlockingPluginSystem
from isp_plugins.system.plugin_system import PluginSystem

__all__ = ["BlockingPluginSystem", "PluginSystem"]
