"""Rules of `api.json_text`: whatever a plugin returned, the answer is JSON."""

import json
import math

from hypothesis import given
from hypothesis import strategies as st

from isp_plugins.api.json_text import dump

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(st.text(st.characters()), children, max_size=3)
        | st.sets(st.integers(), max_size=3)
    ),
    max_leaves=10,
)


class Unwritable:
    def __str__(self):
        raise RuntimeError("no")


@given(json_values)
def test_any_value_becomes_json(value):
    read = json.loads(dump(value), parse_constant=lambda _: pytest_fail())
    assert json.loads(dump(read)) == read


def pytest_fail():
    raise AssertionError("NaN or Infinity in JSON")


def test_large_integer_stays_exact():
    assert json.loads(dump({"n": 10**30})) == {"n": 10**30}


def test_lone_surrogate_is_replaced():
    assert json.loads(dump(["a\ud800b"])) == ["a?b"]


def test_numbers_json_does_not_have_become_null():
    assert json.loads(dump([math.nan, math.inf, 10**30])) == [None, None, 10**30]


def test_circle_ends():
    circle = []
    circle.append(circle)
    assert b'"..."' in dump(circle)


def test_object_with_a_broken_str_is_named_by_its_type():
    assert json.loads(dump(Unwritable())) == "<Unwritable>"
