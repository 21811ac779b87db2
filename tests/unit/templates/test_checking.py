"""A template is refused with everything that is wrong with it, before any value is known."""

import pytest

from isp_plugins.templates import limits
from isp_plugins.templates.checking import check
from isp_plugins.templates.definition import Template, Variable
from isp_plugins.templates.errors import TemplateInvalidError, TemplateTooLargeError


def template(**changes):
    """A good template, but for the changes."""
    fields = {
        "name": "mine",
        "description": "",
        "plugin_type": "CUSTOM",
        "variables": (Variable("name"), Variable("title", default="{{ name | sentence }}")),
        "files": {"{{ name }}.txt": "{{ title }} {% for i in range(3) %}{{ loop.index }}{% endfor %}"},
    }
    return Template(**fields | changes)


def told(**changes):
    """The paths of the mistakes."""
    with pytest.raises(TemplateInvalidError) as caught:
        check(template(**changes))
    return [each["path"] for each in caught.value.details]


def test_good_template_is_fine():
    assert check(template()) is None


@pytest.mark.parametrize("name", ["", "Mine", "1a", "a b", "a/b", "..", "x" * 65])
def test_bad_name_is_refused(name):
    assert told(name=name) == ["name"]


def test_all_mistakes_are_told_together():
    found = told(
        name="A",
        plugin_type="X",
        variables=(Variable("a", default="{{ b }}"), Variable("a", pattern="(")),
        files={"../x": "", "y": "{{", "z": "{{ unknown }}"},
    )
    assert found == [
        "name",
        "plugin_type",
        "variables.0.default",
        "variables.1.name",
        "variables.1.pattern",
        "files.../x",
        "files.y",
        "files.z",
    ]


@pytest.mark.parametrize("name", ["loop", "self", "range", "not", "true", "A", "a-b", "_a", "namespace"])
def test_variable_that_jinja_uses_itself_is_refused(name):
    assert told(variables=(Variable(name),), files={"a": ""}) == ["variables.0.name"]


@pytest.mark.parametrize(
    "text", ["{% include 'a' %}", "{% import 'a' as b %}", "{% from 'a' import b %}", "{% extends 'a' %}"]
)
def test_file_stands_alone(text):
    assert told(files={"a": text}) == ["files.a"]


def test_default_may_use_only_what_comes_before():
    assert told(variables=(Variable("a", default="{{ b }}"), Variable("b")), files={"a": ""}) == [
        "variables.0.default"
    ]


@pytest.mark.parametrize("text", ["a\0b", "a\ud800"])
def test_text_that_no_database_keeps_is_refused(text):
    assert told(files={"a": text}) == ["files.a"]


def test_template_without_files_is_refused():
    assert told(files={}) == ["files"]


@pytest.mark.parametrize(
    "files",
    [
        {f"{number}": "" for number in range(limits.MAX_FILES + 1)},
        {"a": "x" * (limits.MAX_FILE_BYTES + 1)},
        {f"{number}": "x" * limits.MAX_FILE_BYTES for number in range(5)},
    ],
)
def test_template_that_is_too_large_is_refused(files):
    with pytest.raises(TemplateTooLargeError):
        check(template(files=files))
