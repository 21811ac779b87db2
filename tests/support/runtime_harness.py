"""`RuntimeHarness`: what `PluginHarness` offers a plugin's test, on a runtime of the host itself, in process or in a real worker.

1. What a plugin raises in a call of a hook comes out as the runtime hands it to the engine; what the runtime says instead (a result that
   is no JSON value, a call that is overdue) as the harness's own errors, so that a test reads the same wherever the plugin runs.
2. The host is a `FakeHost`, asked on the harness's loop.
"""

import asyncio
import concurrent.futures
import contextlib
import inspect
import json
import logging
import math
import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import pytest

from isp_plugin_sdk.context import current_call
from isp_plugin_sdk.hooks import Declaration, FailurePolicy, HookType
from isp_plugin_sdk.testing import PluginHarness, Registration, checks
from isp_plugin_sdk.testing.dispatch import Dispatched, run
from isp_plugin_sdk.testing.errors import (
    ConfigureError,
    DeadlineExceededError,
    HarnessError,
    HealthReportError,
    ReturnValueError,
)
from isp_plugin_sdk.testing.harness import _Keeping
from isp_plugin_sdk.testing.runner import HarnessCall, call_for
from isp_plugins.contracts.calls import CallMode
from isp_plugins.contracts.runtime import DeclaredHook
from isp_plugins.runtime.errors import (
    ConfigureFailedError,
    ExecutionTimedOutError,
    PluginFailedError,
    ResultNotJsonError,
)
from support.runtime import PluginFolder, WorkerFolder

FOLDERS = {"in process": PluginFolder, "worker": WorkerFolder}
HARNESS = "harness"


Ending = concurrent.futures.Future[Any]
"""What became of a call: as a value, since what it raises could end the loop."""


class RuntimeHarness(PluginHarness):
    """One plugin on a runtime; made from a registration, as the host is told of it."""

    kind = "in process"

    def __init__(self, registration: Mapping[str, Any], config: Any, folder: Path, options: Any) -> None:
        hooks = Registration.hooks_of(registration)
        super().__init__(
            _Nowhere, config, schema=registration.get("config_schema"), name=registration["name"], **options
        )
        self._bound_hooks = hooks
        self._folder = FOLDERS[self.kind](_as_files(folder))
        self._registration = registration
        self._live: Any = None

    @classmethod
    def from_registration(
        cls, source: Any, config: Mapping[str, Any] | None = None, *, folder: Path, **options: Any
    ) -> Self:
        """As `PluginHarness` has it."""
        body = json.loads(source.read_text("utf-8")) if isinstance(source, Path) else source
        return cls(body, config, folder, options)

    def start(self) -> None:
        """Start the plugin, and activate it."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="isp-plugin-host", daemon=True)
        self._thread.start()
        try:
            self._live = self._wait(self._started())
            self._wait(self._live.activate())
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Call `cleanup`, and end worker and loop."""
        running, self._live = self._live, None
        if self._thread is None:
            return
        try:
            if running is not None:
                self._wait(running.stop())
        finally:
            self._wait(_others_ended())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
            self._thread = None

    _thread: threading.Thread | None = None

    @property
    def plugin(self) -> Any:
        """The instance; in a worker there is none to look at."""
        if self.kind == "worker":
            pytest.skip("it looks into the instance, which is in another process")
        return self._live._plugin

    @property
    def _runner(self) -> Any:
        """The SDK's harness has one."""
        pytest.skip("it looks into the harness of the SDK, which is not used here")

    @_runner.setter
    def _runner(self, _value: Any) -> None:
        """There is none."""

    def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Execute a method."""
        parameters = kwargs or (list(args) if args else None)
        return self._told(method, self._live.execute(method, parameters, self.deadline_s))

    def health(self) -> Any:
        """The health report."""
        found = self._wait(self._live.health(self.deadline_s))
        if found.get("answered") is False:
            raise HealthReportError(problem=found["checks"][0]["message"])
        return found

    def info(self) -> dict[str, Any]:
        """What it tells of itself."""
        return dict(self._wait(self._live.info()))

    def configure(self, config: Mapping[str, Any]) -> None:
        """Hand over a new configuration."""
        try:
            self._wait(self._live.configure(self._complete(config)))
        except ConfigureFailedError as error:
            raise ConfigureError(log=str(error)) from None

    def test_connection(self) -> dict[str, Any]:
        """Try its peers."""
        return dict(self._wait(self._live.test_connection()))

    def dispatch(
        self, hook: str, payload: Any, *, context: Mapping[str, Any] | None = None, veto: bool | None = None
    ) -> Dispatched:
        """Run its subscriptions to a hook."""
        allowed = "_before_" in hook if veto is None else veto
        declared = (_declaration(one) for one in self._live.declared_hooks)
        hooks = [one for one in (*declared, *self._bound_hooks) if one.hook == hook]
        return run(lambda one, value: self._turn(one, value, context), hooks, hook, payload, veto=allowed)

    def _turn(self, one: Declaration, value: Any, context: Mapping[str, Any] | None) -> Any:
        """Call a hook's method as the engine does."""
        seconds = min(self.deadline_s, (one.timeout_ms or math.inf) / 1000)
        call = call_for(one.hook, seconds, (self.name,), context)
        ending = self._told(one.method, self._invoked(one.method, checks.private(value), call, seconds))
        if isinstance(error := ending.exception(), ResultNotJsonError):
            raise ReturnValueError(method=one.method, problem=str(error))
        found = ending.result()
        result = checks.checked_result(one.method, found)
        return checks.private(value) if result is None and one.type is HookType.FILTER else result

    async def _invoked(self, method: str, payload: Any, call: HarnessCall, seconds: float) -> Ending:
        current_call.set(call)
        callee = self._live.callee(method)
        timeout = asyncio.timeout(seconds)
        try:
            async with timeout:
                if callee.mode is CallMode.THREAD:
                    ending = await self._folder.threads.run(lambda: _ended(callee.call, payload), owner=1)
                    if ending.exception() is None and inspect.isawaitable(ending.result()):
                        return await _awaited(lambda _payload: ending.result(), payload)
                    return ending
                return await _awaited(callee.call, payload)
        except TimeoutError:
            raise DeadlineExceededError(method=method, seconds=seconds) from None

    async def _started(self) -> Any:
        self._folder.host, self._folder.id = self.host, self.plugin_id
        names = {key: self._registration[key] for key in ("module_path", "entry_point")}
        config = self._complete(self._config)
        return await self._folder.start(
            **names,
            plugin_name=self.name,
            config=config,
            logger=self._logger(),
            load_deadline_s=60.0,
            initialize_deadline_s=60.0,
        )

    def _logger(self) -> logging.Logger:
        logger = logging.Logger(f"isp_plugin.{self.name}", logging.DEBUG)  # noqa: LOG001  not shared with other tests
        logger.addHandler(_Keeping(self.records))
        return logger

    def _told(self, method: str, work: Any) -> Any:
        """What the runtime says, as the harness says it."""
        try:
            return self._wait(work)
        except ResultNotJsonError as error:
            raise ReturnValueError(method=method, problem=str(error)) from None
        except ExecutionTimedOutError:
            raise DeadlineExceededError(method=method, seconds=self.deadline_s) from None

    def _wait(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(90)


class InProcessHarness(RuntimeHarness):
    """In the host's own process."""


class WorkerHarness(RuntimeHarness):
    """In a process of its own."""

    kind = "worker"


HARNESSES: dict[str, type[PluginHarness]] = {
    HARNESS: PluginHarness,
    "in process": InProcessHarness,
    "worker": WorkerHarness,
}


def _ended(call: Callable[[Any], Any], payload: Any) -> Ending:
    """What became of a call in a thread."""
    ending = Ending()
    try:
        ending.set_result(call(payload))
    except BaseException as error:
        ending.set_exception(error)
    return ending


async def _awaited(call: Callable[[Any], Any], payload: Any) -> Ending:
    """What became of a call on the loop."""
    ending = Ending()
    try:
        ending.set_result(await call(payload))
    except BaseException as error:
        if isinstance(error, asyncio.CancelledError):
            raise
        ending.set_exception(error)
    return ending


class _Nowhere:
    """Stands for a class that only the runtime loads."""


def _declaration(one: DeclaredHook) -> Declaration:
    """What the runtime tells of a declared hook, as the SDK has it."""
    return Declaration(
        hook=one.hook,
        type=HookType(str(one.type)),
        method=one.method,
        priority=one.priority,
        condition=one.condition,
        timeout_ms=one.timeout_ms,
        failure_policy=FailurePolicy(one.failure_policy),
        own_echo=one.own_echo,
        description=one.description,
    )


def _as_files(folder: Path) -> Path:
    """The plugin path without links, which a host refuses."""
    target = Path(tempfile.mkdtemp(prefix="files-", dir=folder)) / "path"
    left_out = shutil.ignore_patterns("tests", "__pycache__", "files-*")
    shutil.copytree(folder, target, ignore=left_out)
    return target


async def _others_ended() -> None:
    """Let what the plugin left on the loop end."""
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    with contextlib.suppress(PluginFailedError, HarnessError):
        await asyncio.gather(*others, return_exceptions=True)
