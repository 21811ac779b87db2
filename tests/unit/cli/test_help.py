"""The command line's help: every command stands in a panel, and every panel's command exists."""

import pytest

from isp_plugins.cli.main import PANELS, app, hoisted


def test_every_command_has_its_panel():
    commands = [*app.registered_commands, *app.registered_groups]
    assert {one.name: one.rich_help_panel for one in commands} == {
        name: panel for panel, names in PANELS.items() for name in names
    }


@pytest.mark.parametrize(
    ("typed", "run"),
    [
        ("--url http://a list", "list --url http://a"),
        ("--json --api-key=k config get x", "config get x --json --api-key=k"),
        ("--data-dir d sandbox learn -- pytest -q", "sandbox learn --data-dir d -- pytest -q"),
        ("list --url http://a", "list --url http://a"),
        ("--json --help", "--json --help"),
        ("--url", "--url"),
        ("", ""),
    ],
)
def test_shared_option_before_the_command_counts_as_if_it_stood_behind(typed, run):
    assert hoisted(typed.split()) == run.split()
