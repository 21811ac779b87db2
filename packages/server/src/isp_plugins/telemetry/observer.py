"""`LoggingObserver`: writes down what deserves a record of a dispatch: failures, and every invocation of a plugin at level DEBUG.

At most `TRACEBACKS_A_SECOND` failures of one subscription in a second get a traceback, since formatting one costs as much as a hundred
calls; the others are logged without it, none is left out.
"""

from isp_plugins.contracts.hooks import Subscription
from isp_plugins.contracts.vocabulary import LogLevel
from isp_plugins.telemetry.logs import PluginLogs
from isp_plugins.telemetry.records import LogRecord
from isp_plugins.telemetry.tracebacks import plugin_traceback, words_of

TRACEBACKS_A_SECOND = 20


class LoggingObserver:
    """A `DispatchObserver` that writes to `PluginLogs`; it may be called from any thread and never raises."""

    def __init__(self, logs: PluginLogs) -> None:
        self._logs = logs
        self._formatted: dict[int, tuple[int, int]] = {}

    def failed(
        self, subscription: Subscription, error: BaseException, *, request_id: str, duration_ms: float | None
    ) -> None:
        """An ERROR with the plugin's traceback."""
        self._write(
            subscription,
            LogLevel.ERROR,
            f"{_title(subscription)} failed: {words_of(error)}",
            request_id=request_id,
            duration_ms=duration_ms,
            traceback=plugin_traceback(error) if self._may_format(subscription.id) else None,
        )

    def invoked(
        self, subscription: Subscription, *, request_id: str, duration_ms: float, outcome: str
    ) -> None:
        """A DEBUG record: which method, how it ended, how long it took."""
        message = f"{_title(subscription)} ended: {outcome}"
        self._write(subscription, LogLevel.DEBUG, message, request_id=request_id, duration_ms=duration_ms)

    def condition_failed(self, subscription: Subscription, error: BaseException, *, request_id: str) -> None:
        """A WARNING with the condition and why it could not be evaluated."""
        message = f"The condition of {_title(subscription)} could not be evaluated and counted as false: {words_of(error)}; it is: {subscription.condition}"
        self._write(subscription, LogLevel.WARNING, message, request_id=request_id)

    def abandoned(self, plugin_id: int, count: int) -> None:
        """A WARNING: a thread of the plugin is stuck."""
        message = (
            f"A call ran past its deadline and its thread was abandoned; {count} so far. "
            "Give what it waits for a timeout shorter than the hook's deadline."
        )
        name = self._logs.name_of(plugin_id)
        self._logs.write(
            LogRecord(plugin_id=plugin_id, plugin_name=name, level=LogLevel.WARNING, message=message)
        )

    def _write(
        self,
        subscription: Subscription,
        level: LogLevel,
        message: str,
        *,
        request_id: str,
        duration_ms: float | None = None,
        traceback: str | None = None,
    ) -> None:
        self._logs.write(
            LogRecord(
                plugin_id=subscription.plugin_id,
                plugin_name=subscription.plugin_name,
                level=level,
                message=message,
                hook=subscription.hook,
                method=subscription.method,
                request_id=request_id,
                duration_ms=duration_ms,
                traceback=traceback,
            )
        )

    def _may_format(self, subscription_id: int) -> bool:
        """Whether this second has room for another traceback; threads may race by one or two, which does not matter."""
        second = int(self._logs.clock.monotonic())
        last, count = self._formatted.get(subscription_id, (second, 0))
        count = count + 1 if last == second else 1
        self._formatted[subscription_id] = (second, count)
        return count <= TRACEBACKS_A_SECOND


def _title(subscription: Subscription) -> str:
    return f"{subscription.hook} -> {subscription.method}"
