"""What a module path and an entry point may look like."""

import keyword
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isp_plugins.runtime.errors import EntryPointInvalidError, ModulePathInvalidError
from isp_plugins.runtime.names import (
    check_entry_point,
    mistake_in_entry_point,
    mistake_in_module_path,
    parse_module_path,
)


def _acceptable(name: str) -> bool:
    """The rule, in other words than the code's."""
    return (
        name.isidentifier()
        and not keyword.iskeyword(name)
        and unicodedata.is_normalized("NFKC", name)
        and not (name[:2] == "__" == name[-2:])
    )


names = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True).filter(_acceptable)


@given(st.lists(names, min_size=1, max_size=6))
def test_dotted_identifiers_are_accepted(parts):
    assert parse_module_path(".".join(parts)) == tuple(parts)


@given(st.text(max_size=40))
def test_any_text_is_accepted_only_if_every_part_is_a_plain_identifier(text):
    accepted = mistake_in_module_path(text) is None
    assert accepted == all(_acceptable(part) for part in text.split("."))


@given(st.text(max_size=40))
def test_an_accepted_path_never_leaves_its_folder(text):
    if mistake_in_module_path(text) is None:
        parts = parse_module_path(text)
        assert not any(set(part) & set("/\\\0:") or part in {"", ".", ".."} for part in parts)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("", "empty"),
        (".plugins", "empty"),
        ("plugins..secret", "empty"),
        ("..plugins", "empty"),
        ("plugins.", "empty"),
        ("plugins/../secret", "path of files"),
        ("..\\secret", "path of files"),
        ("/etc/passwd", "path of files"),
        ("plugins.my-plugin", "not a Python name"),
        ("plugins.my_plugin\0", "not a Python name"),
        ("plugins.\ud800", "not a Python name"),
        ("plugins.1st", "not a Python name"),
        ("plugins.my plugin", "not a Python name"),
        ("plugins.class", "keyword"),
        ("plugins.__init__", "Python's own"),
        ("plugins.ﬁlter", "normal form"),
        (7, "of type int"),
        (None, "of type NoneType"),
        ("a" * 256, "256 characters"),
    ],
)
def test_bad_module_path_is_refused_with_its_reason(path, reason):
    assert reason in mistake_in_module_path(path)


def test_refusal_shows_the_path_and_an_example():
    with pytest.raises(ModulePathInvalidError, match=r"'os/path'.*for example plugins\.my_plugin"):
        parse_module_path("os/path")


def test_letters_of_any_language_are_accepted():
    assert parse_module_path("plugins.faturação") == ("plugins", "faturação")


@pytest.mark.parametrize("name", ["MyPlugin", "_Plugin", "Plugin2"])
def test_name_of_a_class_is_an_entry_point(name):
    check_entry_point(name)


@pytest.mark.parametrize("name", ["", "My.Plugin", "my plugin", "lambda", "__class__", None, "x" * 300])
def test_bad_entry_point_is_refused(name):
    with pytest.raises(EntryPointInvalidError):
        check_entry_point(name)


@given(st.text(max_size=20))
def test_entry_point_is_one_identifier(text):
    assert (mistake_in_entry_point(text) is None) == _acceptable(text)
