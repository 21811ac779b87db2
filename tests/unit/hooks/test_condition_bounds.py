"""No condition over any payload takes long: steps are counted, patterns have no catastrophes, joined values stay small."""

import time

import pytest

from isp_plugins.hooks.condition import ConditionFailedError, compile_condition

BOUND_S = 5.0
"""Of processor time, so that a busy machine does not count; far above what is measured (a tenth of a second). Without the bounds each case takes minutes."""
MANY = list(range(100_000))
TEXT = "a" * 1_000_000

HEAVY = [
    ("l.exists(x, l.exists(y, l.exists(z, x + y + z < 0)))", {"l": MANY}),
    ("l.exists(x, x == -1) || l.exists(x, x == -2)", {"l": MANY}),
    ("l.all(x, l == l)", {"l": MANY}),
    ("l.all(x, t == u)", {"l": MANY, "t": TEXT, "u": "".join([TEXT[:-1], "a"])}),
    ("l.all(x, t <= u)", {"l": MANY, "t": TEXT, "u": "".join([TEXT[:-1], "a"])}),
    ("l.all(x, !t.contains('b'))", {"l": MANY, "t": TEXT}),
    ("l.all(x, !(-1 in l))", {"l": MANY}),
    ("l.all(x, t.matches('^(a+)+$'))", {"l": MANY, "t": TEXT}),
    ("l.map(x, l.map(y, s + s)).size() > 0", {"l": MANY, "s": "a" * 4_000}),
    ("l.all(x, " + " && ".join(["x + 1 > x"] * 120) + ")", {"l": MANY}),
]


@pytest.mark.parametrize(("source", "payload"), HEAVY)
def test_heavy_condition_ends_soon(source, payload):
    condition = compile_condition(source)
    begun = time.thread_time()
    with pytest.raises(ConditionFailedError, match="more than 50,000 steps"):
        condition.evaluate(payload)
    assert time.thread_time() - begun < BOUND_S


def test_spent_budget_is_not_outweighed():
    with pytest.raises(ConditionFailedError, match="steps"):
        compile_condition("l.exists(x, x < 0) || true").evaluate({"l": MANY})


def test_ten_thousand_elements_are_within_the_budget():
    assert compile_condition("l.all(x, x.price >= 0)").evaluate({"l": [{"price": 1}] * 10_000}) is True


def test_catastrophic_pattern_is_linear():
    begun = time.thread_time()
    assert compile_condition(r'a.matches("^(a+)+$")').evaluate({"a": "a" * 100_000 + "!"}) is False
    assert time.thread_time() - begun < BOUND_S


@pytest.mark.parametrize("payload", [{"a": "x" * 6_000}, {"a": [1] * 6_000}])
def test_joined_values_are_limited(payload):
    with pytest.raises(ConditionFailedError, match="10,000 characters or items"):
        compile_condition("a + a == a").evaluate(payload)


def test_number_in_a_long_text_is_not_read():
    with pytest.raises(ConditionFailedError):
        compile_condition("double(a) > 0.0").evaluate({"a": "1" * 10_000})
