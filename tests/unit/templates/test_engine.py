"""Rendering: strict, the same every time, without a way out of the sandbox."""

import pytest

from isp_plugins.templates.definition import Template, Variable
from isp_plugins.templates.engine import render
from isp_plugins.templates.errors import RenderError, RenderLimitError
from isp_plugins.templates.limits import RenderLimits

NAME = Variable("name", default="acme")


def template(text="", path="a.txt", **files):
    """A template with one file, or several."""
    return Template("mine", "", "CUSTOM", (NAME,), {path: text, **files})


def rendered(text, **given):
    """What a text renders to."""
    return render(template(text), given)["a.txt"]


def test_text_and_path_are_rendered():
    assert render(template("hello {{ name }}\n", "{{ name }}/a.txt"), {}) == {"acme/a.txt": "hello acme\n"}


def test_path_that_renders_to_nothing_leaves_its_file_out():
    files = {"b.txt": "b"}
    assert list(render(template("a", "{{ 'a' if name == 'x' }}", **files), {})) == ["b.txt"]


def test_blocks_leave_no_blank_lines():
    assert rendered("a\n{% if name %}\n  b\n{% endif %}\nc\n") == "a\n  b\nc\n"


def test_value_is_text_and_never_template():
    assert rendered("{{ name }}", name="{{ 7 * 7 }}{% raise %}") == "{{ 7 * 7 }}{% raise %}"


@pytest.mark.parametrize(
    "text",
    [
        "{{ nobody }}", "{{ name.nothing }}", "{{ random }}", "{{ [1, 2] | random }}", "{{ lipsum() }}", "{{ name | nofilter }}",
        "{% include 'x' %}", "{% extends 'x' %}", "{% import 'x' as x %}", "{% unknown %}", "{{", "{{ 1 / 0 }}", "{{ name() }}",
    ],
)  # fmt: skip
def test_what_is_not_there_is_an_error(text):
    with pytest.raises(RenderError):
        rendered(text)


@pytest.mark.parametrize(
    "text",
    [
        "{{ ''.__class__ }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ ''['__class__'] }}",
        "{{ '' | attr('__class__') }}",
        "{{ ('__cla' ~ 'ss__') and (''|attr('__cla' ~ 'ss__')) }}",
        "{{ '{0.__class__}'.format('') }}",
        "{{ '{x.__class__}'.format_map({'x': ''}) }}",
        "{{ name.format.__globals__ }}",
        "{{ range.__init__.__globals__ }}",
        "{{ cycler.__init__.__globals__.os }}",
        "{{ self.__init__.__globals__ }}",
        "{{ self._TemplateReference__context }}",
        "{{ [].append(1) }}",
        "{{ {}.update({'a': 1}) }}",
        "{{ joiner.__call__.__func__ }}",
        "{% set f = 'a'.format %}{{ f.__self__ }}",
        "{% macro m() %}{% endmacro %}{{ m.__globals__ }}",
        "{{ ([] | map).gi_frame }}",
        "{{ (namespace.__init__.__globals__) }}",
    ],
)
def test_no_attribute_leads_out_of_the_sandbox(text):
    with pytest.raises(RenderError):
        rendered(text)


@pytest.mark.parametrize(
    "text", ["{{ ['a'] | map(attribute='__class__') | list }}", "{{ ['a'] | groupby('__class__') }}"]
)
def test_filter_that_reads_attributes_reads_no_unsafe_ones(text):
    try:
        shown = rendered(text)
    except RenderError:
        return
    assert "class" not in shown.replace("__class__", "")


@pytest.mark.parametrize(
    "path",
    [
        "{{ name }}",
        "a/{{ name }}/b",
        "{{ name }}/../b",
        "{{ '/' ~ name }}",
        "{{ '.' ~ '.' }}/x",
        "a\\{{ name }}",
    ],
)
def test_name_made_of_variables_cannot_leave_the_folder(path):
    with pytest.raises(RenderError, match="files"):
        render(template("x", path), {"name": "../.."})


def test_files_that_render_to_one_name_are_refused():
    with pytest.raises(RenderError, match="another file renders to"):
        render(template("x", "acme", **{"{{ name }}": "y"}), {})


def test_mistake_names_file_and_line():
    with pytest.raises(RenderError) as caught:
        rendered("a\nb\n{{ ''.__class__.x }}")
    assert caught.value.details[0]["path"] == "files.a.txt"
    assert "line 3" in caught.value.details[0]["message"]


def test_mistakes_of_all_files_are_told_together():
    with pytest.raises(RenderError) as caught:
        render(template("{{ x }}", "a", b="{{", c="fine"), {})
    assert [each["path"] for each in caught.value.details] == ["files.a", "files.b"]


def test_range_has_a_limit():
    with pytest.raises(RenderError, match="Range too big"):
        rendered("{% for each in range(10**9) %}x{% endfor %}")


def test_output_has_a_limit_while_it_grows():
    text = "{% for each in range(90000) %}{{ name }}{% endfor %}"
    with pytest.raises(RenderLimitError, match="beyond 1000 bytes"):
        render(template(text), {}, RenderLimits(output_bytes=1000))


def test_all_files_share_the_limit():
    with pytest.raises(RenderLimitError):
        render(template("é" * 200, "a", b="é" * 200), {}, RenderLimits(output_bytes=700))


def test_same_template_renders_the_same():
    text = "{% for each in {'b': 1, 'a': 2} | dictsort %}{{ each }}{% endfor %}"
    assert rendered(text) == rendered(text)
