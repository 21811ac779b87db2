"""Server-sent events as text, and an answer that is made of them."""

import asyncio
from contextlib import aclosing

from isp_plugins.api import event_stream
from isp_plugins.api.event_stream import EventStream, event, heartbeat
from isp_plugins.cli.sse import ServerEvent, events_in

SCOPE = {"type": "http", "path": "/stream"}


def test_an_event_is_read_as_it_was_written():
    text = event("log", {"message": "two\nlines\r"}, position=7).decode()
    (read,) = events_in(text.splitlines())
    assert read == ServerEvent("log", '{"message":"two\\nlines\\r"}', "7")


def test_a_heartbeat_is_no_event_but_moves_the_position():
    (read,) = events_in(heartbeat(9).decode().splitlines())
    assert read == ServerEvent("", "", "9")


async def answered(chunks, receive, send):
    await EventStream(aclosing(chunks))(SCOPE, receive, send)


async def never():
    await asyncio.Event().wait()


async def test_chunks_are_sent_until_they_end():
    async def chunks():
        yield b"a"
        yield b""
        yield b"b"

    sent = []

    async def send(message):
        sent.append(message)

    await answered(chunks(), never, send)
    assert [message.get("body") for message in sent] == [None, b"a", b"b", b""]
    assert not sent[-1]["more_body"]
    assert (b"x-accel-buffering", b"no") in sent[0]["headers"]


async def test_a_reader_that_left_ends_the_source():
    ended = []

    async def chunks():
        try:
            while True:
                yield b"a"
                await asyncio.sleep(0)
        finally:
            ended.append(True)

    async def receive():
        return {"type": "http.disconnect"}

    async def send(_):
        await asyncio.sleep(0)

    async with asyncio.timeout(60):
        await answered(chunks(), receive, send)
    assert ended


async def test_a_reader_that_takes_nothing_is_given_up(monkeypatch):
    monkeypatch.setattr(event_stream, "STUCK_S", 0.01)
    ended = []

    async def chunks():
        try:
            yield b"a"
        finally:
            ended.append(True)

    async def send(message):
        if message["type"] == "http.response.body":
            await never()

    async with asyncio.timeout(60):
        await answered(chunks(), never, send)
    assert ended
