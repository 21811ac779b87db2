"""Only JSON values cross, as copies."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isp_plugin_sdk import NotJsonError
from isp_plugin_sdk.values import json_copy

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=20,
)


class Kind(str, Enum):  # noqa: UP042  the kind whose str() is not its value is what is tested
    HOME = "home"


@given(JSON)
def test_json_value_is_copied_as_it_is(value: Any) -> None:
    assert json_copy(value, "x") == value == json.loads(json.dumps(value))


def test_copy_shares_nothing_with_the_original() -> None:
    value = {"a": [{"b": 1}]}
    json_copy(value, "x")["a"][0]["b"] = 2
    assert value == {"a": [{"b": 1}]}


def test_tuple_becomes_a_list_and_an_enum_its_value() -> None:
    copied = json_copy({"a": (1, 2), "b": Kind.HOME}, "x")
    assert copied == {"a": [1, 2], "b": "home"}
    assert type(copied["b"]) is str


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            {"a": [{"b": datetime(2030, 1, 1, tzinfo=UTC)}]},
            r"x at a\.0\.b: expected RFC 3339 text, got datetime",
        ),
        ({"a": {1}}, "x at a: expected a list, got set"),
        ({1: "a"}, "x: expected text as every key, got the key 1"),
        (float("nan"), "x: expected a finite number, got nan"),
        (2**63, "x: expected an integer of 64 bits, got one of 64 bits"),
        ("\ud800", "x: expected text that UTF-8 can hold, got a lone surrogate"),
        ({"a\0": 1}, "x: expected text without NUL"),
        (Decimal(1), "expected an integer of minor units"),
        (object(), "expected a JSON value, got object"),
    ],
)
def test_what_is_no_json_value_is_refused_with_its_path(value: Any, message: str) -> None:
    with pytest.raises(NotJsonError, match=message):
        json_copy(value, "x")


def test_endless_value_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(NotJsonError, match="at most 64 levels"):
        json_copy(value, "x")
