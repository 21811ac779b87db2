"""What the plugin asks of its host: storage and dispatch, under the call that they belong to."""

from isp_plugins.conformance.channel import Pending, shown, unmet
from isp_plugins.conformance.checking import check
from isp_plugins.conformance.host import HostCall
from isp_plugins.conformance.session import Session, expect_equal, expect_error
from isp_plugins.conformance.vocabulary import Code, Stage


@check(Stage.ACTIVE, methods=("store", "fetch"))
async def storage(session: Session) -> None:
    """What the plugin stores and reads goes to the host."""
    value = {"grüße": [1, None]}
    await session.value("store", {"key": "a/b", "value": value})
    expect_equal("what the host stores", {"a/b": value}, session.host.storage)
    expect_equal("what fetch returns", value, await session.value("fetch", {"key": "a/b"}))
    expect_equal("what fetch returns for an unknown key", None, await session.value("fetch", {"key": "c"}))


@check(Stage.ACTIVE, methods=("store", "redispatch"))
async def host_calls_name_their_call(session: Session) -> None:
    """A request to the host carries the id of the call that it was made under."""
    stored = session.invoke("store", {"key": "a", "value": 1})
    asked = session.invoke("redispatch", {"hook": "h", "payload": 1})
    for pending in (stored, asked):
        session.result_of(await session.answer_to(pending))
    _expect_under(session.host.calls, "storage.set", stored)
    _expect_under(session.host.calls, "dispatch", asked)


@check(Stage.ACTIVE, methods=("redispatch", "store"))
async def nested_calls_name_their_call(session: Session) -> None:
    """In a nested call a request to the host carries the nested call's id."""
    session.host.holds_dispatches = True
    outer = session.invoke("redispatch", {"hook": "h", "payload": 1})
    dispatch = await session.held_dispatch()
    inner = session.invoke("store", {"key": "a", "value": 1}, parent=dispatch.id)
    session.result_of(await session.answer_to(inner))
    _expect_under(session.host.calls, "storage.set", inner)
    session.host.complete(dispatch, 1)
    session.result_of(await session.answer_to(outer))


@check(Stage.ACTIVE, methods=("store", "echo"))
async def host_refusal(session: Session) -> None:
    """What the host refuses raises in the plugin with the host's words; left alone, that is error 1 of the call."""
    session.host.refuses_storage = True
    answer = await session.answer_to(session.invoke("store", {"key": "a", "value": 1}))
    error = expect_error(answer, Code.RAISED)
    if "refuses to store" not in str(error["data"]["message"]):
        unmet("the host's words in the error's message", shown(error["data"]))
    await session.expect_echo("still there")


@check(Stage.ACTIVE, methods=("store", "fetch", "echo"))
async def host_call_out_of_time(session: Session) -> None:
    """A request to the host that took too long, error 9, raises in the plugin; left alone, that is error 1 of the call."""
    session.host.has_no_time = True
    for method, payload in (("store", {"key": "a", "value": 1}), ("fetch", {"key": "a"})):
        expect_error(await session.answer_to(session.invoke(method, payload)), Code.RAISED)
    session.host.has_no_time = False
    await session.expect_echo("still there")
    expect_equal("what fetch returns with time again", None, await session.value("fetch", {"key": "a"}))


@check(Stage.ACTIVE, methods=("echo", "fetch"))
async def stray_answers_are_ignored(session: Session) -> None:
    """An answer to what the worker never asked changes nothing."""
    session.channel.send({"jsonrpc": "2.0", "id": 9_999, "result": 1})
    session.channel.send({"jsonrpc": "2.0", "id": 9_998, "error": {"code": 8, "message": "stray"}})
    await session.expect_echo("still there")
    await session.value("fetch", {"key": "a"})


def _expect_under(calls: list[HostCall], method: str, pending: Pending) -> None:
    found = [call.under for call in calls if call.method == method]
    if found != [pending.id]:
        unmet(f"one {method} with call {pending.id}", shown(found))


CHECKS = (
    storage,
    host_calls_name_their_call,
    nested_calls_name_their_call,
    host_refusal,
    host_call_out_of_time,
    stray_answers_are_ignored,
)
