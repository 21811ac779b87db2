"""Lines out of a stream of bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isp_plugin_sdk.wire.framing import Lines, MessageTooLongError

LINE = st.binary(max_size=40).map(lambda data: data.replace(b"\n", b" "))


@given(st.lists(LINE), st.lists(st.integers(0, 60)))
def test_lines_come_out_as_they_went_in_however_they_are_cut(lines, cuts):
    stream, found, reader = b"".join(line + b"\n" for line in lines), [], Lines(40)
    for cut in cuts:
        found += reader.feed(stream[:cut])
        stream = stream[cut:]
    assert found + reader.feed(stream) == lines
    assert reader.held == 0


def test_what_has_no_newline_yet_is_held():
    reader = Lines(10)
    assert reader.feed(b"abc") == []
    assert reader.held == 3
    assert reader.feed(b"d\ne") == [b"abcd"]
    assert reader.held == 1


@pytest.mark.parametrize(
    "pieces", [[b"x" * 11], [b"x" * 6, b"x" * 5], [b"x" * 11 + b"\n"], [b"ok\n" + b"x" * 11 + b"\n"]]
)
def test_line_that_is_too_long_is_refused_before_it_is_whole(pieces):
    reader = Lines(10)
    *first, last = pieces
    for piece in first:
        reader.feed(piece)
    with pytest.raises(MessageTooLongError, match="longer than 10 bytes"):
        reader.feed(last)


def test_many_short_lines_at_once_are_no_long_one():
    assert Lines(3).feed(b"abc\n" * 100) == [b"abc"] * 100
