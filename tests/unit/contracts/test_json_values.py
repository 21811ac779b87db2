"""What counts as a JSON value that every database keeps."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isp_plugins.contracts.json_values import dotted, encoded, first_problem

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc", max_size=3), inner),
    max_leaves=10,
)


@given(values)
def test_a_json_value_has_no_problem_and_survives_encoding(value):
    assert first_problem(value) is None
    assert json.loads(encoded(value)) == value


@pytest.mark.parametrize(
    "bad",
    [
        "\x00",
        "\udfff",
        float("nan"),
        float("-inf"),
        2**63,
        -(2**63) - 1,
        {1},
        b"",
        object(),
        {2: 1},
        {"\x00": 1},
    ],
)
def test_what_is_not_json_is_found_where_it_is(bad):
    problem = first_problem({"a": [0, bad]})
    assert problem is not None
    assert problem.path == ("a", 1)


def test_a_cycle_is_too_deep():
    value = {}
    value["again"] = [value]
    assert "levels" in first_problem(value).message


def test_a_problem_does_not_repeat_the_value():
    assert "secret" not in first_problem({"a": "secret\x00"}).message


def test_equal_objects_are_encoded_alike():
    assert encoded({"a": 1, "b": 2}) == encoded({"b": 2, "a": 1})


def test_a_path_is_written_with_dots():
    assert dotted(("smtp", "hosts", 0, "port")) == "smtp.hosts.0.port"
