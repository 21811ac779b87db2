"""Every template that ships renders to a plugin whose own tests pass and whose code a linter likes, whatever the variables."""

import subprocess
import sys
from pathlib import Path

import pytest

from isp_plugins.templates.engine import render
from isp_plugins.templates.shipped import shipped
from support.commands import clean_environment

RUFF = Path(sys.executable).with_name("ruff")
ODD = {
    "name": "a1__b_plugin",
    "display_name": 'It\'s "odd" \\ {{ 7 }} % é',
    "description": 'Quotes " \' """ \\n {% x %} # <b> ünï }} ends with "',
    "author": 'O\'Neil \\ "x"',
    "version": "12.0.99",
    "class_name": "_Odd2",
    "hook": "plugin_hook_failed",
    "port": "65535",
    "gateway": "g",
    "realm": "a-b_c",
}
LONG = {"name": "x" * 40, "class_name": "TestC" + "x" * 55, "description": "d" * 500, "hook": "h" * 100}
VARIABLES = {"default": {}, "odd": ODD, "long": LONG}


@pytest.fixture
def plugin(request, tmp_path):
    """The folder of a rendered plugin."""
    name, values = request.param
    template = shipped()[name]
    known = {variable.name for variable in template.variables}
    given = {key: value for key, value in VARIABLES[values].items() if key in known}
    for path, text in render(template, given).items():
        file = tmp_path / "made" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path / "made"


def run(*command, folder):
    """Run a command in a plugin's folder; (exit code, output)."""
    # What pytest plugins the suite itself uses is no business of a rendered plugin, and loading them takes longer than its tests.
    environment = clean_environment(PYTHONDONTWRITEBYTECODE="1", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def rendered_with(*variables):
    """Run a test for every template, rendered with each of these variables."""
    cases = [(name, each) for name in shipped() for each in variables]
    return pytest.mark.parametrize("plugin", cases, indirect=True, ids="-".join)


@rendered_with("default", "odd")
def test_its_own_tests_pass(plugin):
    code, output = run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", folder=plugin)
    assert code == 0, output
    assert " passed" in output


@rendered_with(*VARIABLES)
def test_linter_finds_nothing(plugin):
    code, output = run(RUFF, "check", "--isolated", "--no-cache", ".", folder=plugin)
    assert code == 0, output


@rendered_with("default")
def test_code_is_formatted(plugin):
    code, output = run(RUFF, "format", "--isolated", "--no-cache", "--diff", ".", folder=plugin)
    assert code == 0, output


@rendered_with("default")
def test_script_is_one_that_a_shell_takes(plugin):
    code, output = run("sh", "-n", "test.sh", folder=plugin)
    assert code == 0, output
