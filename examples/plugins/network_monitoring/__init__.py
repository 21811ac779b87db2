"""Reachability of an ISP's devices: probed in their turn, damped, told when it changes."""

from .plugin import NetworkMonitoringPlugin

__version__ = "1.0.0"
__all__ = ["NetworkMonitoringPlugin", "__version__"]
