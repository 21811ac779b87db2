"""Counts the calls of each plugin that ran past their deadline and never returned; too many put it into quarantine.

1. What hung already when the operator enabled the plugin is forgiven.
2. The count may be told from any thread.
"""

from isp_plugins.lifecycle.quarantine import quarantine
from isp_plugins.lifecycle.stage import Stage
from isp_plugins.lifecycle.whole import WholeOperations


class Abandonment:
    """The counts of one node."""

    def __init__(self, stage: Stage, operations: WholeOperations) -> None:
        self._stage = stage
        self._operations = operations
        self._forgiven: dict[int, int] = {}

    def forgive(self, plugin_id: int) -> None:
        """What hangs now does not count from here on."""
        self._forgiven[plugin_id] = self._stage.hung(plugin_id)

    def count(self, plugin_id: int) -> None:
        """Look at what hangs of a plugin that runs."""
        instance = self._stage.instances.get(plugin_id)
        if instance is not None:
            self.tell(plugin_id, max(instance.running.abandoned_threads, self._stage.hung(plugin_id)))

    def tell(self, plugin_id: int, count: int) -> None:
        """So many of its calls hang."""
        if count - self._forgiven.get(plugin_id, 0) >= self._stage.settings.abandoned_thread_limit:
            self._operations.loop.call_soon_threadsafe(self._quarantine, plugin_id, count)

    def _quarantine(self, plugin_id: int, count: int) -> None:
        if not self._operations.closing:
            cause = f"{count} of its calls ran past their deadline and never returned, each holding a thread. Mend it, then enable it again."
            self._operations.begin(quarantine(self._stage, plugin_id, cause))
