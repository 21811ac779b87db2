"""Texts are cut, and made storable, without letting half a secret through."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isp_plugins.telemetry.masking import MASK, NO_MASKS, Masker
from isp_plugins.telemetry.text import (
    MESSAGE_BYTES,
    TRACEBACK_BYTES,
    message_of,
    name_of,
    storable,
    traceback_of,
)


@pytest.mark.parametrize("length", [MESSAGE_BYTES - 1, MESSAGE_BYTES])
def test_a_message_that_fits_is_not_cut(length):
    assert message_of("x" * length, NO_MASKS) == "x" * length


@pytest.mark.parametrize("text", ["x" * (MESSAGE_BYTES + 1), "€" * MESSAGE_BYTES, "x" * 5_000_000])
def test_a_long_message_keeps_its_beginning_and_says_so(text):
    cut = message_of(text, NO_MASKS)
    assert text.startswith(cut[:1000])
    assert f"had {len(text)} characters" in cut
    assert len(cut.encode()) < MESSAGE_BYTES + 100


def test_a_long_traceback_keeps_its_end():
    cut = traceback_of("first\n" + "x" * TRACEBACK_BYTES + "\nlast", NO_MASKS)
    assert cut.endswith("\nlast")
    assert "cut" in cut
    assert "first" not in cut


@given(
    start=st.integers(MESSAGE_BYTES - 40, MESSAGE_BYTES + 40),
    more=st.integers(0, 100),
    before=st.integers(0, 5),
)
def test_no_part_of_a_secret_is_left_where_a_message_is_cut(start, more, before):
    secret = "0123456789abcdefghijklmnopqrs"
    text = secret * before + "x" * (start - before * len(secret)) + secret + "y" * more
    assert not any(
        secret[:n] in message_of(text, Masker([secret])).split("… [")[0] for n in range(1, len(secret))
    )


@given(after=st.integers(TRACEBACK_BYTES - 40, TRACEBACK_BYTES + 40), more=st.integers(0, 100))
def test_no_part_of_a_secret_is_left_where_a_traceback_is_cut(after, more):
    secret = "0123456789abcdefghijklmnopqrs"
    shown = traceback_of("y" * more + secret + "x" * after, Masker([secret])).split("] …\n")[-1]
    assert not any(secret[n:] in shown for n in range(len(secret)))


def test_nul_and_surrogates_become_storable():
    assert storable("a\x00b\udc80c€") == "a␀b\\udc80c€"


@given(st.text(st.characters()))
def test_every_text_becomes_storable(text):
    shown = storable(text)
    assert "\x00" not in shown
    assert shown.encode().decode() == shown


def test_a_name_has_at_most_200_characters():
    assert name_of("n" * 300, NO_MASKS) == "n" * 200
    assert name_of("", NO_MASKS) is None
    assert name_of("hunter2", Masker(["hunter2"])) == MASK
