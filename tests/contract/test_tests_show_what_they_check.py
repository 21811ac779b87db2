"""Every test shows what it checks: an assertion, `pytest.raises`, or a helper whose name says that it checks (CONTRIBUTING.md)."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.commands import ROOT

CHECKS = ("assert_", "_assert_", "check_", "expect_")
RAISES = {"raises", "warns", "fail"}


def functions_of(file: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """The test functions of a module."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node


def shows_what_it_checks(test: ast.AST) -> bool:
    """Whether a reader sees a check in it."""
    return any(isinstance(node, ast.Assert) or _is_check(node) for node in ast.walk(test))


def _is_check(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return name in RAISES or name.startswith(CHECKS)


@pytest.mark.parametrize(
    "folder", ["tests/unit", "tests/integration", "tests/acceptance", "tests/contract", "examples"]
)
def test_every_test_shows_what_it_checks(folder: str) -> None:
    files = sorted((ROOT / folder).rglob("test_*.py"))
    silent = [
        f"{file.relative_to(ROOT)}:{test.lineno} {test.name}"
        for file in files
        for test in functions_of(file)
        if not shows_what_it_checks(test)
    ]
    assert files
    assert silent == []


@pytest.mark.parametrize(
    ("body", "shows"),
    [
        ("assert_whole(system)", True),
        ("await nodes.assert_gone(1)", True),
        ("look(system)", False),
        ("until(gone)", False),
    ],
)
def test_a_helper_is_believed_by_its_name(body: str, shows: bool) -> None:
    assert shows_what_it_checks(ast.parse(f"async def test_it():\n    {body}")) is shows
