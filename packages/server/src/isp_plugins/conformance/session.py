"""One check's worker, and the words in which checks speak to it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from isp_plugins.conformance.channel import Answer, Channel, Pending, shown, unmet
from isp_plugins.conformance.host import HostCall, PlayedHost
from isp_plugins.conformance.process import Subject, started
from isp_plugins.conformance.results import UnmetError
from isp_plugins.conformance.shapes import TO_WORKER, mistakes
from isp_plugins.conformance.vocabulary import (
    DEFAULT_LIMIT,
    HANDSHAKE_S,
    MAX_CALLS,
    VERSION,
    Stage,
    Transport,
)

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Options:
    """How the suite runs a command."""

    command: Sequence[str]
    transport: Transport = Transport.STDIO
    config: Mapping[str, Any] = field(default_factory=dict)
    """The configuration that `initialize` hands over."""
    answer_s: float = 10.0
    """How long each answer may take, in seconds."""
    handshake_s: float = HANDSHAKE_S
    """How long the worker may take from its start to the answer of the handshake, in seconds."""
    any_plugin: bool = False
    """The command runs some plugin, not the conformance plugin: what needs that one's methods is skipped."""


class Session:
    """A worker under a check."""

    def __init__(self, options: Options, subject: Subject) -> None:
        self.options = options
        self.subject = subject
        self.implementation: Mapping[str, Any] = {}
        self.description: Mapping[str, Any] = {}

    @property
    def channel(self) -> Channel:
        """The conversation."""
        return self.subject.channel

    @property
    def host(self) -> PlayedHost:
        """The host that the suite plays."""
        return self.channel.host

    @property
    def methods(self) -> set[str]:
        """The names of the plugin's methods, as `initialize` told them."""
        return {method["name"] for method in self.description.get("methods", ())}

    def can(self, capability: str) -> bool:
        """Whether `initialize` told this capability."""
        return capability in self.description.get("capabilities", ())

    def handshake_params(self, *versions: int) -> dict[str, Any]:
        """What the handshake carries."""
        return {
            "protocol": list(versions or (VERSION,)),
            "host": {"name": "conformance", "version": "1"},
            "plugin": {"id": 1, "name": "conformance", "version": "1.0.0"},
            "max_message_bytes": self.channel.limit,
            "max_calls": MAX_CALLS,
        }

    async def reach(self, stage: Stage) -> None:
        """Bring the worker so far."""
        if stage >= Stage.GREETED:
            self.implementation = (await self.greet())["implementation"]
        if stage >= Stage.INITIALIZED:
            self.description = await self.get("initialize", self.initialize_params(self.options.config))
        if stage >= Stage.ACTIVE and self.can("activate"):
            await self.get("activate", {})

    async def greet(self) -> Mapping[str, Any]:
        """The answer to the handshake, which came in time."""
        pending = self.channel.request("handshake", self.handshake_params())
        answer = await self.within(
            pending.answer, "the answer to handshake", seconds=self.options.handshake_s
        )
        result: Mapping[str, Any] = self.result_of(answer)
        return result

    def initialize_params(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """What `initialize` carries."""
        limit_s = self.options.answer_s
        return {"config": dict(config), "load_timeout_s": limit_s, "initialize_timeout_s": limit_s}

    async def ask(self, method: str, params: Any) -> Answer:
        """Send a request and wait for its answer."""
        return await self.answer_to(self.channel.request(method, params))

    async def answer_to(self, pending: Pending) -> Answer:
        """The answer to a request that was sent."""
        return await self.within(asyncio.shield(pending.answer), f"an answer to {pending.method}")

    async def get(self, method: str, params: Any) -> Any:
        """Send a request and wait for its result, which has the shape that the protocol gives it."""
        return self.result_of(await self.ask(method, params))

    def result_of(self, answer: Answer) -> Any:
        """The result of an answer, which has the shape that the protocol gives it."""
        if answer.error is not None:
            unmet(f"a result of {answer.method}", answer.shown)
        if found := mistakes(
            TO_WORKER[answer.method].result or {}, answer.result, at=f"result of {answer.method}"
        ):
            unmet(
                f"a result of {answer.method} in its documented shape",
                f"{'; '.join(found)}, in {answer.shown}",
            )
        return answer.result

    async def refused(self, method: str, params: Any, *codes: int) -> Mapping[str, Any]:
        """Send a request that has to be answered with one of these errors; the error."""
        return expect_error(await self.ask(method, params), *codes)

    def invoke(self, method: str, payload: Any, *, parent: int | None = None) -> Pending:
        """Send an `invoke`; `parent` is the worker's own request that leads to it."""
        params = {"method": method, "payload": payload, "call": call_of(parent)}
        return self.channel.request("invoke", params)

    async def value(self, method: str, payload: Any) -> Any:
        """What a method returns."""
        return self.result_of(await self.answer_to(self.invoke(method, payload)))

    async def execute(self, method: str, parameters: Any) -> Any:
        """What a method returns that is executed by an operator."""
        params = {"method": method, "parameters": parameters, "call": call_of()}
        return await self.get("execute", params)

    async def expect_echo(self, payload: Any) -> None:
        """`echo` gives back what it gets."""
        expect_equal("the payload of echo", payload, await self.value("echo", payload))

    async def held_dispatch(self) -> HostCall:
        """The next dispatch that the plugin asks for; the host holds its answer back."""
        return await self.within(self.host.held.get(), "the request dispatch")

    async def ended(self) -> int:
        """The exit code of the process, which ends in time."""
        return await self.within(self.subject.exit_code(), "the end of the process", alive=False)

    async def answered_or_closed(self, pending: Pending) -> None:
        """Wait until a request is answered or the channel has ended."""
        closed = asyncio.ensure_future(self.channel.closed.wait())
        waited_for: set[asyncio.Future[Any]] = {closed, pending.answer}
        done, _ = await asyncio.wait(
            waited_for, timeout=self.options.answer_s, return_when=asyncio.FIRST_COMPLETED
        )
        closed.cancel()
        if not done:
            unmet(f"an answer to {pending.method}, or the end of the channel", "nothing")

    async def within(
        self, work: Awaitable[_T], expected: str, *, seconds: float | None = None, alive: bool = True
    ) -> _T:
        """Wait for something, as long as it may take; where the worker has to stay `alive`, not longer than it lives and speaks the protocol."""
        seconds = self.options.answer_s if seconds is None else seconds
        wanted = asyncio.ensure_future(work)
        interrupted = asyncio.ensure_future(self.channel.interrupted.wait())
        waited_for: set[asyncio.Future[Any]] = {wanted, interrupted} if alive else {wanted}
        try:
            await asyncio.wait(waited_for, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if wanted.done():
                return wanted.result()
            if interrupted.done() and alive:
                unmet(expected, self._interruption())
            return unmet(f"{expected} within {seconds:g} s", "nothing")
        finally:
            wanted.cancel()
            interrupted.cancel()

    def _interruption(self) -> str:
        return self.channel.violations[0] if self.channel.violations else "the end of the channel"


@contextlib.asynccontextmanager
async def opened(options: Options, *, limit: int = DEFAULT_LIMIT) -> AsyncIterator[Session]:
    """A session with a new worker, to which nothing was sent yet."""
    async with started(options.command, options.transport, limit) as subject:
        yield Session(options, subject)


def call_of(parent: int | None = None) -> dict[str, Any]:
    """The member `call` of a call: what it belongs to, and how long it may take."""
    call: dict[str, Any] = {
        "request_id": "conformance",
        "hook": None,
        "deadline_ms": 60_000,
        "chain": ["conformance"],
        "context": {},
    }
    return call if parent is None else call | {"parent": parent}


def expect_error(answer: Answer, *codes: int) -> Mapping[str, Any]:
    """The error of an answer that has to be one of these."""
    wanted = " or ".join(map(str, map(int, codes)))
    if answer.error is None or answer.error["code"] not in codes:
        raise UnmetError(f"the error {wanted}", answer.shown)
    return answer.error


def expect_equal(what: str, expected: Any, got: Any) -> None:
    """Two JSON values are the same, `1` and `true` not."""
    if shown_exactly(expected) != shown_exactly(got):
        raise UnmetError(f"{what}: {shown(expected)}", shown(got))


def shown_exactly(value: Any) -> str:
    """A JSON value in one spelling: 1 and 1.0 are the same number."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    if isinstance(value, dict):
        return "{" + ",".join(f"{name!r}:{shown_exactly(value[name])}" for name in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(shown_exactly, value)) + "]"
    return repr(value)
