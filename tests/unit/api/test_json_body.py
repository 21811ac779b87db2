"""Rules of `api.json_body`, one by one."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from isp_plugins.api.errors import (
    BodyTooLargeError,
    IntegerTooLargeError,
    JsonMalformedError,
    MediaTypeUnsupportedError,
    NestingTooDeepError,
    NulCharacterError,
)
from isp_plugins.api.json_body import check_depth, check_media_type, parse, read_body


def request_of(*parts, headers=()):
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    messages.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive():
        return messages.pop(0)

    return Request({"type": "http", "method": "POST", "headers": list(headers)}, receive)


async def test_body_in_parts_is_put_together():
    assert await read_body(request_of(b'{"a"', b":1}"), 100) == b'{"a":1}'


async def test_declared_length_beyond_the_limit_is_refused_unread():
    request = request_of(headers=[(b"content-length", b"101")])
    with pytest.raises(BodyTooLargeError):
        await read_body(request, 100)


async def test_undeclared_body_is_refused_as_soon_as_it_is_too_long():
    request = request_of(b"x" * 60, b"x" * 60, b"x" * 60)
    with pytest.raises(BodyTooLargeError):
        await read_body(request, 100)


@pytest.mark.parametrize(
    "text", ["{", "[1,]", "NaN", "Infinity", "1e999", '"\\ud800"', "'a'", "\ufeff{}", "nul", '"a\nb"', ""]
)
def test_what_is_not_json_is_malformed(text):
    with pytest.raises(JsonMalformedError):
        parse(text.encode(), max_depth=64)


def test_bytes_that_are_not_utf8_are_malformed():
    with pytest.raises(JsonMalformedError):
        parse(b'"\xff"', max_depth=64)


def test_last_value_of_a_repeated_key_counts():
    assert parse(b'{"a": 1, "a": 2}', max_depth=64) == {"a": 2}


@pytest.mark.parametrize("text", ['"a\\u0000"', '{"a": ["\\u0000"]}', '{"\\u0000": 1}'])
def test_nul_is_refused_wherever_it_is(text):
    with pytest.raises(NulCharacterError):
        parse(text.encode(), max_depth=64)


def test_escaped_backslash_before_u0000_is_no_nul():
    assert parse(rb'"\\u0000"', max_depth=64) == "\\u0000"


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**300])
def test_integer_beyond_64_bits_is_refused(number):
    with pytest.raises(IntegerTooLargeError):
        parse(b'{"n": %d}' % number, max_depth=64)


@pytest.mark.parametrize(
    "text",
    [
        str(2**63 - 1),
        str(-(2**63)),
        "12345678901234567890.5",
        "1.12345678901234567890123",
        '"12345678901234567890123"',
        "12345678901234567890e1",
    ],
)
def test_long_number_that_is_no_large_integer_passes(text):
    assert parse(text.encode(), max_depth=64) == json.loads(text)


@given(st.integers(0, 12), st.booleans())
def test_depth_is_counted_exactly(depth, objects):
    opening, closing = ('{"a":', "}") if objects else ("[", "]")
    body = (opening * depth + "1" + closing * depth).encode()
    if depth > 6:
        with pytest.raises(NestingTooDeepError):
            check_depth(body, 6)
    else:
        check_depth(body, 6)


def test_alternating_brackets_count_each():
    with pytest.raises(NestingTooDeepError):
        check_depth(b'[{"a":' * 4 + b"1" + b"}]" * 4, 6)


def test_brackets_in_text_do_not_count():
    check_depth(b'["' + b"[{" * 100 + b'\\"[["]', 6)


def test_many_shallow_lists_are_not_deep():
    check_depth(b"[" + b",".join([b"[]"] * 1000) + b"]", 6)


def test_unclosed_nesting_is_refused_too():
    with pytest.raises(NestingTooDeepError):
        check_depth(b"[" * 100_000, 64)


@pytest.mark.parametrize(
    "given_type",
    [None, "text/plain", "application/xml", "application/json; charset=latin-1", "multipart/form-data"],
)
def test_body_of_another_type_is_refused(given_type):
    with pytest.raises(MediaTypeUnsupportedError):
        check_media_type(given_type)


@pytest.mark.parametrize(
    "given_type", ["application/json", "Application/JSON; charset=UTF-8", "application/cloudevents+json"]
)
def test_json_types_are_accepted(given_type):
    check_media_type(given_type)
