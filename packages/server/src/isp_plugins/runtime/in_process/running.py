"""A running plugin in this process: every call into it has a deadline, and what it raises or returns wrongly becomes a readable error."""

import copy
import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from types import ModuleType
from typing import Any

from isp_plugin_sdk.calling import causes, reports
from isp_plugin_sdk.calling.construction import instead_of_true
from isp_plugin_sdk.errors import NotJsonError
from isp_plugin_sdk.hooks import declarations
from isp_plugin_sdk.plugin import PluginInterface, defines
from isp_plugin_sdk.schedules import schedules
from isp_plugin_sdk.values import json_copy
from isp_plugins.contracts.calls import Callee
from isp_plugins.contracts.runtime import AdoptsLoggers, DeclaredHook, DeclaredSchedule, StartRequest
from isp_plugins.contracts.vocabulary import SubscriptionType
from isp_plugins.runtime import execute as binding
from isp_plugins.runtime.errors import (
    ActivateFailedError,
    ConfigureFailedError,
    ExecutionFailedError,
    ExecutionTimedOutError,
    InfoFailedError,
    InitializeFailedError,
    PluginFailedError,
    PluginStoppedError,
    ResultNotJsonError,
)
from isp_plugins.runtime.in_process import methods
from isp_plugins.runtime.in_process.calls import Calls, Ending, Overdue, Raised, Returned
from isp_plugins.runtime.in_process.current import current_execution
from isp_plugins.runtime.in_process.imports import Load


class InProcessPlugin:
    """One instance, behind `contracts.runtime.RunningPlugin`; messages are not masked (see `runtime.errors`)."""

    def __init__(
        self,
        instance: PluginInterface,
        load: Load,
        request: StartRequest,
        calls: Calls,
        again: Callable[[StartRequest], Awaitable["InProcessPlugin"]],
        *,
        mask: Callable[[str], str],
    ) -> None:
        self._mask = mask
        self._plugin: PluginInterface | None = instance
        self._load = load
        self._request = request
        self._calls = calls
        self._again = again
        self._checking = 0
        """Health checks that began and did not end; one that hangs was abandoned."""
        self._modules: Mapping[str, ModuleType] = {}
        self._declared = tuple(_declared(type(instance)))
        self._scheduled = tuple(DeclaredSchedule(one.method, one.cron) for one in schedules(type(instance)))

    @property
    def declared_hooks(self) -> Sequence[DeclaredHook]:
        """Subscriptions its class declares."""
        return self._declared

    @property
    def declared_schedules(self) -> Sequence[DeclaredSchedule]:
        """Methods that its class wants run by the clock."""
        return self._scheduled

    @property
    def can_configure(self) -> bool:
        """Whether it takes a new configuration while running."""
        return defines(self._instance, "configure")

    @property
    def abandoned_threads(self) -> int:
        """Lifecycle and execute calls that ran past their deadline and still hold a thread."""
        return self._calls.abandoned

    def callee(self, method: str) -> Callee:
        """The named method, ready to call with a payload; `BindingError` where it does not exist or does not take exactly one."""
        return methods.callee_of(
            self._instance, self._load.root, method, trusted_inline=self._request.trusted_inline
        )

    async def initialize(self) -> None:
        """Call `initialize`, which must return True; `InitializeFailedError` says what it did instead. Then `cleanup` has been called, unless it hangs."""
        ending = await self._call(self._instance.initialize, self._request.initialize_deadline_s)
        failure = self._failure(InitializeFailedError, ending)
        if failure is None and isinstance(ending, Returned) and ending.value is not True:
            failure = InitializeFailedError(reason=instead_of_true(ending.value))
        if failure is None:
            return
        if not isinstance(ending, Overdue):
            await self._clean_up_after(failure)
        raise failure

    async def activate(self) -> None:
        """Call `activate` where there is one; it may return nothing or True. `ActivateFailedError`."""
        if defines(self._instance, "activate"):
            await self._agree(ActivateFailedError, "activate", partial(_method(self._instance, "activate")))

    async def configure(self, config: Mapping[str, Any]) -> None:
        """Call `configure(config)`, which may return nothing or True; afterwards `self.config` is the new one. `ConfigureFailedError`."""
        plugin = self._instance
        if not self.can_configure:
            raise ConfigureFailedError(reason="it has no method configure(config); reload it instead")
        given, before = copy.deepcopy(dict(config)), plugin.config
        await self._agree(ConfigureFailedError, "configure", partial(_method(plugin, "configure"), given))
        if plugin.config is before:
            plugin.config = given
        self._request = replace(self._request, config=copy.deepcopy(dict(config)))

    async def test_connection(self) -> Mapping[str, Any] | None:
        """What `test_connection` returns, as `{ok, message, ...}`: `ok` is false where it raises, hangs or returns something else. None where there is none."""
        plugin = self._instance
        if not defines(plugin, "test_connection"):
            return None
        ending = await self._call(_method(plugin, "test_connection"), self._request.initialize_deadline_s)
        failure = self._failure(PluginFailedError, ending)
        if failure is not None:
            return {"ok": False, "message": str(failure.fields["reason"])}
        return reports.connection(_value(ending))

    async def info(self) -> Mapping[str, Any]:
        """What `get_info` returns, within the load deadline; `InfoFailedError` where it raises or returns no JSON object."""
        ending = await self._call(self._instance.get_info, self._request.load_deadline_s)
        failure = self._failure(InfoFailedError, ending)
        if failure is not None:
            raise failure
        try:
            return reports.info(_value(ending))
        except reports.MalformedError as error:
            raise InfoFailedError(reason=str(error)) from None

    async def health(self, deadline_s: float) -> Mapping[str, Any]:
        """What `health_check` returns; where it raises, hangs or is malformed, an unhealthy report with the reason that is marked as no answer.

        While an earlier check hangs, that is the report, and nothing is called: each would hold another thread.
        """
        if self._checking:
            return reports.unhealthy("an earlier health check has not returned yet")
        ending = await self._call(self._checked(self._instance.health_check), deadline_s)
        failure = self._failure(PluginFailedError, ending)
        if failure is not None:
            return reports.unhealthy(str(failure.fields["reason"]))
        return reports.health(_value(ending))

    def _checked(self, check: Callable[[], Any]) -> Callable[[], Any]:
        """The health check, known to be under way from its first step to its last, however long that takes."""
        if inspect.iscoroutinefunction(check):

            async def awaited() -> Any:
                with self._under_way():
                    return await check()

            return awaited

        def plain() -> Any:
            with self._under_way():
                return check()

        return plain

    @contextmanager
    def _under_way(self) -> Iterator[None]:
        self._checking += 1
        try:
            yield
        finally:
            self._checking -= 1

    async def execute(self, method: str, parameters: Any, deadline_s: float) -> Any:
        """Call a public method of the plugin's own class and return its result, a JSON value; errors of `runtime.errors`."""
        plugin = self._instance
        bound = methods.bound_method(plugin, self._load.root, method)
        arguments = binding.bind(method, binding.signature_of(bound), parameters)
        with current_execution(deadline_s):
            ending = await self._call(partial(bound, *arguments.args, **arguments.kwargs), deadline_s)
        if isinstance(ending, Overdue):
            raise ExecutionTimedOutError(method=method, limit_s=deadline_s)
        failure = self._failure(ExecutionFailedError, ending, method=method)
        if failure is not None:
            raise failure
        return await self._json_result(method, _value(ending), deadline_s)

    async def stop(self) -> str | None:
        """Call `cleanup` and drop the instance and its modules; what went wrong, or None. Doing it again does nothing."""
        plugin, self._plugin = self._plugin, None
        if plugin is None:
            return None
        try:
            return await self._clean_up(plugin)
        finally:
            self._modules = self._load.close()
            if isinstance(self._request.logger, AdoptsLoggers):
                self._request.logger.release(self._load.root)

    async def restart(self) -> "InProcessPlugin":
        """After `stop`: a new instance of the same code, with the last configuration; raises a `PluginFailedError` as `start` does."""
        self._load.reopen(self._modules)
        return await self._again(self._request)

    @property
    def _instance(self) -> PluginInterface:
        if self._plugin is None:
            raise PluginStoppedError(plugin=self._request.plugin_name)
        return self._plugin

    async def _call(self, function: Callable[..., Any], deadline_s: float) -> Ending:
        return await self._calls.call(function, deadline_s=deadline_s)

    async def _agree(self, kind: type[PluginFailedError], name: str, function: Callable[[], Any]) -> None:
        """Call something that objects by raising or by returning False."""
        ending = await self._call(function, self._request.initialize_deadline_s)
        failure = self._failure(kind, ending)
        if failure is None and _value(ending) is False:
            failure = kind(reason=f"{name} returned False; the plugin's log may say more")
        if failure is not None:
            raise failure

    def _failure(
        self, kind: type[PluginFailedError], ending: Ending, **fields: Any
    ) -> PluginFailedError | None:
        """The error for a call that raised or is overdue, or None; what was raised is kept as text only."""
        if isinstance(ending, Overdue):
            return kind(reason=f"it did not return within {ending.limit_s:g} s and was abandoned", **fields)
        if isinstance(ending, Raised):
            cause = causes.describe(ending.error, root=self._load.root, folders=self._load.folders)
            reason = causes.shortened(cause.summary, self._mask)
            return kind(reason=reason, traceback=cause.traceback, **fields)
        return None

    async def _clean_up_after(self, failure: PluginFailedError) -> None:
        """Let go of what a failed `initialize` may have taken; the failure stays the cause."""
        problem = await self._clean_up(self._instance)
        if problem is not None:
            self._request.logger.warning("cleanup after a failed initialize (%s): %s", failure.cause, problem)

    async def _clean_up(self, plugin: PluginInterface) -> str | None:
        ending = await self._call(plugin.cleanup, self._request.cleanup_deadline_s)
        failure = self._failure(PluginFailedError, ending)
        if failure is not None:
            return f"cleanup failed: {failure.fields['reason']}"
        return "cleanup returned False" if _value(ending) is False else None

    async def _json_result(self, method: str, value: Any, deadline_s: float) -> Any:
        """The result as a copy, made in a thread: a large value shall not hold up the loop."""
        ending = await self._calls.in_thread(partial(json_copy, value, "the result"), deadline_s=deadline_s)
        if isinstance(ending, Returned):
            return ending.value
        if isinstance(ending, Raised) and isinstance(ending.error, NotJsonError):
            raise ResultNotJsonError(method=method, reason=reports.misfit(ending.error))
        raise ResultNotJsonError(method=method, reason="it changes while it is read, or is too large")


def _declared(cls: type) -> list[DeclaredHook]:
    """The SDK's declarations as the host's values."""
    found = [
        {name: getattr(declaration, name) for name in DeclaredHook.__slots__}
        for declaration in declarations(cls)
    ]
    return [
        DeclaredHook(
            **{**one, "type": SubscriptionType(one["type"]), "failure_policy": str(one["failure_policy"])}
        )
        for one in found
    ]


def _method(plugin: PluginInterface, name: str) -> Callable[..., Any]:
    """A method that the base does not define."""
    method: Callable[..., Any] = getattr(plugin, name)
    return method


def _value(ending: Ending) -> Any:
    """What a call returned; only asked where it did."""
    return ending.value if isinstance(ending, Returned) else None
