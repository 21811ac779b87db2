"""What a worker may ask its broker, and whether a packet is such a question. Pure."""

import json
import socket
from collections.abc import Callable, Mapping
from typing import Any

from isp_plugin_sdk.sandbox.grants import ICMP, TCP, UDP

MAX_HOST = 253
_FAMILIES = frozenset({0, int(socket.AF_INET), int(socket.AF_INET6)})
_Check = Callable[[Any], bool]


def _is_host(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_HOST and value.isprintable()


def _is_number(value: Any) -> bool:
    return type(value) is int


def _is_port(value: Any) -> bool:
    return type(value) is int and 0 <= value <= 65535


def _is_family(value: Any) -> bool:
    return type(value) is int and value in _FAMILIES


_PEER: Mapping[str, _Check] = {"host": _is_host, "port": _is_port, "family": _is_family}
QUESTIONS: Mapping[str, Mapping[str, _Check]] = {
    "connect": {**_PEER, "timeout_ms": _is_number},
    "resolve": {"host": _is_host, "family": _is_family},
    "datagram": {"protocol": lambda value: value in (UDP, ICMP), "family": _is_family},
    "reach": {**_PEER, "protocol": lambda value: value in (UDP, ICMP)},
    "listen": {
        **_PEER,
        "protocol": lambda value: value in (TCP, UDP),
        "only_v6": lambda value: isinstance(value, bool),
        "relay": _is_number,
    },
}
"""Each question with its members, all of which must be there, and no others."""


def read_question(text: bytes) -> tuple[int, str, dict[str, Any]]:
    """Number, kind and members of a packet; `ValueError` for anything that is not a question."""
    if not text:
        raise ValueError("the worker closed its end")
    question = json.loads(text)
    if not isinstance(question, dict) or type(question.get("id")) is not int:
        raise ValueError("expected a question with an id")
    asked = [key for key in QUESTIONS if key in question]
    if len(asked) != 1 or not _fits(QUESTIONS[asked[0]], question[asked[0]]):
        raise ValueError(f"expected one of {', '.join(QUESTIONS)}")
    return question["id"], asked[0], question[asked[0]]


def _fits(members: Mapping[str, _Check], values: Any) -> bool:
    return (
        isinstance(values, dict)
        and values.keys() == members.keys()
        and all(check(values[name]) for name, check in members.items())
    )
