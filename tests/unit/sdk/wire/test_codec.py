"""JSON in and out, the same with either codec."""

import json
import math
from datetime import UTC, datetime
from enum import Enum, IntEnum, StrEnum
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isp_plugin_sdk.wire.codec import NOT_ENCODABLE, NotJsonTextError, best_codec, fast_codec, standard_codec


class Plain(Enum):
    RED = "red"


class Words(StrEnum):
    RED = "red"


class Numbers(IntEnum):
    ONE = 1


CODECS = [standard_codec(), fast_codec()]
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=20,
)  # fmt: skip


@pytest.fixture(params=CODECS, ids=lambda codec: codec.name)
def codec(request):
    return request.param


@given(VALUES)
def test_what_one_writes_both_read(value):
    for writer in CODECS:
        text = writer.encode(value)
        assert b"\n" not in text
        assert [reader.decode(text) for reader in CODECS] == [value, value]


@pytest.mark.parametrize(
    "value",
    [
        b"bytes",
        {1, 2},
        object(),
        "\ud800",
        {"a": object()},
        [[{1}]],
        datetime.now(UTC),
        uuid4(),
        [{"a": (uuid4(),)}],
        Plain.RED,
        {"a": Plain.RED},
    ],
)
def test_what_is_not_json_is_not_written(codec, value):
    with pytest.raises(NOT_ENCODABLE):
        codec.encode(value)


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, [-math.inf], {"a": [1, {"b": math.nan}]}, (None, ((math.inf,),)), [1.5, {"a": math.nan}]]
)  # fmt: skip
def test_number_that_json_does_not_have_is_refused_wherever_it_stands(codec, value):
    with pytest.raises(NOT_ENCODABLE):
        codec.encode(value)


@pytest.mark.parametrize("value", [None, "null", [None, 1.5, {"a": (1, None)}], 1e308])
def test_what_only_looks_like_it_is_written(codec, value):
    assert json.loads(codec.encode(value)) == json.loads(json.dumps(value))


@pytest.mark.parametrize("text", [b"", b"{", b"NaN", b"[Infinity]", b"\xff", b"'a'", b"[" * 100_000])
def test_what_is_not_json_is_not_read(codec, text):
    with pytest.raises(NotJsonTextError):
        codec.decode(text)


def test_faster_codec_is_taken_where_it_is_there():
    assert best_codec().name == "orjson"


def test_enums_that_are_text_or_numbers_are_written_as_such(codec):
    assert json.loads(codec.encode({"a": [Words.RED, (Numbers.ONE,)]})) == {"a": ["red", [1]]}


@pytest.mark.parametrize("text", [b' {"a": 1}', b"[1, 2]\r", b"\t7 \n"])
def test_blanks_around_a_text_do_not_matter(codec, text):
    assert codec.decode(text) == json.loads(text)


@pytest.mark.parametrize("text", [b"1 2", b"{} {}", b"[]x", b'"a" "b"'])
def test_more_than_one_value_is_not_read(codec, text):
    with pytest.raises(NotJsonTextError):
        codec.decode(text)


def test_value_that_contains_itself_is_not_written(codec):
    inner = []
    inner.append({"again": inner})
    with pytest.raises(NOT_ENCODABLE):
        codec.encode(inner)


def test_interpreter_without_the_encoder_in_c_writes_the_same(monkeypatch):
    with_c = standard_codec()
    monkeypatch.setattr(json.encoder, "c_make_encoder", None)
    value = {"a": [1, 2.5, None, True, "ü\n"], "b": {}}
    assert standard_codec().encode(value) == with_c.encode(value)
