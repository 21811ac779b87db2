"""Leader and followers around one channel: how many run, who reads, and when answers go out."""

import os
import socket
import threading

import pytest

from isp_plugin_sdk.serve.crew import Crew
from isp_plugin_sdk.serve.ends import PipeEnd, SocketEnd
from isp_plugin_sdk.serve.link import Link
from isp_plugin_sdk.wire.busy_poll import BusyPoll
from isp_plugin_sdk.wire.codec import standard_codec
from isp_plugin_sdk.wire.framing import Lines


class Slow:
    """A desk at which `slow` waits until it is let go, `ping` is quick, and everything else is answered with itself."""

    def __init__(self, link):
        self.link = link
        self.go = threading.Event()
        self.running = 0
        self.most = 0
        self.lock = threading.Lock()
        self.begun = threading.Semaphore(0)

    def take(self, line):
        if line == b"ping":
            self.link.send_text(b"pong\n")
            return None
        return line

    def run(self, call):
        with self.lock:
            self.running += 1
            self.most = max(self.most, self.running)
        self.begun.release()
        if call.startswith(b"slow"):
            assert self.go.wait(60)
        with self.lock:
            self.running -= 1
        return call + b"\n"


@pytest.fixture
def crew():
    ours, theirs = socket.socketpair()
    ours.settimeout(60)
    link = Link(SocketEnd(theirs), standard_codec())
    desk = Slow(link)
    made = Crew(link, desk, Lines(1000), over=lambda _code: threading.Event().wait())
    threading.Thread(target=made.work, daemon=True).start()
    with ours, ours.makefile("rwb", buffering=0) as file:
        yield file, desk, made
        desk.go.set()


def lines(file, count):
    return [file.readline().strip() for _ in range(count)]


def test_calls_that_come_together_are_all_answered(crew):
    file, _, _ = crew
    file.write(b"".join(b"call %d\n" % number for number in range(500)))
    assert sorted(lines(file, 500)) == sorted(b"call %d" % number for number in range(500))


def test_quick_call_does_not_wait_behind_a_slow_one_that_came_with_it(crew):
    file, desk, _ = crew
    file.write(b"slow\nquick\n")
    assert lines(file, 1) == [b"quick"]
    desk.go.set()
    assert lines(file, 1) == [b"slow"]


def test_answer_does_not_wait_behind_a_slow_call_that_came_after_it(crew):
    file, desk, _ = crew
    file.write(b"quick\nslow\n")
    assert lines(file, 1) == [b"quick"]
    desk.go.set()
    assert lines(file, 1) == [b"slow"]


def test_eight_run_at_once_and_one_more_always_reads(crew):
    file, desk, made = crew
    file.write(b"".join(b"slow %d\n" % number for number in range(12)))
    file.write(b"ping\n")
    assert lines(file, 1) == [b"pong"]
    file.write(b"ping\n")
    assert lines(file, 1) == [b"pong"]
    assert all(desk.begun.acquire(timeout=60) for _ in range(8))
    file.write(b"ping\n")
    assert lines(file, 1) == [b"pong"]
    desk.go.set()
    assert len(lines(file, 12)) == 12
    assert desk.most == 8
    assert not made.queue


def test_call_that_waits_can_be_withdrawn_and_one_that_runs_cannot(crew):
    file, desk, made = crew
    file.write(b"".join(b"slow %d\n" % number for number in range(8)))
    assert all(desk.begun.acquire(timeout=60) for _ in range(8))
    file.write(b"waits\nping\n")
    assert lines(file, 1) == [b"pong"]
    assert made.withdraw(lambda call: call == b"waits")
    assert not made.withdraw(lambda call: call == b"slow 0")
    desk.go.set()
    assert sorted(lines(file, 8)) == [b"slow %d" % number for number in range(8)]


def test_line_that_comes_in_pieces_is_one_call(crew):
    file, _, _ = crew
    file.write(b"ca")
    file.write(b"ll\npi")
    assert lines(file, 1) == [b"call"]
    file.write(b"ng\n")
    assert lines(file, 1) == [b"pong"]


@pytest.fixture
def looking(crew, monkeypatch):
    """The same, once a thread looks for the next message instead of waiting for it."""
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    file, desk, made = crew
    made.busy_poll = BusyPoll(30.0)
    made.busy_poll.came(0.0)
    file.write(b"first\n")
    assert lines(file, 1) == [b"first"]
    assert made.busy_poll.on
    return file, desk, made


def test_looking_thread_answers_what_comes_one_after_the_other(looking):
    file, _, made = looking
    for at in range(200):
        file.write(b"%d\n" % at)
        assert lines(file, 1) == [b"%d" % at]
    assert made.busy_poll.on


def test_quick_call_and_ping_do_not_wait_behind_a_slow_call_of_a_looking_thread(looking):
    file, desk, _ = looking
    file.write(b"slow\n")
    assert desk.begun.acquire(timeout=60)
    file.write(b"ping\n")
    assert lines(file, 1) == [b"pong"]
    file.write(b"quick\n")
    assert lines(file, 1) == [b"quick"]
    desk.go.set()
    assert lines(file, 1) == [b"slow"]


def test_what_comes_just_as_a_look_ends_is_not_lost(crew, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    file, _, made = crew
    for at in range(300):
        made.busy_poll = BusyPoll(0.000_02 * (at % 5))
        made.busy_poll.came(0.0)
        file.write(b"%d\n" % at)
        assert lines(file, 1) == [b"%d" % at]


def test_looking_thread_takes_pieces_and_several_lines_as_they_come(looking):
    file, _, made = looking
    for _ in range(20):
        file.write(b"o")
        file.write(b"ne\ntw")
        file.write(b"o\nthree\nping\n")
        assert sorted(lines(file, 4)) == [b"one", b"pong", b"three", b"two"]
    assert made.busy_poll.on


def test_looking_thread_refuses_a_line_that_is_too_long(looking, capfd):
    file, desk, made = looking
    ended = threading.Event()
    made._over = lambda _code: ended.set()
    file.write(b"x" * 1001 + b"\n")
    assert ended.wait(60)
    assert "longer than 1000 bytes" in capfd.readouterr().err
    assert desk.most == 1


def test_pipes_are_looked_at_for_as_long_as_is_said():
    read, write = os.pipe()
    end = PipeEnd(read, write)
    with os.fdopen(read, "rb"), os.fdopen(write, "wb"):
        assert end.look(0.0) == b""
        end.send(b"line\n")
        assert end.look(30.0) == b"line\n"
