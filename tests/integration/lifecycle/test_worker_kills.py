"""A worker that is killed (-9) at random moments of calls, reloads and changes of its configuration: every call is answered, nothing is half done."""

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from isp_plugins.actors import HOST
from isp_plugins.configuration import ConfigChange, SetValue
from isp_plugins.configuration.schema import ConfigSchema
from isp_plugins.contracts.vocabulary import RuntimeKind, State
from isp_plugins.errors import PluginSystemError
from isp_plugins.lifecycle.records import PluginDraft
from isp_plugins.settings import Settings
from isp_plugins.system import PluginSystem
from support.lifecycle_child import SCHEMA
from support.waiting import until

Write = Callable[..., PluginDraft]
LONGEST_LIFE_S = 0.5
"""A worker lives at most so long once it answers: a random part of whatever is done with it."""
BODY = """
@action("customer_created")
def greet(self, customer):
    self.context.set("last", customer["id"])
    return [customer["id"], self.config["greeting"], self.config["password"]]

@action("customer_updated")
async def look(self, customer):
    import asyncio
    await asyncio.sleep(0.01)
    return customer["id"]
"""


@pytest.fixture
async def system(quick: Settings) -> AsyncIterator[PluginSystem]:
    """The system, patient with a busy machine, that never leaves a plugin alone for having died often."""
    settings = replace(
        quick,
        load_timeout=60.0,
        initialize_timeout=60.0,
        worker_handshake_timeout=60.0,
        recovery_backoff_max=0.1,
        restart_limit=10_000,
        worker_death_history=1000,
        breaker_failures=10_000,
    )
    async with PluginSystem.open(settings) as system:
        yield system


@pytest.mark.parametrize("times", [5, pytest.param(50, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])])
async def test_killed_worker_leaves_every_call_answered_and_the_plugin_whole(
    system: PluginSystem, write: Write, times: int
) -> None:
    draft = write("victim", BODY, runtime=RuntimeKind.PROCESS, config_schema=SCHEMA)
    busy = Busy(system, (await system.manager.register(draft, HOST)).id)
    async with busy:
        for _ in range(times):
            await busy.kill_one(random.uniform(0, LONGEST_LIFE_S))
    await busy.assert_whole(times)


class Busy:
    """Calls, reloads and configures one plugin without a pause."""

    def __init__(self, system: PluginSystem, plugin_id: int) -> None:
        self.system = system
        self.id = plugin_id
        self.pids: set[int] = set()
        self.configured = 0
        """The last change that was answered."""
        self.answered = 0
        self._asked = 0
        self._over = False
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> None:
        await self.system.manager.configure(self.id, values(0), HOST)
        await self.system.manager.enable(self.id, HOST)
        work = (self.call, self.call, self.dispatch, self.dispatch, self.reload, self.configure)
        self._tasks = [asyncio.create_task(self.again(one)) for one in work]

    async def again(self, work: Callable[[], Any]) -> None:
        """Without an end; what fails must say so in one of the product's own errors, in good time."""
        while not self._over:
            with contextlib.suppress(PluginSystemError):
                async with asyncio.timeout(60):
                    await work()
            await asyncio.sleep(
                0.01
            )  # a plugin that is down answers at once: that must not take all the time there is

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._over = True
        if kind is not None:
            for task in self._tasks:
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=kind is not None)

    def failed(self) -> list[BaseException]:
        """What went wrong in what it does, beside the product's own errors."""
        return [error for task in self._tasks if task.done() and (error := task.exception())]

    async def kill_one(self, life_s: float) -> None:
        """Kill one of its workers, which may just be starting, so long after the plugin has answered."""
        before = self.answered
        await until(lambda: self.answered > before or self.failed(), within=60)
        assert not self.failed()
        await asyncio.sleep(life_s)
        await until(self.not_killed, within=60)
        pid = random.choice(self.not_killed())
        os.kill(pid, signal.SIGKILL)
        self.pids.add(pid)

    def living(self) -> list[int]:
        """Its workers that are not reaped, so that their numbers are their own."""
        return [worker.pid for worker in self.system.manager._stage.supervisor._living()]

    def not_killed(self) -> list[int]:
        return [pid for pid in self.living() if pid not in self.pids]

    async def call(self) -> None:
        number = self._next()
        done = await self.system.manager.execute(self.id, "greet", [{"id": number}], HOST)
        self.check(done.value, number)

    async def dispatch(self) -> None:
        number = self._next()
        greeted = await self.system.dispatch("customer_created", {"id": number})
        for outcome in greeted.outcomes:
            if outcome.status == "ok":
                self.check(outcome.value, number)
        looked = await self.system.dispatch("customer_updated", {"id": number})
        assert {one.value for one in looked.outcomes if one.status == "ok"} <= {number}

    async def reload(self) -> None:
        await self.system.manager.reload(self.id, HOST)

    async def configure(self) -> None:
        number = self.configured + 1
        await self.system.manager.configure(self.id, values(number), HOST)
        self.configured = number

    def check(self, value: Any, number: int) -> None:
        """The answer is this call's own, under one configuration."""
        given, greeting, password = value
        assert given == number
        assert greeting.removeprefix("hello ") == password.removeprefix("secret ")
        self.answered += 1

    def _next(self) -> int:
        self._asked += 1
        return self._asked

    async def assert_whole(self, times: int) -> None:
        """One worker lives, it answers with the last configuration, and every death is told."""
        system = self.system
        await until(lambda: system.directory.get(self.id).state is State.ACTIVE, within=60)
        await until(lambda: len(self.living()) == 1, within=60)
        given, greeting, password = (await system.manager.execute(self.id, "greet", [{"id": 7}], HOST)).value
        resolved = await system.configuration.resolved(
            self.id, ConfigSchema.of(system.directory.get(self.id).config_schema)
        )
        assert (given, greeting, password) == (7, resolved["greeting"], resolved["password"])
        number = int(greeting.removeprefix("hello "))
        assert number in {self.configured, self.configured + 1}
        assert password == f"secret {number}"
        assert len(self.pids) == times
        await until(lambda: not [pid for pid in self.pids if Path(f"/proc/{pid}").exists()], within=60)
        told = (await system.manager.workers.deaths(self.id)).items
        assert {death.signal for death in told} <= {"SIGKILL"}
        assert {death.pid for death in told} <= self.pids
        assert (await system.audit.verify()).ok
        assert self.children() == self.living()

    def children(self) -> list[int]:
        """Processes that this one started and that work where the worker does."""
        (place,) = {Path(f"/proc/{pid}/cwd").readlink() for pid in self.living()}
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (entry / "cwd").readlink() == place and int(entry.name) != os.getpid():
                    found.append(int(entry.name))
        return found


def values(number: int) -> ConfigChange:
    """A configuration that belongs together."""
    return ConfigChange(
        set={"greeting": SetValue(f"hello {number}"), "password": SetValue(f"secret {number}")}
    )
