"""What a plugin's test is told when the plugin breaks a rule of the host; each is an `AssertionError` too, so that pytest shows it as a failure."""

from isp_plugin_sdk.errors import PluginSdkError


class HarnessError(PluginSdkError, AssertionError):
    """The plugin does not keep to the rules of its host."""


class NotStartedError(HarnessError):
    """The harness has not been started: use it as `with PluginHarness(MyPlugin, config) as harness:`."""


class ConstructionError(HarnessError):
    """{plugin} cannot be constructed as a host does it: {problem}. Derive from PluginInterface, and begin `__init__(self, plugin_id, config)` with `super().__init__(plugin_id, config)`."""


class ConfigurationError(HarnessError):
    """The configuration does not fit the schema: {problem}."""


class InitializeError(HarnessError):
    """`initialize` must return True, and returned {got}; the plugin logged: {log}."""


class ConfigureError(HarnessError):
    """`configure` refused the configuration: it returned False; the plugin logged: {log}."""


class BindingError(HarnessError):
    """Hooks cannot be bound: {problem}."""


class MethodError(HarnessError):
    """{method} cannot be called by a host: {problem}."""


class PayloadMutatedError(HarnessError):
    """{method} changed the payload at `{path}` from {before} to {after}: actions share one payload and must not change it; work on a copy, or bind the method as a filter."""


class ReturnValueError(HarnessError):
    """{method} must return a JSON value or None: {problem}."""


class HealthReportError(HarnessError):
    """`health_check` returned a malformed report: {problem}."""


class LoopBlockedError(HarnessError):
    """An `async def` method of the plugin blocks the host's event loop, on which everything else waits: await instead of blocking, or make the method a plain `def`."""


class DeadlineExceededError(HarnessError, TimeoutError):
    """{method} had {seconds:.3g} s and did not end; a host goes on without it, and counts its thread as abandoned."""
