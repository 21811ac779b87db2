"""The command line's help: every command stands in a panel, and every panel's command exists."""

from isp_plugins.cli.main import PANELS, app


def test_every_command_has_its_panel():
    commands = [*app.registered_commands, *app.registered_groups]
    assert {one.name: one.rich_help_panel for one in commands} == {
        name: panel for panel, names in PANELS.items() for name in names
    }
