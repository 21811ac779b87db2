"""Framing and what is not a message: JSON, lines, sizes, unknown requests."""

import asyncio
from typing import Any

from isp_plugins.conformance.channel import encode, unmet
from isp_plugins.conformance.checking import check
from isp_plugins.conformance.session import Session, call_of, expect_equal, expect_error
from isp_plugins.conformance.vocabulary import SMALLEST_LIMIT, Code, Stage

UNICODE = [
    "grüße", "\u0000\u001f\u007f", "line\nline\r\n", "\u2028\u2029", '"\\/', "日本語", "😀👩‍👩‍👧", "\ufeff", "\ud7ff\ue000\uffff",
]  # fmt: skip
NUMBERS = [0, -1, 2**53 - 1, -(2**53) + 1, 0.1, 1e-9, 1.5e300, True, False, None]
BETWEEN_PIECES_S = 0.02
"""Time for the worker to read the beginning of a message by itself; where it is too short nothing is found wrong that is right."""


@check(Stage.GREETED)
async def ping(session: Session) -> None:
    """`ping` is answered with an object, from the handshake on."""
    await session.get("ping", {})


@check(Stage.ACTIVE)
async def unknown_request(session: Session) -> None:
    """A request that the protocol does not have is answered with -32601."""
    await session.refused("no_such_request", {}, Code.UNKNOWN_METHOD)


@check(Stage.ACTIVE)
async def bad_params(session: Session) -> None:
    """Parameters of the wrong shape are answered with -32602."""
    for params in ({"payload": 1}, {"method": 5, "payload": 1}, {}):
        await session.refused("invoke", params, Code.BAD_PARAMS)


@check(Stage.GREETED)
async def not_json(session: Session) -> None:
    """A line that is not JSON is answered with -32700 and a null id, and the channel goes on."""
    session.channel.write(b'{"jsonrpc": "2.0", "id": 77, "method"\n')
    await _unnamed(session, Code.NOT_JSON)
    session.channel.write(b'"\xff\xfe"\n')
    await _unnamed(session, Code.NOT_JSON)
    await session.get("ping", {})


@check(Stage.GREETED)
async def not_a_message(session: Session) -> None:
    """JSON that is no message is answered with -32600 and a null id, and the channel goes on."""
    for line in (
        b"5\n",
        b"[]\n",
        b'[{"jsonrpc": "2.0", "id": 71, "method": "ping", "params": {}}]\n',
        b"{}\n",
    ):
        session.channel.write(line)
        await _unnamed(session, Code.NOT_A_REQUEST)
    await session.get("ping", {})


@check(Stage.GREETED)
async def unknown_notifications_are_ignored(session: Session) -> None:
    """A notification is never answered, known or not."""
    session.channel.notify("no_such_notification", {})
    await session.get("ping", {})
    if not session.channel.unnamed.empty():
        unmet("no answer to a notification", session.channel.unnamed.get_nowait().shown)


@check(Stage.GREETED)
async def pieces(session: Session) -> None:
    """Messages are told apart by their newlines alone, however they arrive."""
    asked = [session.channel.prepared("ping", {}) for _ in range(4)]
    together = b"".join(line for _, line in asked)
    first, rest = together[:20], together[20:]
    for piece in (first[:1], first[1:], rest):
        session.channel.write(piece)
        await asyncio.sleep(BETWEEN_PIECES_S)
    for pending, _ in asked:
        session.result_of(await session.answer_to(pending))


@check(Stage.ACTIVE, methods=("echo",))
async def unicode(session: Session) -> None:
    """Every character arrives and comes back as it is, in values and in names."""
    await session.expect_echo({"texts": UNICODE} | dict.fromkeys(UNICODE, 1))


@check(Stage.ACTIVE, methods=("echo",))
async def json_values(session: Session) -> None:
    """Every kind of JSON value arrives and comes back as it is, also as the whole payload."""
    payloads: list[Any] = [*NUMBERS, [], {}, "", [[[]]], {"a": {"b": [None, {}]}}]
    for payload in payloads:
        await session.expect_echo(payload)
    nested: list[object] = []
    for _ in range(100):
        nested = [nested]
    await session.expect_echo(nested)


@check(Stage.ACTIVE, methods=("echo",))
async def large_payload(session: Session) -> None:
    """A message may be exactly as long as the handshake allows, its newline not counted."""
    params = {"method": "echo", "payload": "", "call": call_of()}
    pending, line = session.channel.prepared("invoke", params)
    padding = "x" * (session.channel.limit + 1 - len(line))
    session.channel.write(line.replace(b'"payload":""', f'"payload":"{padding}"'.encode()))
    expect_equal("the payload of echo", padding, session.result_of(await session.answer_to(pending)))


@check(Stage.ACTIVE, methods=("repeat", "echo"), limit=SMALLEST_LIMIT)
async def too_large_result(session: Session) -> None:
    """A result that would not fit into one message is answered with error 4 instead, and the channel goes on."""
    pending = session.invoke("repeat", {"text": "0123456789", "times": SMALLEST_LIMIT})
    expect_error(await session.answer_to(pending), Code.NOT_SENDABLE)
    await session.expect_echo("still there")


@check(Stage.ACTIVE, methods=("store",), limit=SMALLEST_LIMIT)
async def too_large_message(session: Session) -> None:
    """A message over the limit is never acted on: the worker answers -32600 with a null id and goes on, or ends."""
    padding = "x" * SMALLEST_LIMIT
    params = {"method": "store", "payload": {"key": "k", "value": 1}, "call": call_of(), "padding": padding}
    session.channel.notify("no_such_notification", {"padding": padding})
    session.channel.write(encode({"jsonrpc": "2.0", "id": 9_999, "method": "invoke", "params": params}))
    ping_after = session.channel.request("ping", {})
    await session.answered_or_closed(ping_after)
    if session.host.calls:
        unmet("a message over the limit that is not acted on", "the call in it was made")
    if ping_after.answer.done():
        expect_error(
            await session.within(session.channel.unnamed.get(), "an error with a null id"), Code.NOT_A_REQUEST
        )


@check(Stage.ACTIVE, methods=("odd", "echo"))
async def result_not_json(session: Session) -> None:
    """A result that is no JSON value is answered with error 4, and the channel goes on."""
    expect_error(await session.answer_to(session.invoke("odd", None)), Code.NOT_SENDABLE)
    await session.expect_echo("still there")


async def _unnamed(session: Session, code: Code) -> None:
    """The next answer that names no request has this error."""
    expect_error(
        await session.within(session.channel.unnamed.get(), f"the error {int(code)} with a null id"), code
    )


CHECKS = (
    ping,
    unknown_request,
    bad_params,
    not_json,
    not_a_message,
    unknown_notifications_are_ignored,
    pieces,
    unicode,
    json_values,
    large_payload,
    too_large_result,
    too_large_message,
    result_not_json,
)
