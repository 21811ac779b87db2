"""The suite's end of the channel: what counts as a violation, whatever the pieces in which it comes."""

import pytest

from isp_plugins.conformance.channel import KEPT, Channel, encode
from isp_plugins.conformance.results import UnmetError
from isp_plugins.conformance.session import expect_equal

PONG = {"jsonrpc": "2.0", "id": 1, "result": {}}


@pytest.fixture
async def channel():
    return Channel(100)


async def test_answer_in_pieces_is_one_answer(channel):
    pending, _ = channel.prepared("ping", {})
    for byte in encode(PONG):
        channel.data_received(bytes([byte]))
    assert (pending.answer.result().result, channel.violations) == ({}, [])


async def test_second_answer_is_a_violation(channel):
    channel.prepared("ping", {})
    channel.data_received(encode(PONG) * 2)
    assert "not under way" in channel.violations[0]


async def test_message_over_the_limit_is_one_violation_and_the_next_is_read(channel):
    pending, _ = channel.prepared("ping", {})
    for piece in (b'"' + b"x" * 150, b"y" * 90, b'"\n' + encode(PONG)):
        channel.data_received(piece)
    assert (len(channel.violations), pending.answer.done()) == (1, True)


async def test_longest_message_is_no_violation(channel):
    pending, _ = channel.prepared("ping", {})
    line = encode(PONG | {"result": {"pad": ""}})
    channel.data_received(line.replace(b'""', b'"' + b"x" * (101 - len(line)) + b'"'))
    assert (channel.violations, pending.answer.done()) == ([], True)


@pytest.mark.parametrize("line", [b"hello\n", b"NaN\n", b'"\xff"\n', b"\n"])
async def test_line_that_is_not_json_is_a_violation(channel, line):
    channel.data_received(line)
    assert ("not JSON" in channel.violations[0], channel.interrupted.is_set()) == (True, True)


async def test_unfinished_line_at_the_end_is_a_violation(channel):
    channel.data_received(b'{"jsonrpc"')
    channel.connection_lost(None)
    assert channel.violations == ['an unfinished line at the end: {"jsonrpc"']


async def test_id_used_twice_is_a_violation(channel):
    channel.limit = 1000
    channel.data_received(
        encode({"jsonrpc": "2.0", "id": 5, "method": "storage.get", "params": {"key": "a"}}) * 2
    )
    assert "the id 5 for a second request" in channel.violations[0]


@pytest.mark.parametrize(
    ("expected", "got"), [(1, True), (0, False), (None, 0), ("1", 1), ([1], [1, 1]), ({"a": 1}, {"a": True})]
)
def test_values_of_different_kinds_are_not_equal(expected, got):
    with pytest.raises(UnmetError):
        expect_equal("it", expected, got)


def test_number_in_another_spelling_is_equal():
    assert expect_equal("it", {"a": [1.0, 2]}, {"a": [1, 2]}) is None


async def test_flood_fills_no_memory(channel):
    channel.data_received(b"hello\n" * (KEPT + 5))
    channel.limit = 1000
    channel.data_received(
        encode({"jsonrpc": "2.0", "method": "step", "params": {"name": "import"}}) * (KEPT + 5)
    )
    assert (len(channel.violations), len(channel.notifications)) == (KEPT, KEPT)
