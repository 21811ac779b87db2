"""A running plugin in a worker: the same behaviour and errors as in process, over the channel."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any

from isp_plugin_sdk.calling import causes, reports
from isp_plugin_sdk.calling.errors import RefusalKind
from isp_plugin_sdk.context import CallInfo, current_call
from isp_plugin_sdk.errors import Reject, RetryLater
from isp_plugin_sdk.plugin import LIFECYCLE_METHODS, PluginInterface
from isp_plugin_sdk.wire.codes import Code
from isp_plugins.contracts.calls import Callee, CallMode
from isp_plugins.contracts.runtime import DeclaredHook, DeclaredSchedule, StartRequest
from isp_plugins.contracts.worker import Death
from isp_plugins.runtime.errors import (
    ActivateFailedError,
    ConfigureFailedError,
    ExecutionFailedError,
    ExecutionTimedOutError,
    InfoFailedError,
    MethodArityError,
    MethodNotCallableError,
    PluginFailedError,
    PluginStoppedError,
    ResultNotJsonError,
)
from isp_plugins.runtime.refusals import refusal_of
from isp_plugins.runtime.worker import nesting
from isp_plugins.runtime.worker.channel import Pending
from isp_plugins.runtime.worker.described import Described
from isp_plugins.runtime.worker.errors import AnswerError, OverdueError, remote_error
from isp_plugins.runtime.worker.worker import Worker

UNBOUNDED_S = 30.0
"""Deadline of a call that nobody surrounds with one, in seconds."""


class WorkerPlugin:
    """One plugin in a worker of its own, behind `RunningPlugin`, `Restartable` and `Mortal`; messages are not masked (see `runtime.errors`)."""

    def __init__(
        self,
        worker: Worker,
        described: Described,
        again: Callable[[StartRequest], Awaitable["WorkerPlugin"]],
    ) -> None:
        self._worker = worker
        self._described = described
        self._again = again
        self._request = worker.request
        self._stopped = False
        self._level = worker.request.logger.level

    @property
    def declared_hooks(self) -> Sequence[DeclaredHook]:
        """Subscriptions its class declares."""
        return self._described.hooks

    @property
    def declared_schedules(self) -> Sequence[DeclaredSchedule]:
        """Methods that its class wants run by the clock."""
        return self._described.schedules

    @property
    def can_configure(self) -> bool:
        """Whether it takes a new configuration while running."""
        return "configure" in self._described.capabilities

    @property
    def abandoned_threads(self) -> int:
        """Calls that ran past their deadline and still run."""
        return self._worker.channel.given_up

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._worker.process.pid

    @property
    def death(self) -> Death | None:
        """How it ended, where nobody asked it to."""
        return self._worker.death

    @property
    def sandbox(self) -> Mapping[str, Any] | None:
        """What holds of its sandbox; None where it is trusted as a whole."""
        return self._worker.sandbox

    @property
    def worker(self) -> Worker:
        """The process and its channel."""
        return self._worker

    def callee(self, method: str) -> Callee:
        """The named method, ready to call with a payload; `BindingError` where it does not exist or does not take exactly one."""
        self._require_running()
        known = self._described.methods.get(method)
        if known is None:
            raise MethodNotCallableError(
                method=method,
                plugin=self._described.name,
                reason=_why_not(method, self._described.refused),
                choices=self._described.choices(method),
            )
        if not known.takes_payload:
            raise MethodArityError(method=method, plugin=self._described.name, signature=known.signature)

        return Callee(self._calling(method), CallMode.ASYNC)

    async def activate(self) -> None:
        """Call `activate` where there is one. `ActivateFailedError`."""
        self._require_running()
        if "activate" in self._described.capabilities:
            await self._agree(ActivateFailedError, "activate", {})

    async def configure(self, config: Mapping[str, Any]) -> None:
        """Call `configure(config)`. `ConfigureFailedError`."""
        self._require_running()
        if not self.can_configure:
            raise ConfigureFailedError(reason="it has no method configure(config); reload it instead")
        await self._agree(ConfigureFailedError, "configure", {"config": self._worker.configuration(config)})
        self._request = replace(self._request, config=dict(config))

    async def test_connection(self) -> Mapping[str, Any] | None:
        """What `test_connection` returns, as `{ok, message, ...}`; None where there is none."""
        self._require_running()
        if "test_connection" not in self._described.capabilities:
            return None
        try:
            value = await self._ask("test_connection", {}, self._request.initialize_deadline_s)
        except _FAILURES as error:
            reason = self._reason(error)
            told = f"test_connection returned what is not JSON, {reason}" if _not_json(error) else reason
            return {"ok": False, "message": told}
        return reports.connection(value)

    async def info(self) -> Mapping[str, Any]:
        """What `get_info` returns; `InfoFailedError`."""
        self._require_running()
        try:
            return reports.info(await self._ask("info", {}, self._request.load_deadline_s))
        except reports.MalformedError as error:
            raise InfoFailedError(reason=str(error)) from None
        except _FAILURES as error:
            reason = self._reason(error)
            told = f"returned what is not JSON, {reason}" if _not_json(error) else reason
            raise InfoFailedError(reason=told, traceback=_traceback(error)) from None

    async def health(self, deadline_s: float) -> Mapping[str, Any]:
        """What `health_check` returns; where it raises, hangs or is malformed, an unhealthy report that is marked as no answer."""
        self._require_running()
        if self._worker.channel.owes_any("health"):
            return reports.unhealthy("an earlier health check has not returned yet")
        try:
            value = await self._ask("health", {}, deadline_s)
        except _FAILURES as error:
            reason = self._reason(error)
            told = f"health_check returned what is not JSON, {reason}" if _not_json(error) else reason
            return reports.unhealthy(told)
        return reports.health(value)

    async def execute(self, method: str, parameters: Any, deadline_s: float) -> Any:
        """Call a public method of the plugin's own class; errors of `runtime.errors`."""
        self._require_running()
        params = {
            "method": method,
            "parameters": parameters,
            "call": self._call(deadline_s, current_call.get()),
        }
        self._tell_level()
        try:
            return await self._worker.ask("execute", params, deadline_s, method)
        except OverdueError:
            raise ExecutionTimedOutError(method=method, limit_s=deadline_s) from None
        except AnswerError as error:
            failure = self._execution_failure(method, error)
        raise failure

    async def stop(self) -> str | None:
        """Call `cleanup`, end the worker; what went wrong, or None. Doing it again does nothing."""
        if self._stopped:
            return None
        self._stopped = True
        if self._worker.death is not None:
            return None
        try:
            return await self._clean_up()
        finally:
            await self._worker.end()

    async def abandon(self) -> None:
        """Kill the worker at once."""
        self._stopped = True
        await self._worker.abandon()

    async def restart(self) -> "WorkerPlugin":
        """After `stop`: a new worker of the same program, with the last configuration; raises a `PluginFailedError` as `start` does."""
        return await self._again(self._request)

    def _require_running(self) -> None:
        if self._stopped:
            raise PluginStoppedError(plugin=self._request.plugin_name)

    def _calling(self, method: str) -> Callable[[Any], Coroutine[Any, Any, Any]]:
        """What a hook calls; its dispatch has the deadline, and cancels this when it passes."""
        worker, channel = self._worker, self._worker.channel
        logger = self._request.logger

        async def call(payload: Any) -> Any:
            if self._stopped:
                self._require_running()
            if logger.level != self._level:
                self._tell_level()
            info = current_call.get()
            params = {"method": method, "payload": payload, "call": self._call(UNBOUNDED_S, info)}
            if info is None:
                return await self._bounded(method, params)
            pending: Pending | None = None
            try:
                if channel.writable:
                    pending = channel.post("invoke", params, method)
                    channel.look_for(pending)
                else:
                    pending = await channel.open("invoke", params, method)
                return await pending.future
            except asyncio.CancelledError:
                worker.give_up(pending)
                raise
            except AnswerError as error:
                failure = self._invocation_failure(method, error)
            raise failure

        return call

    async def _bounded(self, method: str, params: dict[str, Any]) -> Any:
        """The same where nobody else has a deadline."""
        try:
            return await self._worker.ask("invoke", params, UNBOUNDED_S, method)
        except OverdueError:
            raise ExecutionTimedOutError(method=method, limit_s=UNBOUNDED_S) from None
        except AnswerError as error:
            failure = self._invocation_failure(method, error)
        raise failure

    def _call(self, limit_s: float, info: CallInfo | None) -> dict[str, Any]:
        """What the worker is told of the current call."""
        if info is None:
            call: dict[str, Any] = {
                "request_id": uuid.uuid4().hex,
                "hook": "",
                "deadline_ms": int(limit_s * 1000),
                "chain": (),
                "context": {},
            }
        else:
            left_ms = int((info.deadline - time.monotonic()) * 1000)
            call = {
                "request_id": info.request_id,
                "hook": info.hook,
                "deadline_ms": max(0, left_ms),
                "chain": info.chain,
                "context": info.context if type(info.context) is dict else dict(info.context),
            }
        parent = nesting.parent_for(self._worker.channel)
        if parent is not None:
            call["parent"] = parent
        return call

    def _tell_level(self) -> None:
        """Let the worker know a changed log level."""
        level = self._request.logger.level
        if level != self._level:
            self._level = level
            self._worker.channel.tell("log_level", {"level": self._worker.log.level})

    async def _ask(self, method: str, params: dict[str, Any], deadline_s: float) -> Any:
        return await self._worker.ask(method, params, deadline_s)

    async def _agree(self, kind: type[PluginFailedError], method: str, params: dict[str, Any]) -> None:
        """Ask something that may object."""
        try:
            await self._ask(method, params, self._request.initialize_deadline_s)
        except _FAILURES as error:
            failure = kind(reason=self._reason(error), traceback=_traceback(error))
        else:
            return
        raise failure

    async def _clean_up(self) -> str | None:
        try:
            answer = await self._ask("cleanup", {}, self._request.cleanup_deadline_s)
        except _FAILURES as error:
            return f"cleanup failed: {self._reason(error)}"
        problem = answer.get("problem") if isinstance(answer, Mapping) else None
        return None if problem is None else causes.shortened(str(problem), self._worker.masked)

    def _reason(self, error: Exception) -> str:
        """One line, masked before it is cut."""
        if isinstance(error, AnswerError):
            return causes.shortened(error.reason, self._worker.masked)
        return str(error)

    def _invocation_failure(self, method: str, error: AnswerError) -> BaseException:
        """What a hook's call raises, as the plugin's own exception would be in process."""
        if error.code == Code.REJECTED:
            return Reject(str(error.data.get("reason", "")))
        if error.code == Code.RETRY_LATER:
            return _retry_later(error, self._worker.masked)
        if error.code == Code.CANCELLED:
            return asyncio.CancelledError(error.message)
        if error.code == Code.RAISED:
            return remote_error(error, self._worker.masked)
        return self._execution_failure(method, error)

    def _execution_failure(self, method: str, error: AnswerError) -> PluginFailedError:
        if error.code == Code.NOT_JSON:
            return ResultNotJsonError(method=method, reason=self._reason(error))
        if error.code == Code.NOT_CALLABLE:
            return refusal_of(str(error.data.get("kind", RefusalKind.METHOD)), error.data)
        reason = self._reason(error)
        if error.code == Code.REJECTED:
            reason = f"Reject: {reason}"
        return ExecutionFailedError(method=method, reason=reason, traceback=error.traceback)


_FAILURES = (AnswerError, OverdueError, PluginFailedError)
"""An answer that is an error, none, or nobody who could be asked: the worker died, does not read, or may not be sent as much."""


def _traceback(error: Exception) -> str:
    return error.traceback if isinstance(error, AnswerError) else ""


def _not_json(error: Exception) -> bool:
    return isinstance(error, AnswerError) and error.code == Code.NOT_JSON


def _retry_later(error: AnswerError, mask: Callable[[str], str]) -> BaseException:
    """The plugin's own pause, where it is one."""
    after = error.data.get("after_s")
    if isinstance(after, (int, float)) and not isinstance(after, bool):
        return RetryLater(after, str(error.data.get("reason", "")))
    return remote_error(error, mask)


def _why_not(method: str, refused: Mapping[str, str]) -> str:
    """Why a method may not be called, as the SDK's rules say it."""
    if method in LIFECYCLE_METHODS:
        return "it belongs to the plugin's lifecycle, only the host calls it"
    if method.startswith("_"):
        return "names with a leading underscore are private"
    if hasattr(PluginInterface, method):
        return "it belongs to PluginInterface"
    return refused.get(method, "there is no such method")
