"""The channel's socket without the loop: what is sent, what is found, and that the loop gets its turn."""

import asyncio
import os
import socket
from contextlib import suppress

import pytest

from isp_plugins.runtime.worker.direct import TURN_S, DirectSocket, Turn

LONG_S = 30.0


@pytest.fixture(autouse=True)
def two_processors(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)


@pytest.fixture
def ends():
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs


def direct(end, seconds=LONG_S):
    made = DirectSocket(end, seconds, Turn(asyncio.get_running_loop()))
    made.busy_poll.came(0.0)
    return made


async def test_what_is_there_is_found(ends):
    ours, theirs = ends
    theirs.sendall(b"answer\n")
    assert direct(ours).look() == b"answer\n"


async def test_look_that_finds_nothing_ends_and_counts_as_a_miss(ends):
    found = direct(ends[0], 0.000_1)
    assert found.busy_poll.on
    assert found.look() == b""
    assert not found.busy_poll.on


async def test_what_does_not_fit_is_refused(ends):
    ours, theirs = ends
    made, sent = direct(ours), 0
    with suppress(BlockingIOError):
        while True:
            sent += made.send(b"x" * 65536, socket.MSG_DONTWAIT)
    theirs.setblocking(False)
    assert len(theirs.recv(1 << 24, socket.MSG_PEEK)) > 0
    assert sent > 0


async def test_closed_ends_are_left_to_the_loop(ends):
    ours, theirs = ends
    made = direct(ours)
    theirs.close()
    assert made.look() == b""
    ours.close()
    assert made.look() == b""


async def test_callers_together_keep_one_turn_of_the_loop_for_a_while_only():
    loop = asyncio.get_running_loop()
    turn = Turn(loop)
    assert turn.until == 0.0
    assert turn.keep(100.0) == turn.until == 100.0 + TURN_S
    await asyncio.sleep(0)
    assert turn.until == 0.0


async def test_nobody_looks_once_the_turn_of_the_loop_was_kept_long_enough(ends):
    ours, theirs = ends
    theirs.sendall(b"answer\n")
    turn = Turn(asyncio.get_running_loop())
    made = DirectSocket(ours, LONG_S, turn)
    turn.keep(0.0)
    assert made.look() == b""
    await asyncio.sleep(0)
    assert made.look() == b"answer\n"
