"""What plugins were called for, how often and how long: taken from the engine's counters, kept in minutes and hours."""

from isp_plugins.telemetry.stats.service import Statistics
from isp_plugins.telemetry.stats.windows import Window

__all__ = ["Statistics", "Window"]
