"""A plugin's text is read, never run."""

import pytest

from isp_plugins.lifecycle.doctor.code import Kinship, read_source

HEAD = "from app.services.plugin_service import PluginInterface\n"


def read(text, entry_point="Plugin"):
    return read_source(text.encode(), "plugin.py", entry_point)


def test_nothing_of_the_text_is_executed(tmp_path):
    mark = tmp_path / "mark"
    read(f"open({str(mark)!r}, 'w').close()\nraise SystemExit\n")
    assert not mark.exists()


def test_syntax_error_is_told_with_its_line():
    assert read("a = 1\nclass Plugin(\n").mistake.startswith("line 2:")


@pytest.mark.parametrize(
    "text", ["\x00", "x = '\ud800'".encode("utf-8", "surrogatepass").decode("latin-1") + "\x00", "(" * 500]
)
def test_text_that_is_no_python_is_a_mistake(text):
    assert read(text).mistake


def test_error_that_only_compiling_finds_is_a_mistake():
    assert "return" in read("return 1\n").mistake


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "class Plugin(PluginInterface): pass\n",
        "from isp_plugin_sdk import PluginInterface as Base\nclass Plugin(Base): pass\n",
        "import isp_plugin_sdk as sdk\nclass Plugin(sdk.PluginInterface): pass\n",
        HEAD + "class Base(PluginInterface): pass\nclass Plugin(Base): pass\n",
        "try:\n    from isp_plugin_sdk.plugin import PluginInterface\nexcept ImportError:\n    raise\nclass Plugin(PluginInterface): pass\n",
    ],
)
def test_class_that_extends_the_interface_is_a_plugin(text):
    assert read(text).kinship is Kinship.PLUGIN


@pytest.mark.parametrize(
    "text",
    [
        "class Plugin: pass\n",
        "class Plugin(object): pass\n",
        "def Plugin(): pass\n",
        "class Base: pass\nclass Plugin(Base): pass\n",
    ],
)
def test_class_without_the_interface_is_a_stranger(text):
    assert read(text).kinship is Kinship.STRANGER


@pytest.mark.parametrize(
    "text",
    [
        "from base import Base\nclass Plugin(Base): pass\n",
        "Plugin = make()\n",
        "from there import Plugin\n",
        "class Plugin(Plugin): pass\n",
    ],
)
def test_what_comes_from_elsewhere_is_unknown(text):
    assert read(text).kinship is Kinship.UNKNOWN


def test_own_class_of_the_same_name_is_not_the_interface():
    assert (
        read("class PluginInterface: pass\nclass Plugin(PluginInterface): pass\n").kinship is Kinship.STRANGER
    )


def test_name_bound_in_a_branch_counts_as_defined():
    assert read("if True:\n    class Plugin: pass\n").defined


def test_name_inside_a_function_does_not_count():
    assert not read("def f():\n    class Plugin: pass\n").defined


def test_star_import_may_define_it():
    source = read("from there import *\n")
    assert not source.defined
    assert source.maybe_defined


def test_plugin_classes_of_the_file_are_named():
    assert read(HEAD + "class Mailer(PluginInterface): pass\n").plugins == ("Mailer",)
