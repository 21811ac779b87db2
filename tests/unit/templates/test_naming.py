"""Names made of names are ones that Python takes, and that hide nothing."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isp_plugins.templates.naming import (
    class_problem,
    docstring,
    kebab,
    literal,
    package_problem,
    pascal,
    sentence,
    snake,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("acme_pay", "acme_pay"), ("AcmePay", "acme_pay"), (" Acme  Pay-2! ", "acme_pay_2"), ("é", "")],
)
def test_snake_case(text, expected):
    assert snake(text) == expected


def test_other_cases():
    assert (kebab("acme_pay"), pascal("acme__pay_2"), sentence("acme_pay")) == (
        "acme-pay",
        "AcmePay2",
        "Acme pay",
    )


@pytest.mark.parametrize("name", ["a", "acme_pay", "a1", "a_", "x" * 64])
def test_package_name_is_fine(name):
    assert package_problem(name) is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        "A",
        "1a",
        "_a",
        "a-b",
        "a.b",
        "x" * 65,
        "class",
        "json",
        "email",
        "tests",
        "peer",
        "app",
        "pytest",
        "isp_plugin_sdk",
        "plugins",
    ],
)
def test_package_name_that_python_or_the_tests_need_is_refused(name):
    assert package_problem(name)


@pytest.mark.parametrize("name", ["", "1A", "A-B", "None", "PluginInterface", "A.B", "A" * 101])
def test_class_name_that_cannot_be_is_refused(name):
    assert class_problem(name)


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"])))
def test_any_text_survives_as_a_literal_and_as_a_docstring(text):
    assert ast.literal_eval(literal(text)) == text
    assert ast.literal_eval(docstring(text)) == text
