"""`config`: a plugin's values, their versions and the way back."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from isp_plugins.cli.exits import Exit
from isp_plugins.cli.operate.plugins import PluginArgument
from isp_plugins.cli.output import Column, fail, record, say, table
from isp_plugins.cli.session import Session, ask_unseen, command

app = typer.Typer(no_args_is_help=True, help="Show and change a plugin's configuration.")


@command(app, "get")
def get(
    session: Session,
    plugin: PluginArgument,
    key: Annotated[str | None, typer.Argument(help="One key only.")] = None,
) -> None:
    """Show the configuration: every key of the schema, stored or not; secrets are masked."""
    answer = session.client.get(session.client.plugin_path(plugin, "config"))
    entries = answer["items"]
    if key is not None:
        found = [entry for entry in entries if entry["key"] == key]
        if not found:
            fail(
                "No such key",
                detail=f"{plugin} has no configuration key {key!r}; it has: {', '.join(entry['key'] for entry in entries) or 'none'}.",
            )
        session.show(found[0], lambda entry: say(_shown(entry)))
        return
    columns: tuple[Column, ...] = (
        ("KEY", "key"),
        ("VALUE", _shown),
        ("SOURCE", "source"),
        ("SECRET", lambda entry: "yes" if entry["is_encrypted"] else ""),
        ("REQUIRED", lambda entry: "yes" if entry["required"] else ""),
        ("DESCRIPTION", "description"),
    )
    session.show(answer, lambda it: table(it["items"], columns, empty="This plugin has no configuration."))


@command(app, "set")
def set_values(
    session: Session,
    plugin: PluginArgument,
    values: Annotated[
        list[str],
        typer.Argument(
            metavar="KEY=VALUE|KEY",
            help="A value is JSON, or text where it is none; a KEY alone asks for its value unseen.",
        ),
    ],
    secret: Annotated[
        list[str] | None,
        typer.Option("--secret", help="Also keep this key encrypted, though the schema does not say so."),
    ] = None,
    text: Annotated[
        bool, typer.Option("--text", help="Take every value as text, even if it looks like JSON.")
    ] = False,
) -> None:
    """Set values, all of them or none: they are tried on the plugin before they are saved."""
    path = session.client.plugin_path(plugin, "config")
    entries = {entry["key"]: entry for entry in session.client.get(path)["items"]}
    changes = dict(_assignment(assignment, entries, text=text) for assignment in values)
    body = {"values": changes, "secrets": secret or [], "replace": False}
    answer = session.client.put(path, body)
    session.show(answer, lambda _: say(f"Saved {', '.join(changes)}."))


@command(app, "unset")
def unset(
    session: Session,
    plugin: PluginArgument,
    key: Annotated[str, typer.Argument(help="The key whose stored value goes.")],
) -> None:
    """Remove a stored value; the schema's default counts again."""
    path = session.client.plugin_path(plugin, "config")
    entry = next((it for it in session.client.get(path)["items"] if it["key"] == key), None)
    if entry is None or entry["id"] is None:
        fail("Nothing is stored", detail=f"{plugin} has no stored value of {key!r}.")
    session.client.delete(f"{path}/{entry['id']}")
    session.show({"removed": key}, lambda _: say(f"Removed {key}."))


@command(app, "history")
def history(session: Session, plugin: PluginArgument) -> None:
    """List the versions of the configuration, newest first."""
    answer = session.client.get(session.client.plugin_path(plugin, "config", "versions"))
    columns: tuple[Column, ...] = (
        ("VERSION", "version"),
        ("WHEN", "created_at"),
        ("WHO", "created_by"),
        ("CHANGED", lambda it: ", ".join(it["changed_keys"])),
        ("NOTE", "note"),
    )
    session.show(answer, lambda it: table(it["items"], columns, empty="The configuration was never changed."))


@command(app, "rollback")
def rollback(
    session: Session,
    plugin: PluginArgument,
    version: Annotated[int, typer.Argument(min=1, help="The version to return to.")],
) -> None:
    """Return to an earlier version, as a new version; it is tried on the plugin first."""
    answer = session.client.post(
        session.client.plugin_path(plugin, "config", "versions", version, "rollback")
    )
    session.show(answer, lambda _: say(f"The configuration is as in version {version} again."))


@command(app, "test")
def test(session: Session, plugin: PluginArgument) -> None:
    """Let the plugin try its peers with the present configuration (where it offers that)."""
    answer = session.client.post(session.client.plugin_path(plugin, "config", "test-connection"))
    session.show(answer, lambda it: record(it, tuple((name, name) for name in it)))
    if answer.get("ok") is False or answer.get("status") in {"fail", "failed", "unhealthy"}:
        raise typer.Exit(Exit.FOUND)


def _assignment(assignment: str, entries: dict[str, Any], *, text: bool) -> tuple[str, Any]:
    """The key and value of `KEY=VALUE`; a lone KEY asks without showing what is typed."""
    key, equals, value = assignment.partition("=")
    if not key:
        fail("A value needs a key", detail=f"expected KEY=VALUE, got {assignment!r}.", code=Exit.USAGE)
    entry = entries.get(key, {})
    if not equals:
        value = ask_unseen(key)
    if text or not equals or entry.get("type") == "string":
        return key, value
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _shown(entry: Mapping[str, Any]) -> str:
    """A value as people write it."""
    value = entry["value"]
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
