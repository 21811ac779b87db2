"""What the engine's observer does in a host: write the plugin's log, and hand plugins whose calls hang to the manager."""

from collections.abc import Callable

from isp_plugins.telemetry.logs import PluginLogs
from isp_plugins.telemetry.observer import LoggingObserver


class HostObserver(LoggingObserver):
    """Logs, and quarantines; the manager is known only after the engine is."""

    def __init__(self, logs: PluginLogs) -> None:
        super().__init__(logs)
        self.quarantine: Callable[[int, int], None] = lambda _plugin_id, _count: None

    def abandoned(self, plugin_id: int, count: int) -> None:
        """Log it, and let the manager decide whether it is one too many."""
        super().abandoned(plugin_id, count)
        self.quarantine(plugin_id, count)
