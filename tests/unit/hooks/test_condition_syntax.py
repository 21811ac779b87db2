"""What is refused as a condition: each with its position and what was expected."""

import pytest

from isp_plugins.hooks.condition import compile_condition
from isp_plugins.hooks.condition.parser import MAX_LENGTH
from isp_plugins.hooks.errors import ConditionInvalidError

REFUSED = [
    ("", 1, 1, "expected an expression, got nothing"),
    ("  \n ", 1, 1, "expected an expression, got nothing"),
    ("// all", 1, 7, "expected a value"),
    ("country = 'PT'", 1, 9, "did you mean =="),
    ("a & b", 1, 3, "did you mean &&"),
    ("a | b", 1, 3, "did you mean ||"),
    ("a and b", 1, 3, "CEL has && and ||"),
    ("a &&", 1, 5, "expected a value, got the end"),
    ("a\n  && b\n  && $c", 3, 6, "'$' means nothing"),
    ("(a", 1, 3, "expected ) to close the parenthesis"),
    ("a)", 1, 2, "expected an operator or the end, got )"),
    ("a b", 1, 3, "expected an operator or the end, got b"),
    ("[1, 2", 1, 6, "expected ] to close the list"),
    ("[1,,2] == a", 1, 4, "expected a value, got ,"),
    ('{"a" 1} == a', 1, 6, "expected : after the map's key"),
    ("{1: 2} == a", 1, 2, "a map's keys are strings"),
    ("a ? b", 1, 6, "expected :"),
    ("a.1", 1, 2, "expected an operator or the end"),
    ("a.", 1, 3, "expected a field name after the dot"),
    ("a.in", 1, 3, "expected a field name after the dot"),
    (".a", 1, 1, "without a leading dot"),
    ("a[1", 1, 4, "expected ] to close the index"),
    ("in == 1", 1, 1, "expected a value, got in"),
    ("for == 1", 1, 1, "reserved word"),
    ("import.os", 1, 1, "reserved word"),
    ("!-a", 1, 2, "needs parentheses"),
    ("-!a", 1, 2, "needs parentheses"),
    ("*a", 1, 1, "expected a value, got *"),
    ("'abc", 1, 1, "no closing '"),
    ("'abc\n'", 1, 5, "three quotes"),
    ('"""abc"', 1, 1, 'no closing """'),
    (r"'\d'", 1, 2, "is no escape"),
    (r"'\ud800'", 1, 2, "not a Unicode character"),
    (r"'\U00110000'", 1, 2, "not a Unicode character"),
    ("b'x' == a", 1, 1, "bytes are not supported"),
    ("rb'x' == a", 1, 1, "bytes are not supported"),
    ("rr'x' == a", 1, 1, "one r"),
    ("1u == a", 1, 1, "unsigned numbers are not supported"),
    ("12abc == a", 1, 3, "expected an operator after the number"),
    ("1.5.2 == a", 1, 4, "expected an operator or the end"),
    ("9223372036854775808 == a", 1, 1, "64 bits"),
    ("-9223372036854775809 == a", 1, 2, "64 bits"),
    ("1e400 == a", 1, 1, "larger than a double"),
    ("sise(a) == 1", 1, 1, "did you mean size?"),
    ("__import__('os')", 1, 1, "not a function of conditions"),
    ("a.startswith('b')", 1, 3, "did you mean startsWith?"),
    ("startsWith(a, 'b')", 1, 1, "expected x.startsWith"),
    ("a.size(1) == 1", 1, 3, "expected size(x)"),
    ("a.int() == 1", 1, 3, "expected int(x)"),
    ("size() == 1", 1, 1, "expected size(x)"),
    ("size(a,) == 1", 1, 8, "expected an argument after the comma"),
    ("a.matches(b)", 1, 11, "as a string literal"),
    ("a.matches('(')", 1, 11, "expected a regular expression"),
    (r"a.matches(r'(a)\1')", 1, 11, "no back-references"),
    ("a.matches('a(?=b)')", 1, 11, "no look-around"),
    ("a.matches('[[:alpha:]]')", 1, 11, "[:class:]"),
    ("has(a)", 1, 5, "has() takes a field selection"),
    ("has(a['b'])", 1, 6, "has() takes a field selection"),
    ("has(a.b, c)", 1, 8, "after the one field selection"),
    ("a.all(b.c, true)", 1, 8, "expected , after all's variable"),
    ("a.all(1, true)", 1, 7, "expected a simple name"),
    ("a.all(x)", 1, 8, "expected , after all's variable"),
    ("a.exists(x, true, false)", 1, 3, "expected exists(variable, expression)"),
    ("a.map(x, 1, 2, 3)", 1, 3, "expected map(variable, expression)"),
    ("1 + 1", 1, 3, "true or false"),
    ("'yes'", 1, 1, "true or false"),
    ("null", 1, 1, "true or false"),
    ("size(a)", 1, 1, "true or false"),
    ("[a]", 1, 1, "true or false"),
    ("a.map(x, x)", 1, 3, "true or false"),
]


@pytest.mark.parametrize(("source", "line", "column", "problem"), REFUSED)
def test_bad_condition_is_refused_at_its_position(source, line, column, problem):
    with pytest.raises(ConditionInvalidError) as caught:
        compile_condition(source)
    assert (caught.value.fields["line"], caught.value.fields["column"]) == (line, column)
    assert problem in caught.value.details[0]["message"]


def test_length_is_limited():
    longest = "a == 1".ljust(MAX_LENGTH)
    assert compile_condition(longest)
    with pytest.raises(ConditionInvalidError, match="at most 2,000 characters"):
        compile_condition(longest + " ")


@pytest.mark.parametrize(
    "source",
    [
        "(" * 70 + "a" + ")" * 70,
        "!" * 1900 + "a",
        "a" + " + 1" * 400 + " == 1",
        "a" + ".b" * 900,
        "a" + "[0]" * 600,
        "[" * 900,
        "a ? b : " * 200 + "c",
        "size(" * 300,
    ],
)
def test_depth_is_limited(source):
    with pytest.raises(ConditionInvalidError, match="at most 64 levels"):
        compile_condition(source)


def test_a_long_row_of_alternatives_is_not_deep():
    source = " || ".join(f"a == {number}" for number in range(150))
    assert compile_condition(source).evaluate({"a": 149}) is True


def test_comprehensions_are_limited_in_depth():
    source = "a.all(w, " * 4 + "true" + ")" * 4
    with pytest.raises(ConditionInvalidError, match="at most 8 comprehensions, 3 of them inside one another"):
        compile_condition(source)


def test_comprehensions_are_limited_in_number():
    with pytest.raises(ConditionInvalidError, match="at most 8 comprehensions"):
        compile_condition(" && ".join(["a.all(x, x > 0)"] * 9))


def test_names_are_the_variables_read():
    condition = compile_condition('plan.speed > 1 && lines.exists(x, x.y == z) && context.a == payload["b"]')
    assert condition.names == {"plan", "lines", "z", "context", "payload"}
