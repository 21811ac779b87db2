"""What is a message of the protocol, and what is not."""

import pytest

from isp_plugins.conformance.shapes import mistakes_in_message

ANSWER = {"jsonrpc": "2.0", "id": 1}
GOOD = [
    ANSWER | {"result": None},
    ANSWER | {"error": {"code": 7, "message": "busy"}},
    {"jsonrpc": "2.0", "method": "log", "params": {"level": "INFO", "message": "x", "call": 3}},
    {"jsonrpc": "2.0", "id": 4, "method": "storage.get", "params": {"key": "a"}},
    {"jsonrpc": "2.0", "id": 4, "method": "emit", "params": {"hook": "h", "payload": None}, "new_in_2": 1},
]
BAD = [
    (5, "message: 5 is not of type"),
    (ANSWER | {"jsonrpc": "1.0", "result": 1}, "message.jsonrpc"),
    (ANSWER, "either `result` or `error`"),
    (ANSWER | {"result": 1, "error": {"code": 1, "message": "x"}}, "either `result` or `error`"),
    (ANSWER | {"error": {"code": "1", "message": "x"}}, "error.code"),
    (ANSWER | {"error": {"code": 2, "message": "x"}}, "error 2: data"),
    (
        ANSWER | {"error": {"code": 1, "message": "x", "data": {"type": "E"}}},
        '"message" is a required property',
    ),
    ({"jsonrpc": "2.0", "id": 1, "method": "storage.move", "params": {}}, "expected one of storage.get"),
    ({"jsonrpc": "2.0", "id": 0, "method": "storage.get", "params": {"key": "a"}}, "storage.get: id"),
    ({"jsonrpc": "2.0", "method": "storage.get", "params": {"key": "a"}}, "storage.get: id"),
    ({"jsonrpc": "2.0", "id": 1, "method": "step", "params": {"name": "import"}}, "expected a notification"),
    ({"jsonrpc": "2.0", "method": "log", "params": {"level": "LOUD", "message": "x"}}, "log: params.level"),
]


@pytest.mark.parametrize("message", GOOD)
def test_message_of_the_protocol_has_no_mistakes(message):
    assert mistakes_in_message(message) == []


@pytest.mark.parametrize(("message", "words"), BAD)
def test_mistake_is_told_with_its_place(message, words):
    assert words in "; ".join(mistakes_in_message(message))
