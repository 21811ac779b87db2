"""The expression that the engine writes into its chains."""

import ast

import pytest
from hypothesis import given, settings

from isp_plugins.hooks.condition import ConditionFailedError, compile_condition
from isp_plugins.hooks.condition.inline import ALLOWED
from isp_plugins.hooks.errors import ConditionInvalidError
from support.cel import expressions


def run_inlined(condition, payload, context):
    """The expression over other local names, inside a function, as a chain has it."""
    function = ast.parse("def chain(v, c):\n    return None").body[0]
    function.body[0].value = condition.inline("v", "c")
    module = ast.fix_missing_locations(ast.Module([function], []))
    names = dict(condition.helpers)
    exec(compile(module, "<chain>", "exec"), names)
    return names["chain"](payload, context)


@pytest.mark.parametrize(
    "source",
    [
        'plan.speed >= 100 && country == "PT"',
        'context.role == "admin" || plan.speed < 5',
        "lines.exists(x, x > 1)",
        'name.matches("^a") || name.matches("b$")',
    ],
)
def test_inlined_expression_runs_over_the_locals_named(source):
    payload = {"plan": {"speed": 200}, "country": "PT", "lines": [2], "name": "ab"}
    assert run_inlined(compile_condition(source), payload, {"role": "viewer"}) is (source[0] != "c")


def test_ordinary_condition_calls_nothing():
    tree = compile_condition(
        'plan.speed >= 100 && country == "PT" && kind in ["home", "business"]'
    ).expression
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.func.id != "_cel_lt"]
    assert calls == []


def test_expressions_are_fresh_each_time():
    condition = compile_condition("a == 1")
    assert condition.expression is not condition.expression


def test_helpers_of_two_conditions_do_not_collide():
    first, second = compile_condition('a.matches("x")'), compile_condition('a.matches("y")')
    merged = first.helpers | second.helpers
    assert all(merged[name] is value for name, value in (first.helpers | second.helpers).items())
    assert len(set(first.helpers) ^ set(second.helpers)) == 2


@pytest.mark.parametrize("name", ["__class__", "__builtins__", "_cel_eq", "ast", "open"])
def test_any_name_is_only_a_field(name):
    assert compile_condition(f"{name} == 'x'").evaluate({name: "x"}) is True
    with pytest.raises(ConditionFailedError):
        compile_condition(f"a.{name} == 'x'").evaluate({"a": "text"})


@settings(deadline=None)
@given(expressions())
def test_only_whitelisted_nodes_and_names_are_generated(source):
    try:
        condition = compile_condition(source)
    except ConditionInvalidError:
        return
    for node in ast.walk(condition.expression):
        assert isinstance(node, ALLOWED)
        assert (
            not isinstance(node, ast.Name) or node.id in {"payload", "context"} or node.id.startswith("_cel_")
        )
