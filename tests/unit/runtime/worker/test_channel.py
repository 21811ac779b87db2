"""The host's end of a channel, spoken to by a peer that follows no rules."""

import asyncio
import json
import os
import socket

import pytest

from isp_plugin_sdk.context import current_call
from isp_plugin_sdk.errors import NotJsonError
from isp_plugins.contracts.worker import DeathReason
from isp_plugins.runtime.worker.channel import Channel
from isp_plugins.runtime.worker.direct import DirectSocket, Turn
from isp_plugins.runtime.worker.errors import (
    AnswerError,
    AnswerTooLargeError,
    MessageTooLargeError,
    WorkerOverloadedError,
)


class Wire:
    """A transport that keeps what is written."""

    def __init__(self):
        self.written = []
        self.aborted = self.paused = False
        self.buffered = 0

    def write(self, data):
        self.written += [json.loads(line) for line in data.splitlines()]

    def abort(self):
        self.aborted = True

    def is_closing(self):
        return self.aborted

    def get_write_buffer_size(self):
        return self.buffered

    def pause_reading(self):
        self.paused = True

    def resume_reading(self):
        self.paused = False


@pytest.fixture
async def channel():
    heard, broken, floods = [], [], []
    made = Channel(
        "mail",
        max_bytes=1000,
        max_pending=2000,
        messages_per_second=10.0,
        hear=lambda shape, message, size: heard.append((shape, message, size)),
        broken=lambda reason, words, line: broken.append((reason, words, line)),
        closed=lambda: None,
        flooded=floods.append,
    )
    made.connection_made(Wire())
    made.heard, made.broken, made.floods = heard, broken, floods
    return made


def say(channel, *messages):
    channel.data_received(b"".join(json.dumps(message).encode() + b"\n" for message in messages))


async def test_answers_may_come_in_any_order(channel):
    first, second = await channel.open("a", {}), await channel.open("b", {})
    say(channel, {"id": second.number, "result": 2}, {"id": first.number, "result": 1})
    assert [await first.future, await second.future] == [1, 2]


async def test_error_is_raised_with_its_code_and_data(channel):
    pending = await channel.open("a", {})
    say(channel, {"id": pending.number, "error": {"code": 4, "message": "no", "data": {"reason": "r"}}})
    with pytest.raises(AnswerError, match="no") as caught:
        await pending.future
    assert (caught.value.code, caught.value.reason) == (4, "r")


async def test_answers_that_nobody_waits_for_are_dropped_and_counted(channel):
    late, twice = await channel.open("a", {}), await channel.open("b", {})
    assert channel.give_up(late)
    assert channel.given_up == 1
    say(
        channel,
        {"id": late.number, "result": 1},
        {"id": twice.number, "result": 2},
        {"id": twice.number, "result": 3},
        {"id": 99, "result": 4},
    )
    assert await twice.future == 2
    assert (channel.dropped, channel.given_up, channel.broken) == (3, 0, [])


async def test_giving_up_tells_the_worker_to_cancel(channel):
    pending = await channel.open("a", {})
    channel.give_up(pending)
    await asyncio.sleep(0)
    assert channel._transport.written[-1]["method"] == "cancel"
    assert channel._transport.written[-1]["params"] == {"id": pending.number}


@pytest.mark.parametrize(
    "line", [b"nonsense\n", b"[]\n", b'{"id": 1}\n', b"x" * 1001, b'{"id":"1","result":1}\n', b"\xff\n"]
)
async def test_what_is_not_the_protocol_ends_the_channel_with_the_reason(channel, line):
    channel.data_received(line)
    assert channel._transport.aborted
    ((_, _, shown),) = channel.broken
    assert shown == line.rstrip(b"\n")


async def test_several_requests_of_one_turn_go_out_in_order(channel):
    numbers = [(await channel.open("a", {"n": n})).number for n in range(5)]
    await asyncio.sleep(0)
    assert [message["id"] for message in channel._transport.written] == numbers


async def test_request_waits_while_the_worker_does_not_read(channel):
    channel.pause_writing()
    waits = asyncio.create_task(channel.open("a", {"x": "y" * 800}))
    also = asyncio.create_task(channel.open("b", {"x": "y" * 800}))
    await asyncio.sleep(0)
    with pytest.raises(WorkerOverloadedError, match="mail does not keep up"):
        await channel.open("c", {"x": "y" * 800})
    assert channel._transport.written == []
    channel.resume_writing()
    await asyncio.gather(waits, also)
    await asyncio.sleep(0)
    assert len(channel._transport.written) == 2


async def test_end_of_the_worker_fails_what_waits_and_what_comes(channel):
    channel.pause_writing()
    waits = asyncio.create_task(channel.open("a", {}))
    await asyncio.sleep(0)
    channel.fail(RuntimeError("it died"))
    for opening in (waits, channel.open("b", {})):
        with pytest.raises(RuntimeError, match="it died"):
            await opening


async def test_message_that_is_too_long_or_no_json_is_never_sent(channel):
    with pytest.raises(MessageTooLargeError, match="may have 1000"):
        await channel.open("a", {"x": "y" * 1000})
    with pytest.raises(NotJsonError, match=r"x\.0"):
        await channel.open("a", {"x": [object()]})
    assert channel._transport.written == []


async def test_held_channel_is_not_read(channel):
    channel.hold(on=True)
    channel.hold(on=True)
    assert (channel._transport.paused, channel.reading) == (True, False)
    channel.hold(on=False)
    assert (channel._transport.paused, channel.reading) == (False, True)


async def test_flood_of_what_nobody_asked_for_pauses_reading(channel):
    say(channel, *({"method": "x"} for _ in range(8)), *({"id": 99, "result": 1} for _ in range(8)))
    assert (len(channel.heard), channel.dropped) == (8, 3)
    assert (channel._transport.paused, channel.paused, channel.floods) == (True, 1, [1])


async def test_answers_that_were_asked_for_cost_nothing(channel):
    asked = [await channel.open("a", {}) for _ in range(50)]
    say(channel, *({"id": pending.number, "result": "x" * 100} for pending in asked))
    assert not channel._transport.paused


async def test_answer_that_the_worker_lets_wait_is_sent_until_too_much_waits(channel):
    channel.pause_writing()
    channel._transport.buffered = 1000
    channel.answer({"id": 1, "result": "x" * 900})
    assert channel.broken == []
    channel._transport.buffered = 1900
    channel.answer({"id": 2, "result": "x" * 900})
    ((reason, words, _),) = channel.broken
    assert (reason, channel._transport.aborted) == (DeathReason.LIMIT, True)
    assert "1900 bytes of answers to its own host calls wait to be read by it, at most 2000 may" in words


async def test_answer_that_is_too_long_is_not_sent(channel):
    with pytest.raises(AnswerTooLargeError, match="may have 1000"):
        channel.answer({"id": 1, "result": "x" * 1000})
    assert channel._transport.written == []


@pytest.fixture
async def near(monkeypatch):
    """A channel with a real socket, whose worker's answers came promptly; and the worker's end."""
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    direct = DirectSocket(ours, 30.0, Turn(loop))
    heard = []
    made = Channel(
        "mail",
        max_bytes=1000,
        max_pending=2000,
        messages_per_second=10.0,
        hear=lambda shape, message, size: heard.append((message, current_call.get())),
        broken=lambda *_: None,
        closed=lambda: None,
        flooded=lambda _: None,
        direct=direct,
    )
    transport, _ = await loop.create_unix_connection(lambda: made, sock=ours)
    direct.busy_poll.came(0.0)
    made.heard = heard
    with theirs:
        yield made, theirs
        transport.abort()


def sent(theirs):
    return [json.loads(line) for line in theirs.recv(65536).splitlines()]


def reply(theirs, *messages):
    theirs.sendall(b"".join(json.dumps(message).encode() + b"\n" for message in messages))


async def test_prompt_answer_is_taken_without_a_turn_of_the_loop(near):
    channel, theirs = near
    pending = channel.post("a", {}, "a")
    assert [message["id"] for message in sent(theirs)] == [pending.number]
    reply(theirs, {"id": pending.number, "result": 7})
    channel.look_for(pending)
    assert pending.future.done()
    assert await pending.future == 7


async def test_nobody_looks_while_others_wait_for_answers_too(near):
    channel, theirs = near
    first, second = channel.post("a", {}, "a"), channel.post("b", {}, "b")
    reply(theirs, {"id": second.number, "result": 2}, {"id": first.number, "result": 1})
    channel.look_for(second)
    assert not second.future.done()
    assert [await first.future, await second.future] == [1, 2]


async def test_messages_that_leave_together_all_arrive_in_their_order(near):
    channel, theirs = near
    pending = [channel.post("a", {"at": at}, "a") for at in range(20)]
    await asyncio.sleep(0)
    theirs.settimeout(10)
    came = []
    while len(came) < 20:
        came += sent(theirs)
    assert [message["params"]["at"] for message in came] == list(range(20))
    assert [message["id"] for message in came] == [one.number for one in pending]


async def test_what_comes_beside_the_answer_belongs_to_no_call(near):
    channel, theirs = near
    pending = channel.post("a", {}, "a")
    reply(theirs, {"method": "log", "params": {}}, {"id": pending.number, "result": 7})
    token = current_call.set("the caller's")
    channel.look_for(pending)
    current_call.reset(token)
    assert await pending.future == 7
    assert [(message["method"], call) for message, call in channel.heard] == [("log", None)]


async def test_line_that_is_not_whole_yet_is_awaited(near):
    channel, theirs = near
    pending = channel.post("a", {}, "a")
    text = json.dumps({"id": pending.number, "result": 7}).encode()
    theirs.sendall(text[:10])
    channel.look_for(pending)
    assert not pending.future.done()
    theirs.sendall(text[10:] + b"\n")
    assert await pending.future == 7


async def test_messages_reach_a_worker_that_reads_slowly_whole_and_in_order(near):
    channel, theirs = near
    for at in range(3000):
        if channel.writable:
            channel.tell("note", {"at": at, "text": "x" * 500})
        else:
            break
    channel.tell("note", {"at": "last"})
    file, seen = theirs.makefile("rb"), []
    with file:
        while not seen or seen[-1] != "last":
            seen.append(json.loads(await asyncio.to_thread(file.readline))["params"]["at"])
    assert seen[:-1] == list(range(len(seen) - 1))


RESULT = b'{"jsonrpc":"2.0","id":1,"result":7}\n'
SAID = [
    RESULT,
    b' {"result" : {"a": [1, null, 2.5]}, "id":1 , "more": 2}\r\n',
    b'{"jsonrpc":"2.0","id":1,"result":\n7}\n',
    b'{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"no"}}\n',
    b'{"jsonrpc":"2.0","id":1,"result":7,"error":{"code":1,"message":"no"}}\n',
    b'{"jsonrpc":"2.0","id":1,"method":"step","params":{"name":"import"},"result":7}\n',
    b'{"jsonrpc":"2.0","method":"step","params":{"name":"import"}}\n',
    b'{"jsonrpc":"2.0","id":2,"result":7}\n',
    b'{"jsonrpc":"2.0","id":true,"result":7}\n',
    b'{"jsonrpc":"2.0","id":1.0,"result":7}\n',
    b'{"jsonrpc":"2.0","id":null,"result":7}\n',
    b"[]\n",
    b"\n",
    b"no JSON\n",
    b'{"jsonrpc":"2.0","id":1,"result":"%b"}\n' % (b"x" * 1000),
    RESULT[:-1],
    RESULT[:9],
    RESULT + RESULT,
    b'{"jsonrpc":"2.0","method":"step","params":{}}\n' + RESULT,
    RESULT + RESULT[:9],
]


@pytest.mark.parametrize("said", SAID)
async def test_looking_for_an_answer_finds_what_reading_it_finds(monkeypatch, said):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert await outcome(said, looks=True) == await outcome(said, looks=False)


async def outcome(said, *, looks):
    """What is known once a worker has said something, and the rest of what it had begun."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    heard, broken = [], []
    with ours, theirs:
        direct = DirectSocket(ours, 30.0, Turn(asyncio.get_running_loop()))
        channel = Channel(
            "mail",
            max_bytes=1000,
            max_pending=2000,
            messages_per_second=10.0,
            hear=lambda shape, message, size: heard.append((shape, message, size)),
            broken=lambda reason, words, line: broken.append((reason, words, line)),
            closed=lambda: None,
            flooded=lambda _: None,
            direct=direct,
        )
        channel.connection_made(Wire())
        pending = channel.post("a", {}, "a")
        assert pending.number == 1
        theirs.sendall(said)
        if looks:
            direct.busy_poll.came(0.0)
            channel.look_for(pending)
            assert direct.busy_poll.hits == 1
        else:
            channel.data_received(ours.recv(65536))
        if not (pending.future.done() or broken):
            channel.data_received(RESULT[9:] if said == RESULT[:9] else b"\n" + RESULT)
    failed = pending.future.done() and pending.future.exception()
    answer = repr(failed) if failed else pending.future.done() and pending.future.result()
    return answer, heard, broken, channel.dropped, channel.owes(pending)
