"""`upgrade`, `rollback` and `releases`: another version of an installed plugin, and the way back."""

import importlib
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from isp_plugins.cli.exits import Exit
from isp_plugins.cli.operate.install import assignment, begin, grants_are_accepted_now
from isp_plugins.cli.operate.operation_follow import tell_end, watch
from isp_plugins.cli.operate.packing import source_of
from isp_plugins.cli.operate.plugins import PluginArgument
from isp_plugins.cli.output import Column, say, table
from isp_plugins.cli.session import Session, command

WaitOption = Annotated[bool, typer.Option("--wait/--no-wait", help="Show its progress and wait for its end.")]
_CHANGES: tuple[Column, ...] = (
    ("KEY", "key"),
    ("CHANGE", "change"),
    ("BEFORE", "before"),
    ("AFTER", "after"),
)
_RELEASES: tuple[Column, ...] = (
    ("ID", "id"),
    ("VERSION", "version"),
    ("NOW", lambda one: "*" if one["is_current"] else ""),
    ("INSTALLED", "installed_at"),
    ("BY", "installed_by"),
    ("LEFT", "left_at"),
    ("BECAUSE", "left_because"),
)


def add_to(app: typer.Typer) -> None:
    """Add these commands to the application."""
    command(app, "upgrade")(upgrade)
    command(app, "rollback")(rollback)
    command(app, "releases")(releases)


def upgrade(
    session: Session,
    plugin: PluginArgument,
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="As for install: a folder, a file, or a git URL.")
    ],
    config: Annotated[
        list[str] | None,
        typer.Option("--config", metavar="KEY=VALUE", help="Set a value of the migrated configuration."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Only show what would change; values of secrets are never shown."),
    ] = False,
    downgrade: Annotated[bool, typer.Option("--downgrade", help="Take a lower version, too.")] = False,
    wait: WaitOption = True,
    version: Annotated[
        str | None,
        typer.Option(help="The version that is expected; of a git URL the tag, branch or commit."),
    ] = None,
    digest: Annotated[
        str | None, typer.Option(metavar="sha256:...", help="SHA-256 that the file must have.")
    ] = None,
    accept_grants: Annotated[
        bool, typer.Option("--accept-grants", help="Accept what the new version asks for beyond the old one.")
    ] = False,
) -> None:
    """Let another version of an installed plugin take over; it goes back by itself where it does harm."""
    sent = source_of(source)
    wanted = {"version": version or sent.ref, "digest": digest}
    fields: dict[str, Any] = {key: value for key, value in wanted.items() if value is not None}
    values = dict(assignment(one) for one in config or ())
    fields |= {"configuration": values, "accept_grants": accept_grants}
    path = f"{session.client.plugin_path(plugin)}/upgrade"
    flags = {
        "dry_run": "true" if dry_run else None,
        "allow_downgrade": "true" if downgrade else None,
    }
    operation = begin(session, sent, fields, path, **flags)
    if wait:
        ended = watch(session.client, operation)
        if not session.json and grants_are_accepted_now(ended):
            again = begin(session, sent, fields | {"accept_grants": True}, path, **flags)
            ended = watch(session.client, again)
        _tell(session, ended)
    else:
        session.show(operation, _tell_begun)


def rollback(
    session: Session,
    plugin: PluginArgument,
    to: Annotated[
        str | None, typer.Option(metavar="VERSION", help="Which kept version; without it, the last one.")
    ] = None,
    wait: WaitOption = True,
    off: Annotated[
        bool,
        typer.Option(
            "--offline",
            help="Work on the data directory itself, where the server cannot start; starts nothing.",
        ),
    ] = False,
) -> None:
    """Return a plugin to a kept version, with configuration, subscriptions and stored values as they were when it was left."""
    if off:
        offline = importlib.import_module("isp_plugins.cli.offline")
        session.show(offline.roll_back(session.data_dir, plugin, to), _tell_switched)
        return
    client = session.client
    operation = client.post(f"{client.plugin_path(plugin)}/rollback", {"to": to})
    if wait:
        _tell(session, watch(client, operation))
    else:
        session.show(operation, _tell_begun)


def releases(session: Session, plugin: PluginArgument) -> None:
    """List what is kept of a plugin, to roll back to."""
    found = session.client.get(f"{session.client.plugin_path(plugin)}/releases")
    session.show(
        found, lambda it: table(it["items"], _RELEASES, empty="It was not installed from a package.")
    )


def _tell(session: Session, ended: Mapping[str, Any]) -> None:
    """How it ended; a refusal ends the command."""
    if session.json:
        session.show(ended, lambda _it: None)
        if ended["state"] != "succeeded":
            raise typer.Exit(Exit.REFUSED)
        return
    tell_end(ended)
    result = ended["result"] or {}
    if result.get("dry_run"):
        _tell_preview(result)
    elif result:
        _tell_switched(result)


def _tell_preview(result: Mapping[str, Any]) -> None:
    say(f"{result['plugin']} would go from {result['from']} to {result['version']}. Nothing was changed.")
    table(result["configuration"], _CHANGES, empty="Its configuration stays as it is.")
    for mistake in result["missing"]:
        say(f"Missing: {mistake['path']}: {mistake['message']}")
    grants = result["grants"]
    for kind in ("more", "less"):
        for line in grants[kind]:
            say(f"It asks for {kind}: {line}")
    if grants["needs_consent"]:
        say("It would wait for consent: isp-plugins upgrade ... --accept-grants")


def _tell_switched(result: Mapping[str, Any]) -> None:
    say(f"{result['plugin']} is version {result['version']} now ({result['state']}).")


def _tell_begun(operation: Mapping[str, Any]) -> None:
    say(f"Operation {operation['id']} does it. Next: isp-plugins operations follow {operation['id']}")
