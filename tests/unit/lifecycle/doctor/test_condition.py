"""The explanation of a condition says what it saw and which part decided, and agrees with the condition itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isp_plugins.hooks.condition import ConditionFailedError, compile_condition
from isp_plugins.lifecycle.doctor.condition import explain


def decisive(source, payload, context=None):
    return [seen.text for seen in explain(source, payload, context).decisive]


def test_false_part_of_an_and_is_named():
    source = 'plan.speed >= 100 && country == "PT"'
    assert decisive(source, {"plan": {"speed": 50}, "country": "PT"}) == ["plan.speed >= 100"]


def test_every_false_part_of_an_and_is_named():
    assert decisive("a > 1 && b > 1 && c > 1", {"a": 0, "b": 0, "c": 2}) == ["a > 1", "b > 1"]


def test_every_part_of_a_false_or_is_named():
    assert decisive("a > 1 || b > 1", {"a": 0, "b": 0}) == ["a > 1", "b > 1"]


def test_true_part_of_a_true_or_is_named():
    assert decisive("a > 1 || b > 1", {"a": 0, "b": 2}) == ["b > 1"]


def test_negation_names_what_it_negates():
    assert decisive("!(a > 1)", {"a": 2}) == ["a > 1"]


def test_conditional_names_the_test_and_the_branch_taken():
    assert decisive("a ? b > 1 : c > 1", {"a": False, "b": 2, "c": 0}) == ["a", "c > 1"]


def test_missing_field_is_told_as_the_failure():
    found = explain("plan.speed >= 100", {"name": "Ada"})
    assert found.met is None
    assert "there is no field plan" in str(found)


def test_failed_part_beside_a_false_one_does_not_decide():
    assert decisive("missing > 1 && a > 1", {"a": 0}) == ["a > 1"]


def test_every_variable_is_shown_with_its_value():
    found = explain(
        "plan.speed > 1 && name.size() > 2 && plan.speed < 9", {"plan": {"speed": 5}, "name": "Ada"}
    )
    assert [str(seen) for seen in found.values] == ["plan.speed = 5", 'name = "Ada"']


def test_context_is_shown_as_well():
    assert "context.tier = 2" in str(explain("context.tier > 3", {}, {"tier": 2}))


def test_comprehension_is_looked_at_as_a_whole():
    found = explain("lines.exists(x, x.price > 3)", {"lines": [{"price": 1}]})
    assert [seen.text for seen in found.decisive] == ["lines.exists(x, x.price > 3)"]
    assert [seen.text for seen in found.values] == ["lines"]


def test_long_value_is_cut():
    assert len(str(explain('name == "x"', {"name": "a" * 5000}))) < 300


SOURCES = (
    "a > 1", "a > b || b > 3", "!(a > 1) && b < 5", "a > 1 ? b > 1 : c", "has(payload.a) && a == 1", "a + b * 2 > 4 || c",
    "[1, 2].exists(x, x == a)", "(a > 1 || b > 1) && (c || a == b)", "-a < b", 'string(a) + "x" == "1x"', "(a - b) - 1 > a - (b - 1)",
)  # fmt: skip
PAYLOADS = st.dictionaries(
    st.sampled_from("abc"), st.one_of(st.integers(-3, 6), st.booleans(), st.none()), max_size=3
)


@given(st.sampled_from(SOURCES), PAYLOADS)
def test_explanation_agrees_with_the_condition(source, payload):
    try:
        expected = compile_condition(source).evaluate(payload)
    except ConditionFailedError:
        expected = None
    assert explain(source, payload).met is expected


@pytest.mark.parametrize("source", SOURCES)
def test_spelled_parts_mean_the_same(source):
    payload = {"a": 1, "b": 2, "c": True}
    for seen in explain(source, payload).comparisons:
        assert compile_condition(seen.text).evaluate(payload) is seen.value
