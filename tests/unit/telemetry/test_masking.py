"""Known secrets are masked in whatever form they are written."""

import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isp_plugins.telemetry.masking import MASK, NO_MASKS, Masker


@pytest.mark.parametrize(
    "written",
    [
        'p@ss/"wörd"\\1',
        json.dumps('p@ss/"wörd"\\1'),
        json.dumps('p@ss/"wörd"\\1', ensure_ascii=False),
        repr('p@ss/"wörd"\\1'),
        quote('p@ss/"wörd"\\1'),
        quote('p@ss/"wörd"\\1', safe=""),
        quote('p@ss/"wörd"\\1', safe="").lower(),
        quote_plus('p@ss/"wörd"\\1'),
    ],
)
def test_every_way_of_writing_a_secret_is_masked(written):
    masked = Masker(['p@ss/"wörd"\\1'])(f"before {written} after")
    assert MASK in masked
    assert "ss" not in masked


def test_the_rest_of_the_text_stays():
    assert Masker(["hunter2"])("a hunter2 b hunter2") == f"a {MASK} b {MASK}"


def test_overlapping_secrets_are_masked_together():
    assert Masker(["abcd", "cdef"])("xabcdefx") == f"x{MASK}x"


def test_the_longest_secret_counts():
    assert Masker(["pass", "password"])("password") == MASK


def test_values_of_fewer_than_four_characters_are_not_masked():
    assert not Masker(["abc", "", "  a  "])


def test_the_lines_of_a_key_are_masked_one_by_one():
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nshort\n-----END KEY-----\n"
    masked = Masker([key])("line 2 is MIIEvQIBADANBgkq\nand short")
    assert masked == f"line 2 is {MASK}\nand short"


def test_a_secret_of_asterisks_hides_nothing():
    assert Masker(["****"])("**** and ****") == "**** and ****"


def test_without_secrets_a_text_is_the_same_object():
    text = "nothing to hide"
    assert NO_MASKS(text) is text


secrets = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="*"), min_size=4, max_size=12
).filter(lambda text: len(text.strip()) >= 4)


@given(
    secrets=st.lists(secrets, min_size=1, max_size=3),
    parts=st.lists(st.text(max_size=8), min_size=1, max_size=4),
    data=st.data(),
)
def test_no_secret_is_left_in_any_text(secrets, parts, data):
    pieces = [piece for part in parts for piece in (part, data.draw(st.sampled_from(secrets)))]
    masked = Masker(secrets)("".join(pieces))
    assert not any(secret in part for secret in secrets for part in masked.split(MASK))
