"""Several things at once: concurrent calls, re-entrance, cancelling."""

from isp_plugins.conformance.channel import shown, unmet
from isp_plugins.conformance.checking import check
from isp_plugins.conformance.session import Session, expect_equal, expect_error
from isp_plugins.conformance.vocabulary import MAX_CALLS, Code, Stage


def _slow_ms(session: Session) -> int:
    """Longer than any answer may take, so that what is answered meanwhile did not wait for it."""
    return int(session.options.answer_s * 4000)


@check(Stage.ACTIVE, methods=("slow",))
async def ping_during_a_call(session: Session) -> None:
    """A ping is answered while a call runs."""
    session.invoke("slow", {"ms": _slow_ms(session)})
    await session.get("ping", {})


@check(Stage.ACTIVE, methods=("slow", "echo"))
async def call_during_a_call(session: Session) -> None:
    """A second call is answered while a slow one runs."""
    session.invoke("slow", {"ms": _slow_ms(session)})
    await session.expect_echo("meanwhile")
    await session.get("health", {})


@check(Stage.ACTIVE, methods=("redispatch",))
async def calls_at_once(session: Session) -> None:
    """As many calls as the handshake says run at the same time, each answered with its own result."""
    session.host.holds_dispatches = True
    pending = [session.invoke("redispatch", {"hook": "h", "payload": number}) for number in range(MAX_CALLS)]
    held = [await session.held_dispatch() for _ in pending]
    await session.get("ping", {})
    for call in reversed(held):
        session.host.complete(call, call.params["payload"])
    for number, one in enumerate(pending):
        expect_equal("what redispatch returns", number, session.result_of(await session.answer_to(one)))


@check(Stage.ACTIVE, methods=("redispatch", "echo"))
async def busy(session: Session) -> None:
    """A call beyond those that the handshake allows is answered with error 7, or like any other, and no other call suffers."""
    session.host.holds_dispatches = True
    agreed = [session.invoke("redispatch", {"hook": "h", "payload": number}) for number in range(MAX_CALLS)]
    held = [await session.held_dispatch() for _ in agreed]
    beyond = session.invoke("echo", "beyond")
    await session.get("ping", {})
    for call in held:
        session.host.complete(call, call.params["payload"])
    for number, one in enumerate(agreed):
        expect_equal("what redispatch returns", number, session.result_of(await session.answer_to(one)))
    answer = await session.answer_to(beyond)
    if answer.error is not None:
        expect_error(answer, Code.BUSY)
    else:
        expect_equal("what echo returns", "beyond", session.result_of(answer))
    await session.expect_echo("free again")


@check(Stage.ACTIVE, methods=("redispatch", "echo"))
async def reentrance(session: Session) -> None:
    """A call that the plugin's own dispatch leads to is answered before that dispatch is."""
    session.host.holds_dispatches = True
    outer = session.invoke("redispatch", {"hook": "h", "payload": 1})
    dispatch = await session.held_dispatch()
    inner = session.invoke("echo", "inner", parent=dispatch.id)
    value = session.result_of(await session.answer_to(inner))
    session.host.complete(dispatch, value)
    expect_equal("what redispatch returns", "inner", session.result_of(await session.answer_to(outer)))


@check(Stage.ACTIVE, methods=("redispatch", "echo"))
async def reentrance_at_the_limit(session: Session) -> None:
    """Where all calls wait for dispatches of their own, each dispatch may still lead back into the plugin, twice over."""
    session.host.holds_dispatches = True
    outer = [session.invoke("redispatch", {"hook": "h", "payload": n}) for n in range(MAX_CALLS)]
    held = [await session.held_dispatch() for _ in outer]
    middle = [session.invoke("redispatch", {"hook": "h", "payload": 0}, parent=call.id) for call in held]
    for call in [await session.held_dispatch() for _ in middle]:
        inner = session.invoke("echo", "inner", parent=call.id)
        session.host.complete(call, session.result_of(await session.answer_to(inner)))
    for one in middle:
        session.result_of(await session.answer_to(one))
    for call in held:
        session.host.complete(call, "outer")
    for one in outer:
        expect_equal("what redispatch returns", "outer", session.result_of(await session.answer_to(one)))


@check(Stage.ACTIVE, methods=("slow", "echo"))
async def cancel(session: Session) -> None:
    """After a cancel the channel goes on; the call is answered once, with error 3 or late."""
    pending = session.invoke("slow", {"ms": _slow_ms(session)})
    session.channel.notify("cancel", {"id": pending.id})
    session.channel.notify("cancel", {"id": 9_999})
    await session.expect_echo("after the cancel")
    if pending.answer.done() and pending.answer.result().error is not None:
        expect_error(pending.answer.result(), Code.CANCELLED)
    if not session.channel.unnamed.empty():
        unmet("no answer to cancel", shown(session.channel.unnamed.get_nowait().error))


CHECKS = (
    ping_during_a_call,
    call_during_a_call,
    calls_at_once,
    busy,
    reentrance,
    reentrance_at_the_limit,
    cancel,
)
