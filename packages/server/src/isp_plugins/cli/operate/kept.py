"""`kept`: what is kept of uninstalled plugins, for their next installation: listed, shown, dropped."""

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

import typer

from isp_plugins.cli.output import Column, record, say, table
from isp_plugins.cli.session import Session, command

app = typer.Typer(no_args_is_help=True, help="See and drop what is kept of uninstalled plugins.")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the uninstalled plugin.")]
_COLUMNS: tuple[Column, ...] = (
    ("NAME", "name"),
    ("VERSION", "version"),
    ("CONFIGURATION", lambda one: _count(one["configuration_keys"], "key")),
    ("STORAGE", lambda one: _count(one["storage_keys"], "value")),
    ("UNINSTALLED", "uninstalled_at"),
)
_FIELDS: tuple[Column, ...] = (
    ("name", "name"),
    ("version", "version"),
    ("uninstalled", "uninstalled_at"),
    ("configuration", lambda one: one["configuration"] or None),
    ("secrets", lambda one: ", ".join(one["secrets"])),
    ("stored values", lambda one: one["storage_keys"] or None),
    ("their keys", lambda one: _listed(one["storage"], one["storage_keys"])),
)


@command(app, "list")
def list_kept(session: Session) -> None:
    """List uninstalled plugins of which configuration or stored values are kept."""
    empty = "Nothing is kept of any uninstalled plugin; 'isp-plugins uninstall PLUGIN --keep configuration,storage' keeps."
    session.show(session.client.get("/plugins/kept"), lambda it: table(it["items"], _COLUMNS, empty=empty))


@command(app, "show")
def show(session: Session, name: NameArgument) -> None:
    """Show what is kept: values (secrets by name only), and the keys of what the plugin stored."""
    session.show(session.client.get(_path(name)), lambda it: record(it, _FIELDS))


@command(app, "drop")
def drop(
    session: Session,
    name: NameArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Drop what is kept of a plugin for good; says what that is, and asks."""
    kept = session.client.get(_path(name))
    if not yes:
        typer.confirm(f"Drop {_held(kept)} of {name} {kept['version']} for good", abort=True, err=True)
    session.client.delete(_path(name))
    session.show(
        kept | {"dropped": True},
        lambda it: say(f"Dropped {_held(it)} of {name}. Its next installation begins with nothing."),
    )


def _path(name: str) -> str:
    return f"/plugins/kept/{quote(name, safe='')}"


def _held(kept: Mapping[str, Any]) -> str:
    keys, values = kept["configuration_keys"], kept["storage_keys"]
    return f"{_count(keys, 'configuration key')} and {_count(values, 'stored value')}"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _listed(keys: list[str], total: int) -> str:
    more = f" and {total - len(keys)} more" if total > len(keys) else ""
    return ", ".join(keys) + more
