"""`PluginHarness`: constructs, initialises and calls a plugin as the host does, without a host.

1. `async def` methods run on a loop, plain ones in a thread, each under a deadline; so a test sees what blocks and what hangs.
2. A filter works on a copy of its own; an action that changes its payload fails the test.
3. Conditions are the host's (they are CEL) and count as true here.
"""

import contextlib
import logging
import math
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from isp_plugin_sdk.context import PluginContext
from isp_plugin_sdk.errors import SchemaInvalidError
from isp_plugin_sdk.health import HealthReport, mistakes_in_report
from isp_plugin_sdk.hooks import DEFAULT_PRIORITY, Declaration, FailurePolicy, HookType, declarations
from isp_plugin_sdk.plugin import PluginInterface, building, defines
from isp_plugin_sdk.schema import to_json_schema, value_mistakes, with_defaults
from isp_plugin_sdk.testing import checks
from isp_plugin_sdk.testing.dispatch import Dispatched, run
from isp_plugin_sdk.testing.errors import (
    ConfigurationError,
    ConfigureError,
    ConstructionError,
    HealthReportError,
    InitializeError,
    MethodError,
    NotStartedError,
)
from isp_plugin_sdk.testing.fake_host import FakeHost
from isp_plugin_sdk.testing.registration import Registration
from isp_plugin_sdk.testing.runner import Runner, call_for

DEFAULT_DEADLINE_S = 5.0


class PluginHarness:
    """One plugin under test: `with PluginHarness(MyPlugin, {"key": "value"}) as harness: harness.action("on_created", {...})`.

    Args:
        plugin_class: The plugin's class.
        config: Its configuration; with a `schema`, defaults are filled in and mistakes fail the test.
        schema: The plugin's `config_schema`, short or JSON Schema.
        hooks: Subscriptions beside those that the class declares.
        host: A `FakeHost` prepared by the test.
        deadline_s: How long any one call may last, in seconds.
    """

    def __init__(
        self,
        plugin_class: type[PluginInterface],
        config: Mapping[str, Any] | None = None,
        *,
        schema: Mapping[str, Any] | None = None,
        hooks: tuple[Declaration, ...] = (),
        name: str | None = None,
        plugin_id: int = 1,
        host: FakeHost | None = None,
        deadline_s: float = DEFAULT_DEADLINE_S,
    ) -> None:
        self.plugin_class = plugin_class
        self.name = name or plugin_class.__name__
        self.plugin_id = plugin_id
        self.host = host or FakeHost()
        self.deadline_s = deadline_s
        self.records: list[logging.LogRecord] = []
        self._schema = schema
        self._config = dict(config or {})
        self._hooks = (*declarations(plugin_class), *hooks)
        self._plugin: PluginInterface | None = None
        self._runner: Runner | None = None

    @classmethod
    def from_registration(
        cls,
        source: Path | Mapping[str, Any],
        config: Mapping[str, Any] | None = None,
        *,
        folder: Path,
        **options: Any,
    ) -> Self:
        """A harness for what a registration names: class, schema and hooks; `folder` is the plugin path of `module_path`."""
        found = Registration.read(source, folder=folder)
        return cls(
            found.plugin_class,
            config,
            schema=found.config_schema,
            hooks=found.hooks,
            name=found.name,
            **options,
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Construct the plugin, initialise it, bind its hooks, and activate it."""
        config = self._checked(self._config)
        self._runner = Runner()
        try:
            self._plugin = self._construct(config)
            self._initialize()
            checks.check_bindings(self._plugin, self._hooks)
            self._run("activate")
        except BaseException:
            if self._plugin is not None:
                with contextlib.suppress(Exception):  # the failure that led here is the one to tell
                    self._run("cleanup")
            self._end()
            raise

    def stop(self) -> None:
        """Call `cleanup` and end everything that the harness runs."""
        if self._runner is None:
            return
        try:
            self._run("cleanup")
        finally:
            self._end()

    def _end(self) -> None:
        """Forget the instance and end the loop."""
        runner, self._plugin, self._runner = self._runner, None, None
        if runner is not None:
            runner.close()

    @property
    def plugin(self) -> PluginInterface:
        """The running instance."""
        if self._plugin is None:
            raise NotStartedError
        return self._plugin

    @property
    def messages(self) -> list[str]:
        """What the plugin has logged so far, as text."""
        return [record.getMessage() for record in self.records]

    def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call a public method, as `execute` does; returns a copy of its result, or raises what it raised."""
        function = checks.method_of(self.plugin, method)
        call = call_for("", self.deadline_s)
        result = self._running.call(function, *args, call=call, seconds=self.deadline_s, **kwargs)
        return checks.checked_result(method, result)

    def action(
        self, method: str, payload: Any, *, hook: str = "", context: Mapping[str, Any] | None = None
    ) -> Any:
        """Call a method as an action does; `PayloadMutatedError` where it changes the payload."""
        return self._turn(_bound(HookType.ACTION, method, hook), payload, context)

    def filter(
        self, method: str, value: Any, *, hook: str = "", context: Mapping[str, Any] | None = None
    ) -> Any:
        """Call a method as a filter does: on a copy of its own; returns the new value, or the one before where it returned None."""
        return self._turn(_bound(HookType.FILTER, method, hook), value, context)

    def event(
        self, method: str, payload: Any, *, hook: str = "", context: Mapping[str, Any] | None = None
    ) -> Any:
        """Call a method as an event does: on a copy of its own. `idempotency_key` and `attempt` can be set in the context."""
        given = {"idempotency_key": "test-event", "attempt": 1} | dict(context or {})
        return self._turn(_bound(HookType.EVENT, method, hook), payload, given)

    def dispatch(
        self, hook: str, payload: Any, *, context: Mapping[str, Any] | None = None, veto: bool | None = None
    ) -> Dispatched:
        """Run the plugin's subscriptions to a hook in order: actions and filters, then events; errors stay with their subscription.

        `veto` says whether the hook allows `Reject`; by default the catalogue's `*_before_*` hooks do.
        """
        allowed = "_before_" in hook if veto is None else veto
        hooks = [one for one in self._hooks if one.hook == hook]
        return run(lambda one, value: self._turn(one, value, context), hooks, hook, payload, veto=allowed)

    def health(self) -> HealthReport:
        """The plugin's health report; `HealthReportError` where it is malformed."""
        found = self._run("health_check")
        if mistakes := mistakes_in_report(found):
            raise HealthReportError(problem="; ".join(mistakes))
        report: HealthReport = checks.checked_result("health_check", found)
        return report

    def info(self) -> dict[str, Any]:
        """What `get_info` returns."""
        return dict(checks.checked_result("get_info", self._run("get_info")))

    def configure(self, config: Mapping[str, Any]) -> None:
        """Hand a new complete configuration to the running plugin, as the host does; `ConfigureError` where it refuses."""
        if not defines(self.plugin, "configure"):
            raise MethodError(
                method="configure", problem="the plugin does not define it; a host reloads such a plugin"
            )
        given, before = self._checked(config), self.plugin.config
        if self._run("configure", given) is False:
            raise ConfigureError(log="; ".join(self.messages) or "nothing")
        if self.plugin.config is before:
            self.plugin.config = given

    def test_connection(self) -> dict[str, Any]:
        """What the plugin's `test_connection` returns."""
        if not defines(self.plugin, "test_connection"):
            raise MethodError(method="test_connection", problem="the plugin does not define it")
        return dict(checks.checked_result("test_connection", self._run("test_connection")))

    @property
    def _running(self) -> Runner:
        """The runner; raises where the harness was not started."""
        if self._runner is None:
            raise NotStartedError
        return self._runner

    def _turn(self, one: Declaration, value: Any, context: Mapping[str, Any] | None) -> Any:
        """Call a hook's method with a copy of the value, and see that an action leaves it as it was."""
        function = checks.method_of(self.plugin, one.method)
        given, seconds = checks.private(value), min(self.deadline_s, (one.timeout_ms or math.inf) / 1000)
        call = call_for(one.hook, seconds, (self.name,), context)
        result = checks.checked_result(
            one.method, self._running.call(function, given, call=call, seconds=seconds)
        )
        if one.type is HookType.ACTION:
            checks.check_not_mutated(one.method, checks.private(value), given)
        return checks.private(value) if result is None and one.type is HookType.FILTER else result

    def _run(self, method: str, *args: Any) -> Any:
        """Call a lifecycle method, where the plugin has it."""
        function = getattr(self.plugin, method, None)
        if function is None:
            return None
        return self._running.call(function, *args, call=None, seconds=self.deadline_s)

    def _initialize(self) -> None:
        """Call `initialize`, which must return True."""
        returned = self._run("initialize")
        if returned is not True:
            raise InitializeError(got=repr(returned), log="; ".join(self.messages) or "nothing")

    @staticmethod
    def watched(config: dict[str, Any], schema: Mapping[str, Any] | None) -> dict[str, Any]:
        """What the plugin is handed; `isp-plugins sandbox learn` puts in its place what notes which secrets are read."""
        return config

    def _checked(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """A complete configuration of the plugin's own, as it is handed over."""
        return self.watched(self._complete(config), self._schema)

    def _complete(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """With defaults, checked."""
        if self._schema is None:
            return dict(checks.private(dict(config)))
        try:
            schema = to_json_schema(self._schema)
        except SchemaInvalidError as error:
            raise ConfigurationError(problem=str(error)) from error
        complete = with_defaults(schema, config)
        if mistakes := value_mistakes(schema, complete):
            raise ConfigurationError(
                problem="; ".join(f"{one['path']}: {one['message']}" for one in mistakes)
            )
        return dict(checks.private(complete))

    def _construct(self, config: dict[str, Any]) -> PluginInterface:
        """The instance, with context and logger in its hands."""
        context = PluginContext(self.name, self.host, self._running.loop)
        try:
            with building(context, self._logger()):
                plugin = self.plugin_class(self.plugin_id, config)
        except TypeError as error:
            raise ConstructionError(plugin=self.plugin_class.__name__, problem=str(error)) from error
        if getattr(plugin, "context", None) is not context:
            raise ConstructionError(
                plugin=self.plugin_class.__name__, problem="its constructor does not call the base's"
            )
        return plugin

    def _logger(self) -> logging.Logger:
        """A logger of this harness's own, whose records are kept."""
        logger = logging.Logger(f"isp_plugin.{self.name}", logging.DEBUG)  # noqa: LOG001  not shared with other tests
        logger.addHandler(_Keeping(self.records))
        return logger


def _bound(kind: HookType, method: str, hook: str) -> Declaration:
    """A subscription that a test makes up for one call."""
    return Declaration(
        hook,
        kind,
        method,
        DEFAULT_PRIORITY,
        None,
        None,
        FailurePolicy.CONTINUE,
        own_echo=False,
        description="",
    )


class _Keeping(logging.Handler):
    """Keeps records in a list."""

    def __init__(self, records: list[logging.LogRecord]) -> None:
        super().__init__()
        self._records = records

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one."""
        self._records.append(record)
