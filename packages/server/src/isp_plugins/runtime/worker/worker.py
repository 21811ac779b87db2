"""One worker with its channel: asked, watched, stopped, and its end told with the cause.

1. Every request has a deadline; past it the worker is told to cancel, and the host goes on.
2. A worker that leaves so many pings unanswered, or whose call still runs `hang_grace` after it was cancelled, is killed. While the host
   itself does not read (a flood), pings do not count.
3. When it dies, what waits for an answer gets an error at once, and whoever watches is told, unless it was asked to end.
4. It ends by `exit`, then SIGTERM, then SIGKILL of its group, each after `stop_grace`.
"""

import asyncio
import logging
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from isp_plugin_sdk.sandbox.report import Layer
from isp_plugin_sdk.wire.messages import Message, Shape
from isp_plugins.clock import Clock
from isp_plugins.contracts.runtime import StartRequest
from isp_plugins.contracts.worker import Death, DeathReason, WorkerLimits, WorkerProgram
from isp_plugins.runtime.errors import PluginStoppedError
from isp_plugins.runtime.worker import process as processes
from isp_plugins.runtime.worker.channel import Channel, Pending
from isp_plugins.runtime.worker.confining import Confinement
from isp_plugins.runtime.worker.direct import DirectSocket, Turn
from isp_plugins.runtime.worker.errors import OverdueError, WorkerDiedError
from isp_plugins.runtime.worker.host_calls import HostDesk
from isp_plugins.runtime.worker.leftovers import Leftovers
from isp_plugins.runtime.worker.limits import WorkerSettings
from isp_plugins.runtime.worker.logs import MAX_LINE, Output, WorkerLog
from isp_plugins.runtime.worker.process import Ending, WorkerProcess

SHOWN = 200
"""Characters of a line that is no message that are told."""
GONE_S = 1.0
"""How long a worker whose channel ended may take to end itself, in seconds."""


class Worker:
    """A started process that speaks the protocol."""

    process: WorkerProcess
    channel: Channel

    def __init__(
        self,
        request: StartRequest,
        program: WorkerProgram,
        settings: WorkerSettings,
        *,
        clock: Clock,
        on_death: Callable[[Death], None],
        mask: Callable[[int, str], str],
        confinement: Confinement | None = None,
        leftovers: Leftovers | None = None,
        turn: Turn | None = None,
    ) -> None:
        self.request = request
        self._leftovers = leftovers or Leftovers.of(None)
        self._brand = self._leftovers.brand()
        self.confinement = confinement
        self.sandbox: Mapping[str, Any] | None = None
        """What holds of its sandbox, as it says; None: it has none."""
        self.program = program
        self.settings = settings
        self._clock = clock
        self._on_death = on_death
        self._mask = mask
        self._loop = asyncio.get_running_loop()
        self._turn = turn or Turn(self._loop)
        self.log = WorkerLog(request.logger, settings.log_lines_per_second, self._loop.time, self.masked)
        self.on_step: Callable[[str], None] = lambda _name: None
        self.death: Death | None = None
        self._stopping = False
        self._verdict: tuple[DeathReason, str] | None = None
        """Why the host killed it."""
        self._unanswered = 0
        self._over = asyncio.Event()
        self._ping_timer: asyncio.TimerHandle | None = None
        self._hangs: set[asyncio.TimerHandle] = set()

    async def start(self) -> None:
        """Start the process and open its channel; `OSError`."""
        self._started_at: datetime = self._clock.now()
        self.process, end = processes.start(self.program, self._loop, self.confinement, self._brand)
        self._outputs = [
            Output(stream, level, self.log, self._loop)
            for stream, level in zip(self.process.outputs, (logging.INFO, logging.INFO), strict=False)
        ]
        self._channel_closed = asyncio.Event()
        self.channel = Channel(
            self.request.plugin_name,
            max_bytes=self.settings.max_message_bytes,
            max_pending=self.settings.max_pending_bytes,
            messages_per_second=self.settings.messages_per_second,
            hear=self._hear,
            broken=self._on_broken,
            closed=self._on_closed,
            flooded=self._on_flood,
            direct=DirectSocket(end, self.settings.busy_poll, self._turn),
        )
        host = self.request.host if self.confinement is None else self.confinement.host
        self._desk = HostDesk(
            host,
            self.channel,
            self.log,
            per_second=self.settings.host_calls_per_second,
            writes_per_second=self.settings.storage_writes_per_second,
        )
        self._watching = self._loop.create_task(self._watch(), name=f"worker {self.process.pid}")
        await self._loop.create_unix_connection(lambda: self.channel, sock=end)

    def configuration(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The configuration as it is handed over: without secrets that are not granted."""
        if self.confinement is None:
            return dict(values)
        return self.confinement.configuration(values, self.request.secret_keys)

    async def ask(self, method: str, params: dict[str, Any], limit_s: float, label: str | None = None) -> Any:
        """The answer to a request; `AnswerError`, `OverdueError`, `WorkerDiedError`."""
        pending: Pending | None = None
        timeout = asyncio.timeout(limit_s)
        try:
            async with timeout:
                pending = await self.channel.open(method, params, label)
                return await pending.future
        except TimeoutError:
            self.give_up(pending)
            if timeout.expired():
                raise OverdueError(limit_s) from None
            raise
        except asyncio.CancelledError:
            self.give_up(pending)
            raise

    def give_up(self, pending: Pending | None) -> None:
        """Go on without an answer; a call that runs on too long after this ends the worker."""
        if pending is None or not self.channel.give_up(pending):
            return
        timer = self._loop.call_later(self.settings.hang_grace, self._look_at, pending)
        self._hangs = {
            timer for timer in self._hangs if not timer.cancelled() and timer.when() > self._loop.time()
        }
        self._hangs.add(timer)

    @property
    def plugin_id(self) -> int:
        """Whose worker it is."""
        return self.request.plugin_id

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    @property
    def started_at(self) -> datetime:
        """When its process was started."""
        return self._started_at

    @property
    def limits(self) -> WorkerLimits:
        """Those of its manifest."""
        return self.program.limits

    @property
    def throttled(self) -> dict[str, int]:
        """How often it was slowed down so far, by what it flooded."""
        counts = {
            "log": self.log.left_out,
            "channel": self._desk.slowed + self.channel.paused,
            "storage": self._desk.writes_slowed,
        }
        return {what: count for what, count in counts.items() if count}

    def begin_pings(self) -> None:
        """From now on it has to answer."""
        self._ping_timer = self._loop.call_later(self.settings.ping_interval, self._ping)

    def kill(self, reason: DeathReason, detail: str) -> None:
        """End it now, for a reason that becomes the cause of its death; the first one counts."""
        if self._verdict is None:
            self._verdict = (reason, detail)
        self.process.signal(signal.SIGKILL)

    def masked(self, text: str) -> str:
        """A text without the plugin's secrets."""
        return self._mask(self.request.plugin_id, text)

    def _on_broken(self, reason: DeathReason, words: str, line: bytes) -> None:
        """The channel is over; the beginning of what was no message becomes a part of the cause."""
        if line:
            begun = self.masked(line[:MAX_LINE].decode(errors="replace"))
            words += f": {begun[:SHOWN]!a}" + ("..." if len(begun) > SHOWN else "")
        self.kill(reason, words)

    async def end(self) -> None:
        """Let it end in good order, or make it."""
        self._stopping = True
        try:
            self.channel.tell("exit", {})
            if not await self._gone():
                self.process.signal(signal.SIGTERM)
                await self._gone()
        finally:
            self.process.signal(signal.SIGKILL)
        await self._over.wait()

    async def abandon(self) -> None:
        """End it at once."""
        self._stopping = True
        self.process.signal(signal.SIGKILL)
        await self._over.wait()

    async def _gone(self) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(self.settings.stop_grace):
                await self._over.wait()
        return self._over.is_set()

    def _hear(self, shape: Shape, message: Message, size: int) -> None:
        """What it says by itself; what nobody knows is ignored, or answered so."""
        if shape is Shape.REQUEST:
            self._desk.take(message, size)
            return
        params = message.get("params", {})
        if message["method"] == "log":
            self.log.record(params, self.channel.waiting(params.get("call")))
        elif message["method"] == "step":
            name = params.get("name")
            self.on_step(name if isinstance(name, str) else "")

    def _on_flood(self, pauses: int) -> None:
        """It sends more than the host reads."""
        self.log.note(
            "this plugin floods its channel: %d times it was not read for a moment, at most %g messages a second that nobody asked for are read",
            pauses,
            self.settings.messages_per_second,
        )

    def _ping(self) -> None:
        if self._channel_closed.is_set():
            return
        if self._unanswered >= self.settings.ping_misses:
            self.kill(DeathReason.UNRESPONSIVE, f"it answered none of {self._unanswered} pings")
            return
        self._ping_timer = self._loop.call_later(self.settings.ping_interval, self._ping)
        if self.channel.reading:
            self._unanswered += 1
            self._loop.create_task(self._one_ping()).add_done_callback(lambda task: task.exception())

    async def _one_ping(self) -> None:
        with suppress(Exception):
            pending = await self.channel.open("ping", {})
            await pending.future
            self._unanswered = 0

    def _look_at(self, pending: Pending) -> None:
        """A call was given up a while ago."""
        if self.channel.owes(pending):
            grace = self.settings.hang_grace
            self.kill(
                DeathReason.UNRESPONSIVE,
                f"{pending.label} still ran {grace:g} s after its deadline had passed",
            )

    def _on_closed(self) -> None:
        self._channel_closed.set()
        if not self._stopping and not self.process.ended.done():
            self._loop.call_later(
                GONE_S, self.kill, DeathReason.PROTOCOL, "it closed its channel and went on running"
            )

    async def _watch(self) -> None:
        """Wait for its end, take in its last words, and tell everybody."""
        ending = await asyncio.shield(self.process.ended)
        self._desk.close()
        self.channel.read_on()
        if self._may_have_left_some():
            await asyncio.to_thread(self._leftovers.end, self._brand)
        with suppress(TimeoutError):
            async with asyncio.timeout(GONE_S):
                await self._channel_closed.wait()
        for output in self._outputs:
            output.close()
        self._unwatch()
        how = self._verdict[1] if self._verdict is not None else ending.words
        died = WorkerDiedError(plugin=self.request.plugin_name, how=how)
        if self._stopping:
            self.channel.fail(PluginStoppedError(plugin=self.request.plugin_name))
        else:
            self.death = self._certificate(ending)
            self.channel.fail(died)
        if self.confinement is not None:
            self.confinement.close()
        self._over.set()
        if self.death is not None:
            self._on_death(self.death)

    def _may_have_left_some(self) -> bool:
        """Whether a process that it started could live on: not where it could start none, or the kernel ends all with it."""
        if self.confinement is None or self.sandbox is None:
            return True
        holds = self.sandbox.get("holds", ())
        if not self.confinement.policy.processes:
            return Layer.SYSTEM_CALLS.value not in holds
        return Layer.LINEAGE.value not in holds

    def _unwatch(self) -> None:
        for timer in (*self._hangs, *([self._ping_timer] if self._ping_timer else [])):
            timer.cancel()
        self.channel.close()

    def _certificate(self, ending: Ending) -> Death:
        request = self.request
        if self._verdict is not None:
            reason, detail = self._verdict
        else:
            reason = DeathReason.EXITED if ending.signal is None else DeathReason.SIGNALLED
            detail = ending.words
        return Death(
            plugin_id=request.plugin_id,
            plugin_name=request.plugin_name,
            version=self.program.version,
            pid=self.process.pid,
            started_at=self._started_at,
            died_at=self._clock.now(),
            reason=reason,
            exit_code=ending.exit_code,
            signal=ending.signal,
            detail=self.masked(f"The worker died: {detail}."),
            log_tail=tuple(map(self.masked, self.log.tail)),
            usage=ending.usage,
        )
