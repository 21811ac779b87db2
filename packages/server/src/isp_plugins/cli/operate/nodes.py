"""`nodes`: the nodes of one database, and what each has of a plugin."""

from typing import Annotated

import typer

from isp_plugins.cli.output import Column, table
from isp_plugins.cli.session import Session, command

NODES: tuple[Column, ...] = (
    ("NODE", lambda node: f"{node['name']} (this one)" if node["is_self"] else node["name"]),
    ("STATE", "state"),
    ("VERSION", "version"),
    ("SCHEMA", "revision"),
    ("ADDRESS", "address"),
    ("STARTED", "started_at"),
    ("SILENT", lambda node: None if node["state"] == "left" else _duration(node["silent_s"])),
    ("PLUGINS", lambda node: ", ".join(f"{count} {state}" for state, count in node["plugins"].items())),
    ("BEHIND", lambda node: node["lag"] if node["state"] == "alive" else None),
)
"""A node that was lost is silent since then, and nobody knows what it has of the plugins by now."""
OF_PLUGIN: tuple[Column, ...] = (
    ("NODE", "node"),
    ("NODE STATE", "node_state"),
    ("WANTED", "desired"),
    ("STATE", "state"),
    ("VERSION", lambda one: _beside(one["version"], one["wanted_version"])),
    ("GENERATION", lambda one: _beside(one["generation"], one["wanted_generation"])),
    ("RUNS HERE", lambda one: {True: "yes", False: "no", None: None}[one["holds"]]),
    ("SINCE", "since"),
    ("CAUSE", "cause"),
)


def add_to(app: typer.Typer) -> None:
    """Add the command to the application."""
    command(app, "nodes")(nodes)


def nodes(
    session: Session,
    plugin: Annotated[
        str | None, typer.Argument(metavar="PLUGIN", help="Name or id of a plugin, to see it on each node.")
    ] = None,
) -> None:
    """Show every node of this database, or what each of them has of a plugin beside what is wanted."""
    if plugin is None:
        session.show(session.client.get("/nodes"), lambda it: table(it["items"], NODES, empty="No nodes."))
        return
    answer = session.client.get(session.client.plugin_path(plugin, "nodes"))
    session.show(answer, lambda it: table(it["items"], OF_PLUGIN, empty="No node has reported of it."))


def _duration(seconds: float) -> str:
    """Short for what is well, longer for what is lost."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.1f} s"


def _beside(has: object, wanted: object) -> str:
    """What it has, and what it should have where that is something else."""
    return f"{has}" if has == wanted else f"{'-' if has is None else has} of {wanted}"
