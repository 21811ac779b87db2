"""What plugins do, written down off the hot path: their logs, statistics and metrics."""

from isp_plugins.telemetry.errors import LogPageTooDeepError
from isp_plugins.telemetry.logs import PluginLogs
from isp_plugins.telemetry.observer import LoggingObserver
from isp_plugins.telemetry.records import LogFilters, LogRecord, LogView

__all__ = ["LogFilters", "LogPageTooDeepError", "LogRecord", "LogView", "LoggingObserver", "PluginLogs"]
