"""Hand-picked conditions and what CEL makes of them: True, False, or no value at all."""

import math
from collections import OrderedDict
from enum import IntEnum, StrEnum

import pytest

from isp_plugins.hooks.condition import ConditionFailedError, compile_condition

FAILS = "has no value"
PAYLOAD = {
    "plan": {"speed": 200, "name": "Fibre", "price": 29.9, "tags": ["home", "pt"], "vip": None},
    "country": "PT",
    "emails": ["a@example.pt", "b@example.com"],
    "lines": [{"price": 5, "qty": 1}, {"price": 50, "qty": 2}],
    "active": True,
    "one": 1,
    "zero": 0,
    "half": 0.5,
    "nothing": None,
    "empty": [],
    "name": "José",
    "big": 2**63 - 1,
    "low": -(2**63),
    "nan": math.nan,
    "bools": [True, False],
    "mixed": ["a", 1, 2.5, None, True],
    "payload": 7,
}

CASES = [
    ('plan.speed >= 100 && country == "PT"', True),
    ("plan.speed > 200", False),
    ("200 <= plan.speed", True),
    ("100 > plan.speed", False),
    ("plan.missing == 1", FAILS),
    ("missing == 1", FAILS),
    ("nothing.x == 1", FAILS),
    ("emails.x == 1", FAILS),
    ("country.x == 1", FAILS),
    # strict types
    ("1 + 1.0 == 2.0", FAILS),
    ("one + half > 1.0", FAILS),
    ("half + half == 1.0", True),
    ("one + one == 2", True),
    ('"a" + 1 == "a1"', FAILS),
    ('country + "x" == "PTx"', True),
    ("emails + empty == emails", True),
    ("emails + 1 == emails", FAILS),
    ("active + active == 2", FAILS),
    ("nothing + nothing == null", FAILS),
    ("half % half == 0.0", FAILS),
    # a bool is no number
    ("active >= 1", FAILS),
    ("active == 1", False),
    ("active != 1", True),
    ("active == true", True),
    ("one == true", False),
    ("zero == false", False),
    ("one == 1", True),
    ("one == 1.0", True),
    ("zero == -0.0", True),
    ("active in [1]", False),
    ("1 in bools", False),
    ("true in bools", True),
    ("active in [1, 2]", False),
    ("one in [1.0]", True),
    ("[true] == [1]", False),
    ("false < true", True),
    ("active > false", True),
    ("!one", FAILS),
    ("one && true", FAILS),
    ("one || true", True),
    ("-active == -1", FAILS),
    # numbers across types
    ("one < 1.5", True),
    ("half >= 0", True),
    ("big > 9223372036854775806.0", False),
    ("nan == nan", False),
    ("nan != nan", True),
    ("[nan] == [nan]", False),
    ("nan < 1.0", False),
    ('country > "A"', True),
    ("country > 1", FAILS),
    ('one < "a"', FAILS),
    ("emails < emails", FAILS),
    ("nothing < 1", FAILS),
    ("nothing == null", True),
    ("one == null", False),
    ("plan.vip == null", True),
    ("country == 1", False),
    # 64 bits
    ("big + 1 > 0", FAILS),
    ("low - 1 < 0", FAILS),
    ("big * 2 > 0", FAILS),
    ("-low > 0", FAILS),
    ("low / -1 > 0", FAILS),
    ("low % -1 == 0", FAILS),
    ("low == -9223372036854775808", True),
    ("-7 / 2 == -3", True),
    ("-7 % 3 == -1", True),
    ("7 % -3 == 1", True),
    ("one / zero == 1", FAILS),
    ("one % zero == 1", FAILS),
    ("1.0 / 0.0 > 1e308", True),
    ("-1.0 / 0.0 < -1e308", True),
    ("0.0 / 0.0 == 0.0", False),
    ("2 * 3 + 4 == 10", True),
    ("2 + 3 * 4 == 14", True),
    ("10 - 3 - 2 == 5", True),
    ("1 == 1 == true", True),
    # logic does not care for order
    ("true || missing == 1", True),
    ("missing == 1 || true", True),
    ("false && missing == 1", False),
    ("missing == 1 && false", False),
    ("missing == 1 && true", FAILS),
    ("missing == 1 || false", FAILS),
    ("missing == 1 || missing == 2 || active", True),
    ("active && !active", False),
    ("active ? one == 1 : missing", True),
    ("missing ? true : true", FAILS),
    ("one ? true : true", FAILS),
    ("active ? false : true ? true : false", False),
    ("one", FAILS),
    ("active", True),
    # fields, indices, has
    ("has(plan.speed)", True),
    ("has(plan.upload)", False),
    ("has(plan.vip)", True),
    ("has(payload.country)", True),
    ("has(payload.nowhere)", False),
    ("has(missing.x)", FAILS),
    ("has(emails.x)", FAILS),
    ("has(plan.missing.x)", FAILS),
    ("payload.country == country", True),
    ("payload.payload == 7", True),
    ('plan["speed"] == 200', True),
    ('plan["none"] == 200', FAILS),
    ("plan[1] == 200", FAILS),
    ('emails[0] == "a@example.pt"', True),
    ('emails[2] == ""', FAILS),
    ('emails[-1] == ""', FAILS),
    ('emails[one] == "b@example.com"', True),
    ('emails["0"] == ""', FAILS),
    ('country[0] == "P"', FAILS),
    ("[1, 2, 3][1] == 2", True),
    ('{"a": 1}.a == 1', True),
    ('{"a": 1, "a": 2}.a == 2', FAILS),
    ("{country: 1}.PT == 1", True),
    ("{country: 1} == {'PT': 1.0}", True),
    ("1.x == 1", FAILS),
    # in
    ('country in ["PT", "ES"]', True),
    ('"home" in plan.tags', True),
    ('"speed" in plan', True),
    ('"P" in country', FAILS),
    ("1 in plan", False),
    ("1 in one", FAILS),
    ("null in mixed", True),
    ("2.5 in mixed", True),
    ("false in mixed", False),
    ("plan in [plan]", True),
    # functions
    ("size(name) == 4", True),
    ("name.size() == 4", True),
    ("size(emails) == 2 && size(plan) == 5", True),
    ("size(one) == 1", FAILS),
    ("size(nothing) == 0", FAILS),
    ('plan.name.startsWith("Fib")', True),
    ('plan.name.endsWith("bre")', True),
    ('plan.name.contains("zz")', False),
    ("plan.name.contains(one)", FAILS),
    ('emails.contains("a@example.pt")', FAILS),
    ('one.startsWith("1")', FAILS),
    (r'emails[0].matches(r"^[a-z]+@example\.(pt|es)$")', True),
    (r'name.matches("^\\d+$")', False),
    ('matches(name, "os")', True),
    ('one.matches("1")', FAILS),
    ('string(one) == "1"', True),
    ('string(half) == "0.5"', True),
    ('string(1.0) == "1"', True),
    ('string(1e30) == "1e+30"', True),
    ('string(123456789012345680000.0) == "123456789012345680000"', True),
    ('string(active) == "true"', True),
    ('string(country) == "PT"', True),
    ('string(nothing) == "null"', FAILS),
    ('int("12") == 12', True),
    ('int("+12") == 12', True),
    ('int(" 12") == 12', FAILS),
    ('int("1_2") == 12', FAILS),
    ('int("9223372036854775808") > 0', FAILS),
    ("int(2.9) == 2", True),
    ("int(-2.9) == -2", True),
    ("int(1e19) > 0", FAILS),
    ("int(nan) == 0", FAILS),
    ("int(active) == 1", FAILS),
    ("double(one) + half == 1.5", True),
    ('double("1e3") == 1000.0', True),
    ('double("x") == 1.0', FAILS),
    ("double(nothing) == 1.0", FAILS),
    # comprehensions
    ("lines.all(x, x.price >= 5)", True),
    ("lines.exists(x, x.price > 40 && x.qty == 2)", True),
    ("lines.exists_one(x, x.price > 1)", False),
    ("lines.existsOne(x, x.price > 10)", True),
    ("lines.map(x, x.price * x.qty) == [5, 100]", True),
    ("lines.map(x, x.price > 10, x.qty) == [2]", True),
    ("lines.filter(x, x.price > 10).size() == 1", True),
    ("empty.all(x, missing)", True),
    ("empty.exists(x, missing)", False),
    ("mixed.exists(x, x > 2)", True),
    ("mixed.exists(x, x > 100)", FAILS),
    ("mixed.all(x, x > 100)", False),
    ("mixed.exists_one(x, x > 2)", FAILS),
    ("mixed.filter(x, x > 2).size() == 1", FAILS),
    ("emails.all(x, 1)", FAILS),
    ("plan.exists(k, k == 'speed')", True),
    ("country.all(x, true)", FAILS),
    ("lines.exists(x, emails.exists(y, size(y) > x.price))", True),
    ("emails.exists(country, country == 'b@example.com')", True),
    ("lines.exists(x, x.price == 5) && one == 1", True),
    # literals
    ('"\\u00e9" == "é" && "\\x41" == "A" && "\\101" == "A" && "\\U0001F600" == "😀"', True),
    ("'it\\'s' == \"it's\"", True),
    ('r"\\d" == "\\\\d"', True),
    ("'''a\nb''' == 'a\\nb'", True),
    ('"""say "hi" now""" == "say \\"hi\\" now"', True),
    ("0x1F == 31 && .5 == half && 5e-1 == half", True),
    ("[1, 2,] == [1, 2]", True),
    ("one == 1 // the first", True),
    ("null == null", True),
    ("!!active", True),
    ("--one == 1", True),
    ("context == {}", True),
]


@pytest.mark.parametrize(("source", "expected"), CASES)
def test_condition_has_the_value_cel_gives_it(source, expected):
    condition = compile_condition(source)
    if expected is FAILS:
        with pytest.raises(ConditionFailedError):
            condition.evaluate(PAYLOAD)
    else:
        assert condition.evaluate(PAYLOAD) is expected


@pytest.mark.parametrize(("source", "expected"), CASES)
def test_exact_evaluation_agrees_with_the_inlined_one(source, expected):
    condition = compile_condition(source)
    if expected is FAILS:
        with pytest.raises(ConditionFailedError):
            condition.settle(PAYLOAD, {})
    else:
        assert condition.settle(PAYLOAD, {}) is expected


def test_context_is_the_callers():
    condition = compile_condition('context.channel == "portal" && country == "PT"')
    assert condition.evaluate(PAYLOAD, {"channel": "portal"}) is True


def test_missing_context_field_fails():
    with pytest.raises(ConditionFailedError, match="no field channel"):
        compile_condition('context.channel == "portal"').evaluate(PAYLOAD)


@pytest.mark.parametrize("payload", ["text", ["a"], 3, None, True])
def test_value_that_is_no_object_is_reached_as_payload(payload):
    assert compile_condition("payload == payload && context == {}").evaluate(payload) is True
    with pytest.raises(ConditionFailedError):
        compile_condition("country == 'PT'").evaluate(payload)


def test_failure_tells_its_cause():
    with pytest.raises(ConditionFailedError, match="there is no field upload"):
        compile_condition("plan.upload > 5").evaluate(PAYLOAD)


def test_values_made_of_json_types_count_as_these():
    class Plan(StrEnum):
        FIBRE = "fibre"

    payload = {
        "plan": Plan.FIBRE,
        "tags": ("a", "b"),
        "more": OrderedDict(x=1),
        "level": IntEnum("Level", "LOW HIGH").HIGH,
    }
    condition = compile_condition(
        'plan.startsWith("fib") && "a" in tags && tags[1] == "b" && has(more.x) && level + 1 == 3 && tags + ["c"] == ["a", "b", "c"]'
    )
    assert condition.evaluate(payload) is True
    assert condition.settle(payload, {}) is True


def test_payload_deeper_than_the_stack_fails_and_harms_nothing():
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    twin: list = []
    for _ in range(100_000):
        twin = [twin]
    with pytest.raises(ConditionFailedError):
        compile_condition("a == b").evaluate({"a": deep, "b": twin})


def test_lone_surrogate_fails_matches_without_harm():
    with pytest.raises(ConditionFailedError):
        compile_condition('a.matches("x")').evaluate({"a": "\ud800"})
