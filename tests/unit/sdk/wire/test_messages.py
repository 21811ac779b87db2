"""What is a message, and what is not."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isp_plugin_sdk.wire import messages
from isp_plugin_sdk.wire.codes import Code
from isp_plugin_sdk.wire.messages import NotAMessageError, Shape, shape_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["id", "method", "params", "result", "error", "code"]), inner),
)  # fmt: skip


@pytest.mark.parametrize(
    ("message", "shape"),
    [
        (messages.request(1, "ping", {}), Shape.REQUEST),
        ({"id": 1, "method": "ping"}, Shape.REQUEST),
        (messages.notification("exit", {}), Shape.NOTIFICATION),
        (messages.result(1, None), Shape.RESPONSE),
        (messages.failure(1, Code.BUSY, "busy"), Shape.RESPONSE),
        (messages.failure(None, Code.PARSE_ERROR, "no", {"a": 1}), Shape.RESPONSE),
        ({"id": 1, "result": 5, "unknown": 1}, Shape.RESPONSE),
        ({"id": 1, "error": {"code": 1, "message": "m", "data": None}}, Shape.RESPONSE),
    ],
)
def test_messages_are_told_by_their_members(message, shape):
    assert shape_of(message) is shape


@pytest.mark.parametrize(
    "value",
    [
        None, 5, [], [messages.request(1, "ping", {})], {}, {"id": 1}, {"method": 5}, {"method": "a", "params": []},
        {"method": "a", "id": 0}, {"method": "a", "id": "1"}, {"method": "a", "id": True}, {"method": "a", "id": 1.0},
        {"id": 1, "result": 1, "error": {"code": 1, "message": ""}}, {"id": None, "result": 1}, {"id": -1, "result": 1},
        {"id": 1, "error": "no"}, {"id": 1, "error": {"code": "1", "message": ""}}, {"id": 1, "error": {"code": 1}},
        {"id": 1, "error": {"code": 1, "message": "", "data": 5}},
    ],
)  # fmt: skip
def test_what_is_no_message_is_refused_with_a_reason(value):
    with pytest.raises(NotAMessageError):
        shape_of(value)


@given(JSON)
def test_any_json_value_is_a_message_or_refused(value):
    with contextlib.suppress(NotAMessageError):
        assert shape_of(value) in Shape
