"""The way from a plugin to its host: blocking, awaitable, bounded, and carrying the current call."""

import asyncio
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from isp_plugin_sdk import CalledOnEventLoopError, HostCallTimedOutError, NotJsonError, PluginContext
from isp_plugin_sdk.context import current_call
from isp_plugin_sdk.errors import HostGoneError, HostRefusedError
from isp_plugin_sdk.testing import FakeHost
from isp_plugin_sdk.testing.runner import Runner


@dataclass
class Call:
    deadline: float
    request_id: str = "r1"
    hook: str = "customer_created"
    chain: tuple[str, ...] = ("billing", "mail")
    context: dict[str, Any] = field(default_factory=lambda: {"locale": "pt"})


@pytest.fixture
def runner() -> Iterator[Runner]:
    runner = Runner()
    yield runner
    runner.close()


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()


@pytest.fixture
def context(host: FakeHost, runner: Runner) -> PluginContext:
    return PluginContext("mail", host, runner.loop)


@pytest.fixture
def calling() -> Iterator[Call]:
    """A current call with ten seconds left."""
    call = Call(time.monotonic() + 10)
    token = current_call.set(call)
    yield call
    current_call.reset(token)


class Silent(FakeHost):
    """A host that never answers."""

    async def storage_get(self, key: str) -> Any:
        await asyncio.Event().wait()


def test_blocking_calls_reach_the_host(context: PluginContext) -> None:
    context.set("a/1", {"n": 1})
    context.set("b", [1])
    assert context.get("a/1") == {"n": 1}
    assert context.list("a/") == ["a/1"]
    assert context.delete("b") is True
    assert context.get("b", "gone") == "gone"


def test_dispatch_and_emit_reach_the_host(context: PluginContext, host: FakeHost) -> None:
    host.answer("invoice_number", {"value": "2030-1"})
    assert context.dispatch("invoice_number", {"series": "A"}, {"dry": True})["value"] == "2030-1"
    context.emit("stock_low", {"left": 1})
    assert [one.context for one in host.dispatches] == [{"dry": True}]
    assert [one.payload for one in host.emits] == [{"left": 1}]


async def test_blocking_call_on_an_event_loop_names_its_twin(context: PluginContext) -> None:
    with pytest.raises(CalledOnEventLoopError, match=r"await self\.context\.aio\.get"):
        context.get("a")


async def test_awaitable_twin_works_on_the_hosts_own_loop(host: FakeHost) -> None:
    context = PluginContext("mail", host, asyncio.get_running_loop())
    await context.aio.set("a", 1)
    assert await context.aio.get("a") == 1
    assert await context.aio.list() == ["a"]
    assert await context.aio.delete("a") is True
    assert (await context.aio.dispatch("x", {}))["status"] == "completed"
    await context.aio.emit("x", {})
    assert len(host.dispatches) == len(host.emits) == 1


async def test_awaitable_twin_works_on_a_loop_of_the_plugins_own(context: PluginContext) -> None:
    await context.aio.set("a", 1)
    assert await context.aio.get("a") == 1


def test_nested_dispatch_knows_the_call_it_comes_from(
    context: PluginContext, host: FakeHost, calling: Call
) -> None:
    context.dispatch("stock_low", {})
    assert (host.dispatches[0].request_id, host.dispatches[0].chain) == ("r1", ("billing", "mail"))


async def test_nested_dispatch_from_another_loop_knows_its_call(
    context: PluginContext, host: FakeHost
) -> None:
    current_call.set(Call(time.monotonic() + 10))
    await context.aio.dispatch("stock_low", {})
    assert host.dispatches[0].chain == ("billing", "mail")


def test_host_call_does_not_outlast_the_current_call(runner: Runner, calling: Call) -> None:
    calling.deadline = time.monotonic() + 0.05
    with pytest.raises(HostCallTimedOutError):
        PluginContext("mail", Silent(), runner.loop).get("a")
    assert time.monotonic() < calling.deadline + 5


async def test_awaited_host_call_does_not_outlast_the_current_call() -> None:
    current_call.set(Call(time.monotonic() + 0.05))
    context = PluginContext("mail", Silent(), asyncio.get_running_loop())
    with pytest.raises(HostCallTimedOutError):
        await context.aio.get("a")


def test_host_is_not_asked_when_no_time_is_left(
    context: PluginContext, host: FakeHost, calling: Call
) -> None:
    calling.deadline = time.monotonic() - 1
    with pytest.raises(HostCallTimedOutError):
        context.emit("stock_low", {})
    assert host.emits == []


def test_host_that_runs_out_of_time_itself_is_told_as_in_a_worker(runner: Runner) -> None:
    class Slow(FakeHost):
        async def storage_get(self, key: str) -> Any:
            raise TimeoutError("the database")

    with pytest.raises(HostCallTimedOutError):
        PluginContext("mail", Slow(), runner.loop).get("a")


def test_error_of_the_host_is_a_refusal_as_in_a_worker(context: PluginContext, host: FakeHost) -> None:
    host.answer("x", LookupError("no such hook"))
    with pytest.raises(HostRefusedError, match="no such hook") as caught:
        context.dispatch("x", {})
    assert caught.value.fields["problem"] == "LookupError"


@pytest.mark.parametrize("call", ["set", "dispatch", "emit"])
def test_only_json_values_are_handed_over(context: PluginContext, call: str) -> None:
    with pytest.raises(NotJsonError, match="'name' at a"):
        getattr(context, call)("name", {"a": {1}})


def test_host_that_is_gone_is_told_at_once() -> None:
    runner = Runner()
    context = PluginContext("mail", FakeHost(), runner.loop)
    runner.close()
    with pytest.raises(HostGoneError):
        context.get("a")


def test_context_tells_about_the_current_call(context: PluginContext, calling: Call) -> None:
    assert (context.request_id, context.hook) == ("r1", "customer_created")
    assert context.call_context == {"locale": "pt"}
    assert context.deadline_left is not None
    assert 0 < context.deadline_left <= 10


def test_context_outside_of_a_call_tells_nothing(context: PluginContext) -> None:
    assert (context.request_id, context.hook, context.deadline_left) == (None, None, None)
    assert context.call_context == {}


def test_background_thread_may_call_the_host(context: PluginContext) -> None:
    thread = threading.Thread(target=context.set, args=("a", 1))
    thread.start()
    thread.join()
    assert context.get("a") == 1
