"""`WorkerRuntime`: brings each plugin up in a process of its own."""

import asyncio
from collections.abc import Callable
from typing import Any

from isp_plugin_sdk.calling import causes
from isp_plugin_sdk.sandbox.errors import GrantsInvalidError
from isp_plugin_sdk.sandbox.report import Level
from isp_plugin_sdk.wire import MAX_CALLS, PROTOCOL_VERSION
from isp_plugin_sdk.wire.codes import Code
from isp_plugins.clock import Clock
from isp_plugins.contracts.runtime import Migrated, StartRequest
from isp_plugins.contracts.worker import Death, WorkerProgram
from isp_plugins.runtime.errors import (
    InitializeFailedError,
    LoadTimedOutError,
    MigrateFailedError,
    PluginFailedError,
)
from isp_plugins.runtime.refusals import start_failure
from isp_plugins.runtime.worker.confining import Confinement, Confiner, lacking_of
from isp_plugins.runtime.worker.described import Described, NotDescribedError
from isp_plugins.runtime.worker.direct import Turn
from isp_plugins.runtime.worker.errors import (
    AnswerError,
    OverdueError,
    WorkerDiedError,
    WorkerDiedStartingError,
    WorkerNotStartedError,
)
from isp_plugins.runtime.worker.leftovers import Leftovers
from isp_plugins.runtime.worker.limits import WorkerSettings
from isp_plugins.runtime.worker.plugin import WorkerPlugin
from isp_plugins.runtime.worker.worker import Worker

_STEPS = {"import": "being imported", "construct": "being constructed"}
LAST_LINES, LAST_WORDS = 3, 600
"""How much of what a worker said before it ended is told, in lines and characters."""
_HOST = {"name": "isp-plugins", "version": "1"}


class WorkerRuntime:
    """Starts workers; implements `contracts.runtime.Runtime` for requests with a program.

    Args:
        settings: The operator's limits.
        clock: For records of deaths.
        on_death: Told, on the event loop, of each death that nobody asked for.
        mask: Masks a plugin's secrets in a text.
        confiner: Makes the sandbox of programs with grants; without one they are not started.
        leftovers: Ends what workers leave behind.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        clock: Clock,
        on_death: Callable[[Death], None],
        mask: Callable[[int, str], str] = lambda _plugin_id, text: text,
        confiner: Confiner | None = None,
        *,
        leftovers: Leftovers | None = None,
    ) -> None:
        self._confiner = confiner
        self._leftovers = leftovers or Leftovers.of(None)
        self._settings = settings
        self._clock = clock
        self._on_death = on_death
        self._mask = mask
        self._living: dict[int, Worker] = {}
        self._turns: tuple[asyncio.AbstractEventLoop, Turn] | None = None

    def living(self) -> tuple[Worker, ...]:
        """The workers whose process was started and is not reaped, those that are just starting included."""
        return tuple(self._living.values())

    async def start(self, request: StartRequest) -> WorkerPlugin:
        """Start, shake hands and initialise, each under its deadline; raises a `PluginFailedError` and leaves nothing behind."""
        worker = await self._begun(request)
        try:
            described = await _initialize(worker)
        except BaseException:
            await asyncio.shield(asyncio.ensure_future(worker.abandon()))
            raise
        worker.begin_pings()
        return WorkerPlugin(worker, described, self.start)

    async def migrate(self, request: StartRequest, from_version: str) -> Migrated:
        """Ask a worker that is never initialised what it makes of another version's configuration; `MigrateFailedError`."""
        worker = await self._begun(request)
        try:
            return await _migrate(worker, from_version)
        finally:
            await asyncio.shield(asyncio.ensure_future(worker.abandon()))

    async def _begun(self, request: StartRequest) -> Worker:
        """A worker that shook hands."""
        if request.program is None:
            raise WorkerNotStartedError(plugin=request.plugin_name, reason="nothing says how to start it")
        worker = Worker(
            request,
            request.program,
            self._settings,
            clock=self._clock,
            on_death=self._on_death,
            mask=self._mask,
            confinement=self._confined(request, request.program),
            leftovers=self._leftovers,
            turn=self._turn_of(asyncio.get_running_loop()),
        )
        try:
            await worker.start()
        except OSError as error:
            if worker.confinement is not None:
                worker.confinement.close()
            reason = f"{request.program.argv[0]} cannot be run in {request.program.folder}: {error}"
            raise WorkerNotStartedError(plugin=request.plugin_name, reason=reason) from None
        self._living[worker.pid] = worker
        worker.process.ended.add_done_callback(lambda _ending: self._forget(worker))
        try:
            await self._shake_hands(worker)
        except BaseException:
            await asyncio.shield(asyncio.ensure_future(worker.abandon()))
            raise
        return worker

    def _turn_of(self, loop: asyncio.AbstractEventLoop) -> Turn:
        """What all channels on this loop share."""
        if self._turns is None or self._turns[0] is not loop:
            self._turns = (loop, Turn(loop))
        return self._turns[1]

    def _forget(self, worker: Worker) -> None:
        if self._living.get(worker.pid) is worker:
            del self._living[worker.pid]

    def _confined(self, request: StartRequest, program: WorkerProgram) -> Confinement | None:
        if program.grants is None:
            return None
        try:
            if self._confiner is None:
                raise WorkerNotStartedError(plugin=request.plugin_name, reason="nothing here makes sandboxes")
            return self._confiner.confine(request, program)
        except (GrantsInvalidError, OSError) as error:
            raise WorkerNotStartedError(plugin=request.plugin_name, reason=str(error)) from error

    async def _shake_hands(self, worker: Worker) -> None:
        request, limit_s = worker.request, self._settings.handshake_timeout
        params = {
            "protocol": [PROTOCOL_VERSION],
            "host": _HOST,
            "plugin": {
                "id": request.plugin_id,
                "name": request.plugin_name,
                "version": worker.program.version,
            },
            "max_message_bytes": self._settings.max_message_bytes,
            "max_calls": MAX_CALLS,
            "busy_poll_us": round(self._settings.busy_poll * 1e6),
        }
        try:
            answer = await worker.ask("handshake", params, limit_s)
        except OverdueError:
            reason = f"it did not answer the handshake within {limit_s:g} s"
        except AnswerError as error:
            reason = f"it refuses the handshake: {error.message}"
        except WorkerDiedError as error:
            how = error.fields["how"]
            reason = _last_words(worker, f"it ended before it answered the handshake ({how})")
        else:
            if isinstance(answer, dict) and answer.get("protocol") == PROTOCOL_VERSION:
                self._look_at_sandbox(worker, answer)
                return
            reason = f"it does not speak protocol {PROTOCOL_VERSION}: {str(answer)[:200]}"
        raise WorkerNotStartedError(plugin=request.plugin_name, reason=reason)

    @staticmethod
    def _look_at_sandbox(worker: Worker, answer: dict[str, Any]) -> None:
        if worker.confinement is None:
            return
        worker.sandbox = worker.confinement.report(answer)
        reason = worker.confinement.why_not_used(worker.sandbox)
        if reason is not None:
            raise WorkerNotStartedError(plugin=worker.request.plugin_name, reason=reason)
        if worker.sandbox["level"] != Level.FULL.value:
            worker.log.note(
                "It runs with less than the full sandbox (%s): %s. isp-plugins health %s shows each layer.",
                worker.sandbox["level"],
                lacking_of(worker.sandbox),
                worker.request.plugin_name,
            )


def _last_words(worker: Worker, how: str) -> str:
    """Why a worker ended before it was of any use: what it printed last says it, above all which part of a required sandbox is lacking."""
    said = " ".join(worker.death.log_tail[-LAST_LINES:]) if worker.death is not None else ""
    return f"{how}; the last that it said: {said[-LAST_WORDS:].rstrip('.')}" if said else how


async def _initialize(worker: Worker) -> Described:
    request, loop = worker.request, asyncio.get_running_loop()
    step = ""
    began = loop.time()
    timeout = asyncio.timeout(request.load_deadline_s + request.initialize_deadline_s)

    def on_step(name: str) -> None:
        """Whatever it says and how often: loading has its one limit, and initialize its own from when it was begun first."""
        nonlocal step
        if step and step not in _STEPS:
            return
        step = name if name in _STEPS else "initialize"
        loading = step in _STEPS
        due = began + request.load_deadline_s if loading else loop.time() + request.initialize_deadline_s
        if not timeout.expired():
            timeout.reschedule(due)

    worker.on_step = on_step
    params: dict[str, Any] = {
        "config": worker.configuration(request.config),
        "load_timeout_s": request.load_deadline_s,
        "initialize_timeout_s": request.initialize_deadline_s,
        "log_level": worker.log.level,
    }
    try:
        async with timeout:
            pending = await worker.channel.open("initialize", params)
            answer = await pending.future
        return Described.of(request.entry_point, answer)
    except TimeoutError:
        failure = _overdue(request, step)
    except AnswerError as error:
        failure = _refused(worker, error)
    except WorkerDiedError as error:
        how = _last_words(worker, str(error.fields["how"]))
        doing = _STEPS.get(step, "initialized" if step else "started")
        failure = WorkerDiedStartingError(plugin=request.plugin_name, step=doing, how=how)
    except NotDescribedError as error:
        failure = WorkerNotStartedError(plugin=request.plugin_name, reason=str(error))
    finally:
        worker.on_step = lambda _name: None
    raise failure


async def _migrate(worker: Worker, from_version: str) -> Migrated:
    """An implementation that does not know the request has nothing to migrate."""
    request = worker.request
    given = worker.configuration(request.config)
    limit_s = request.load_deadline_s + request.initialize_deadline_s
    try:
        answer = await worker.ask("migrate", {"from_version": from_version, "config": given}, limit_s)
        found = answer.get("config") if isinstance(answer, dict) else answer
        if found is None or isinstance(found, dict):
            return Migrated(given, found)
        failure = MigrateFailedError(reason="its answer holds no configuration")
    except OverdueError:
        failure = MigrateFailedError(reason=f"migrate did not return within {limit_s:g} s")
    except WorkerDiedError as error:
        failure = MigrateFailedError(reason=str(error))
    except AnswerError as error:
        if error.code == Code.METHOD_NOT_FOUND:
            return Migrated(given, None)
        reason = causes.shortened(error.reason, worker.masked)
        failure = MigrateFailedError(reason=reason, traceback=error.traceback)
    raise failure


def _overdue(request: StartRequest, step: str) -> PluginFailedError:
    if step in _STEPS:
        return LoadTimedOutError(
            module_path=request.module_path,
            entry_point=request.entry_point,
            step=_STEPS[step],
            limit_s=request.load_deadline_s,
        )
    limit_s = request.initialize_deadline_s
    return InitializeFailedError(reason=f"it did not return within {limit_s:g} s and was abandoned")


def _refused(worker: Worker, error: AnswerError) -> PluginFailedError:
    request, reason = worker.request, causes.shortened(error.reason, worker.masked)
    if error.code != Code.NOT_STARTED:
        return InitializeFailedError(reason=reason, traceback=error.traceback)
    names = {"module_path": request.module_path, "entry_point": request.entry_point}
    kind = str(error.data.get("kind", ""))
    return start_failure(kind, reason, error.traceback, {**names, **error.data})
