"""`isp-plugins`: the application that collects all commands."""

import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Annotated

import typer

from isp_plugins.cli.develop import new, protocol, sandbox, templates
from isp_plugins.cli.exits import Exit
from isp_plugins.cli.operate import (
    access,
    backups,
    check,
    configuration,
    doctor,
    events,
    health,
    hooks,
    install,
    kept,
    logs,
    nodes,
    operations,
    packages,
    plugins,
    stats,
    upgrade,
    workers,
)
from isp_plugins.cli.output import fail
from isp_plugins.cli.serve import serve
from isp_plugins.errors import PluginSystemError, StartupError

PANELS: Mapping[str, Sequence[str]] = {
    "The server": ("serve", "doctor", "nodes", "backup", "restore", "check"),
    "Plugins": (
        "list", "show", "register", "update", "enable", "disable", "reload", "execute", "config", "hooks", "dispatch", "bulk", "delete",
    ),
    "Packages": ("install", "upgrade", "rollback", "releases", "uninstall", "kept", "operations", "packages"),
    "What they do": ("health", "workers", "deaths", "logs", "log-usage", "stats", "events"),
    "Who may, and who did": ("keys", "audit", "secrets"),
    "Write a plugin": ("new", "templates", "sandbox", "protocol"),
}  # fmt: skip
"""Where each command stands in the help: what belongs together, in the order of use."""

EPILOG = "Exit codes: 0 done, 1 refused, 2 wrong command line, 3 no server answers, 4 a check found something wrong."

SHARED: Mapping[str, bool] = {"--url": True, "--api-key": True, "--data-dir": True, "--json": False}
"""The options of every command that asks a server, each with whether it takes a value."""

app = typer.Typer(
    name="isp-plugins",
    help="Run and operate plugins of the ISP Framework.",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("serve")(serve)
plugins.add_to(app)
install.add_to(app)
upgrade.add_to(app)
check.add_to(app)
health.add_to(app)
hooks.add_to(app)
logs.add_to(app)
stats.add_to(app)
workers.add_to(app)
nodes.add_to(app)
new.add_to(app)
backups.add_to(app)
app.add_typer(configuration.app, name="config")
app.add_typer(hooks.app, name="hooks")
app.add_typer(events.app, name="events")
app.add_typer(doctor.app, name="doctor")
app.add_typer(operations.app, name="operations")
app.add_typer(kept.app, name="kept")
app.add_typer(packages.app, name="packages")
app.add_typer(templates.app, name="templates")
app.add_typer(protocol.app, name="protocol")
app.add_typer(sandbox.app, name="sandbox")
app.add_typer(access.keys, name="keys")
app.add_typer(access.audit, name="audit")
app.add_typer(access.secrets, name="secrets")


def _arrange() -> None:
    """Put every command into its panel."""
    panels = {name: panel for panel, names in PANELS.items() for name in names}
    for single in app.registered_commands:
        single.rich_help_panel = panels[str(single.name)]
    for group in app.registered_groups:
        group.rich_help_panel = panels[str(group.name)]


_arrange()


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"isp-plugins {version('isp-plugins')}")
        raise typer.Exit


@app.callback()
def _root(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    """Run and operate plugins of the ISP Framework."""


def main() -> None:
    """Run the command line; what the product itself refuses becomes a message, never a traceback."""
    try:
        app(args=hoisted(sys.argv[1:]))
    except StartupError as error:
        _end("Cannot start", error)
    except PluginSystemError as error:
        _end("Refused", error)


def hoisted(arguments: Sequence[str]) -> list[str]:
    """The shared options that somebody wrote before the command, put behind it, where they belong."""
    given: list[str] = []
    rest = [*arguments]
    while rest and rest[0].partition("=")[0] in SHARED:
        takes_value = SHARED[rest[0].partition("=")[0]] and "=" not in rest[0]
        count = 2 if takes_value else 1
        given, rest = [*given, *rest[:count]], rest[count:]
    if not rest or rest[0].startswith("-"):
        return [*arguments]
    end = rest.index("--") if "--" in rest else len(rest)
    return [*rest[:end], *given, *rest[end:]]


def _end(title: str, error: PluginSystemError) -> None:
    try:
        fail(title, detail=str(error), mistakes=error.details, code=Exit.REFUSED)
    except typer.Exit as end:
        sys.exit(end.exit_code)
