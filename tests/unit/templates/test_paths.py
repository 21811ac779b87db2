"""No rendered file lands outside its folder, on another file, or where some system cannot put it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isp_plugins.templates.paths import mistakes_in, problem_of


@pytest.mark.parametrize(
    "path", ["a", "plugin.json", ".github/workflows/test.yml", "a b/c.d", "ação/é.py", ".gitignore", "a..b"]
)
def test_ordinary_path_is_fine(path):
    assert problem_of(path) is None


@pytest.mark.parametrize(
    "path",
    [
        "", "/etc/passwd", "..", "../x", "a/../../x", "a/..", "./x", "a//b", "a/", "/", "a\\b", "..\\x", "C:/x", "C:x", "a\0b",
        "a\nb", "a\x7f", "a ", " a", "a.", "a/b. ", "con", "a/NUL.txt", "lpt1", ".git/hooks/pre-commit", "a/.GIT/config", "x" * 201,
        "é" * 101, "a\ud800", "a?", "a*", "a|b", "<a>", '"a"',
    ],
)  # fmt: skip
def test_path_that_could_go_astray_is_refused(path):
    assert problem_of(path)


@pytest.mark.parametrize(
    "together", [["a", "A"], ["a/b", "a/B"], ["é", "e\u0301"], ["a", "a/b"], ["A", "a/b"], ["ß", "ss"]]
)
def test_files_that_would_land_on_each_other_are_refused(together):
    assert mistakes_in(together)


def test_files_beside_each_other_are_fine():
    assert mistakes_in(["a/b", "a/c", "b", "a.b"]) == []


@given(st.text(max_size=40))
def test_path_without_a_problem_stays_below_its_folder(tmp_path_factory, path):
    if problem_of(path) is None:
        base = tmp_path_factory.getbasetemp() / "base"
        assert (base / path).resolve().is_relative_to(base.resolve())
        assert (base / path).resolve() != base.resolve()
