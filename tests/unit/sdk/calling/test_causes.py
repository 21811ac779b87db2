"""What a plugin raised, as text."""

import textwrap

import pytest

from isp_plugin_sdk.calling.causes import MAX_RAW_SUMMARY, MAX_SUMMARY, MAX_TRACEBACK, describe, shortened

ROOT = "isp_plugin_7_1"


@pytest.fixture
def raised(tmp_path):
    """Runs source as if it were a plugin's file and describes what it raises."""

    def run(source, name="sample.py"):
        file = tmp_path / name
        file.write_text(textwrap.dedent(source))
        module = {"__name__": f"{ROOT}.plugins.sample"}
        try:
            exec(compile(file.read_text(), str(file), "exec"), module)
        except BaseException as error:
            return describe(error, root=ROOT, folders=[str(tmp_path)])
        raise AssertionError("it raised nothing")

    return run


def test_summary_is_one_line_with_type_message_and_place(raised):
    assert raised("\n1 / 0\n").summary == "ZeroDivisionError: division by zero (sample.py:2)"


def test_summary_of_a_long_story_is_its_first_line(raised):
    assert raised("raise ValueError('one\\ntwo')").summary == "ValueError: one (sample.py:1)"


def test_syntax_error_names_file_and_line(raised):
    cause = raised("x = 1\ndef f(:\n")
    assert cause.summary == "SyntaxError: invalid syntax (sample.py:2)"
    assert "def f(:" in cause.traceback


@pytest.mark.parametrize("kind", ["SystemExit", "KeyboardInterrupt", "GeneratorExit"])
def test_what_would_end_the_process_is_described_like_everything_else(raised, kind):
    assert raised(f"raise {kind}(3)").summary == f"{kind}: 3 (sample.py:1)"


def test_place_is_the_plugins_innermost_frame(raised):
    cause = raised("import json\ndef f():\n    json.loads('{')\nf()\n")
    assert cause.summary.endswith("(sample.py:3)")


def test_traceback_has_only_the_plugins_frames(raised):
    text = raised("import json\ndef f():\n    json.loads('{')\nf()\n").traceback
    assert "decoder.py" not in text
    assert "test_causes.py" not in text
    assert text.count('sample.py"') == 2


def test_frames_of_earlier_exceptions_are_filtered_as_well(raised):
    text = raised(
        "import json\ntry:\n    json.loads('{')\nexcept ValueError as e:\n    raise OSError('x') from e\n"
    ).traceback
    assert "JSONDecodeError" in text
    assert "decoder.py" not in text


def test_private_root_is_not_shown(raised):
    assert raised("class Mine(Exception): pass\nraise Mine('x')").summary.startswith("plugins.sample.Mine: x")


def test_exception_that_cannot_be_shown_is_described_nevertheless(raised):
    cause = raised("class Bad(Exception):\n    def __str__(self):\n        raise RuntimeError\nraise Bad")
    assert "Bad: <exception str() failed>" in cause.summary


def test_long_messages_are_cut(raised):
    cause = raised("raise ValueError('x' * 100_000)")
    assert len(cause.summary) < MAX_RAW_SUMMARY + 30
    assert len(cause.traceback) <= MAX_TRACEBACK


def masked(text):
    return text.replace("secret-token", "********")


def test_summary_is_cut_where_it_is_shown_and_keeps_the_place(raised):
    shown = shortened(raised("raise ValueError('x' * 100_000)").summary, masked)
    assert len(shown) < MAX_SUMMARY + 30
    assert shown.endswith("x... (sample.py:1)")


@pytest.mark.parametrize("before", range(470, 500))
def test_secret_across_the_cut_leaves_no_half_of_it(raised, before):
    shown = shortened(raised(f"raise OSError('x' * {before} + 'secret-token' * 9)").summary, masked)
    assert "s" not in shown.removesuffix("(sample.py:1)")


def test_short_summary_is_masked_as_a_whole():
    assert shortened("OSError: secret-token", masked) == "OSError: ********"


def test_hint_after_the_place_stays():
    told = "AttributeError: " + "x" * 900 + " (plugins/a.py:3); config is there once super() was called"
    assert shortened(told, masked).endswith("x... (plugins/a.py:3); config is there once super() was called")


def test_endless_recursion_is_described(raised):
    assert "RecursionError" in raised("def f(): f()\nf()").summary


def test_exception_from_elsewhere_has_no_place():
    cause = describe(ValueError("x"), root=ROOT, folders=["/nowhere"])
    assert (cause.summary, cause.traceback) == ("ValueError: x", "")


def test_group_of_exceptions_is_filtered_throughout(raised):
    text = raised(
        "import json\ntry:\n    json.loads('{')\nexcept ValueError as e:\n    raise ExceptionGroup('g', [e])"
    ).traceback
    assert "decoder.py" not in text
