"""The host of the ISP Framework Plugin System; `PluginSystem` and `Settings` are all that an embedding program needs."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isp_plugins.settings import Settings
    from isp_plugins.system import BlockingPluginSystem, PluginSystem

__all__ = ["BlockingPluginSystem", "PluginSystem", "Settings"]


def __getattr__(name: str) -> Any:
    """Import the public names on first use: the command line must not pay for the whole host."""
    if name == "Settings":
        from isp_plugins.settings import Settings

        return Settings
    if name in __all__:
        from isp_plugins import system

        return getattr(system, name)
    raise AttributeError(f"module 'isp_plugins' has no attribute {name!r}; it offers {', '.join(__all__)}")
