"""Our conditions beside another implementation of CEL (the `common_expression_language` package), over random expressions."""

import math
import re

import cel
import pytest
from hypothesis import example, given, settings

from isp_plugins.hooks.condition import ConditionFailedError, compile_condition
from isp_plugins.hooks.condition.exact import Frame, evaluator
from isp_plugins.hooks.condition.parser import parse
from isp_plugins.hooks.errors import ConditionInvalidError
from support.cel import expressions, payloads

FAILED = "no value"


def ours(source, payload):
    try:
        return evaluator(parse(source))(Frame(payload, {}))
    except ConditionFailedError:
        return FAILED


def reference(source, payload):
    try:
        return cel.evaluate(source, {**payload, "payload": payload, "context": {}})
    except Exception:  # the package raises many classes, RuntimeError to OverflowError
        return FAILED


def same(mine, other):
    if type(mine) is not type(other):
        return False
    if isinstance(mine, list):
        return len(mine) == len(other) and all(map(same, mine, other))
    if isinstance(mine, dict):
        return mine.keys() == other.keys() and all(same(mine[key], other[key]) for key in mine)
    return mine == other or (isinstance(mine, float) and math.isnan(mine) and math.isnan(other))


def known_difference(source, theirs):
    """Where the reference departs from CEL's definition: a failed element is never outweighed by a later one in all and exists."""
    return theirs is FAILED and re.search(r"\.(all|exists)\(", source)


@settings(max_examples=400, deadline=None)
@given(expressions(), payloads())
@example("(plan.none == 1) || true", {"plan": {}})
@example("(a / b == 1) && false", {"a": 1, "b": 0})
@example("tags.exists_one(x, x == 1)", {"tags": [1, 1.0]})
def test_values_agree_with_the_reference(source, payload):
    theirs = reference(source, payload)
    if not known_difference(source, theirs):
        mine = ours(source, payload)
        assert same(mine, theirs), f"{source} over {payload}: ours {mine!r}, reference {theirs!r}"


@settings(max_examples=400, deadline=None)
@given(expressions(), payloads())
def test_inlined_and_exact_evaluation_agree(source, payload):
    try:
        condition = compile_condition(source)
    except ConditionInvalidError:
        return
    exact = ours(source, payload)
    try:
        inlined = condition.evaluate(payload)
    except ConditionFailedError:
        inlined = FAILED
    assert inlined is (exact if isinstance(exact, bool) else FAILED)


@pytest.mark.parametrize(
    "source",
    [
        "1 +",
        "a b",
        "(a",
        "'x",
        "a ? b",
        "for",
        "1 in",
        "a..b",
        "-!a",
        "a.all(1, true)",
        "has(a)",
        "12abc",
        "[1",
        "{'a'}",
        '"\\q"',
        "&& a",
        "a.in",
    ],
)
def test_what_the_reference_refuses_is_refused(source):
    with pytest.raises(ValueError, match="Failed to parse"):
        cel.compile(source)
    with pytest.raises(ConditionInvalidError):
        compile_condition(source)
