"""What the engine's observer does in a host: write the plugin's log, and hand plugins whose calls fail or hang to the manager."""

from collections.abc import Callable

from isp_plugin_sdk.context import current_call
from isp_plugin_sdk.errors import RetryLater
from isp_plugins.contracts.hooks import Subscription
from isp_plugins.contracts.vocabulary import SubscriptionType
from isp_plugins.telemetry.logs import PluginLogs
from isp_plugins.telemetry.observer import LoggingObserver


class HostObserver(LoggingObserver):
    """Logs, trips and quarantines; the manager is known only after the engine is."""

    def __init__(self, logs: PluginLogs) -> None:
        super().__init__(logs)
        self.quarantine: Callable[[int, int], None] = lambda _plugin_id, _count: None
        self.trip: Callable[[Subscription, BaseException], None] = lambda _subscription, _error: None

    def failed(
        self, subscription: Subscription, error: BaseException, *, request_id: str, duration_ms: float | None
    ) -> None:
        """Log it, and let the plugin's circuit breaker know."""
        super().failed(subscription, error, request_id=request_id, duration_ms=duration_ms)
        if not _is_again(subscription, error):
            self.trip(subscription, error)

    def abandoned(self, plugin_id: int, count: int) -> None:
        """Log it, and let the manager decide whether it is one too many."""
        super().abandoned(plugin_id, count)
        self.quarantine(plugin_id, count)


def _is_again(subscription: Subscription, error: BaseException) -> bool:
    """Whether it is no news of the plugin: an event that failed before fails again, or the plugin itself asked for another time.

    An event that can never succeed would else open the circuit breaker again and again, and hold back all others.
    """
    if subscription.type is not SubscriptionType.EVENT:
        return False
    call = current_call.get()
    attempt = call.context.get("attempt", 1) if call is not None else 1
    return isinstance(error, RetryLater) or (isinstance(attempt, int) and attempt > 1)
