"""What goes wrong inside a dispatch: each stays with the subscription it belongs to and is told in its outcome."""

from isp_plugins.errors import ConflictError, InvalidInputError, UnavailableError


class CallTimedOutError(UnavailableError):
    """{plugin}.{method} did not return in time on {hook}: expected at most {limit_ms:g} ms. Do less in the call, move the work to an event subscription, or raise timeout_ms."""


class FilterValueRefusedError(InvalidInputError):
    """What the filter returned does not fit the hook {hook}: {summary}. A filter returns the whole value, changed or not; GET /api/v1/hooks/{hook} shows its schema."""


class LoopThreadError(ConflictError):
    """A coroutine method cannot run in dispatch_sync on the event loop's own thread, which would wait for itself. Use `await dispatch(...)` there."""


class NoLoopError(ConflictError):
    """A coroutine method needs the plugin system's event loop, and none is running. Open the system with BlockingPluginSystem, or dispatch from its loop."""


class ReloadingError(UnavailableError):
    """{plugin} is being reloaded, and dispatch_sync on the event loop's own thread cannot wait for it. Use `await dispatch(...)` there, or try again."""


class CallStoppedError(ConflictError):
    """The plugin was stopped during the dispatch."""


class WorkerDownError(ConflictError):
    """The plugin's worker died and is not up again."""


class BreakerOpenError(ConflictError):
    """The plugin's circuit breaker lets one call try, and this is another."""


class CallAbandonedError(UnavailableError):
    """The dispatch went on without this thread."""
