"""The variables of a template: completed with defaults, every mistake told at once."""

import pytest

from isp_plugins.templates.definition import Variable, VariableKind
from isp_plugins.templates.engine import evaluate
from isp_plugins.templates.values import resolve

NAME = Variable("name", "Name of the plugin", kind=VariableKind.PACKAGE)
CLASS = Variable("class_name", default="{{ name | pascal }}Plugin", kind=VariableKind.CLASS)
PORT = Variable("port", "TCP port", default="22", pattern="[1-9][0-9]*")


def told(variables, given):
    """The mistakes by the path that they are about."""
    return {each["path"]: each["message"] for each in resolve(variables, given, evaluate)[1]}


def test_defaults_are_made_of_what_was_given():
    values, mistakes = resolve([NAME, CLASS, PORT], {"name": "acme_pay"}, evaluate)
    assert mistakes == []
    assert values == {"name": "acme_pay", "class_name": "AcmePayPlugin", "port": "22"}


def test_given_value_stands_before_the_default():
    assert resolve([NAME, CLASS], {"name": "a", "class_name": "B"}, evaluate)[0]["class_name"] == "B"


def test_all_mistakes_are_told_together():
    found = told([NAME, CLASS, PORT], {"class_name": "1", "port": "x", "nme": "a"})
    assert set(found) == {"variables.name", "variables.class_name", "variables.port", "variables.nme"}
    assert "did you mean 'name'?" in found["variables.nme"]
    assert "TCP port" in found["variables.port"]


def test_default_that_does_not_fit_is_told_as_one():
    long = Variable("name", kind=VariableKind.TEXT)
    found = told([long, CLASS], {"name": "x" * 200})
    assert "since its default" in found["variables.class_name"]


@pytest.mark.parametrize("value", [7, None, ["a"], {"a": 1}, True])
def test_value_that_is_no_text_is_refused(value):
    assert "expected text" in told([PORT], {"port": value})["variables.port"]


@pytest.mark.parametrize(
    "value", ["a\nb", "a\0", "a\x1b[31m", "\ud800", "a\u2028b", "a\u202eb", "a\u2066b", "x" * 501]
)
def test_text_that_could_deceive_or_break_a_line_is_refused(value):
    assert told([Variable("text")], {"text": value})


@pytest.mark.parametrize("value", ["", " ", "é ünï", "{{ 7 }}", "a\u200db", '"\\'])
def test_other_text_is_taken_as_it_is(value):
    assert resolve([Variable("text")], {"text": value}, evaluate) == ({"text": value}, [])


def test_pattern_matches_the_whole_value():
    assert told([PORT], {"port": "22x"})
    assert told([PORT], {"port": "22\n"})
