"""What plugins do, written down: their logs, off the hot path."""

from isp_plugins.telemetry.errors import LogPageTooDeepError
from isp_plugins.telemetry.logs import PluginLogs
from isp_plugins.telemetry.observer import LoggingObserver
from isp_plugins.telemetry.records import LogFilters, LogRecord, LogView

__all__ = ["LogFilters", "LogPageTooDeepError", "LogRecord", "LogView", "LoggingObserver", "PluginLogs"]
