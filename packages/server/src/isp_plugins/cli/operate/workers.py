"""`workers` and `deaths`: what workers use and may use, and how those ended that nobody asked to."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from isp_plugins.cli.output import Column, beyond_the_last, say, table
from isp_plugins.cli.session import Session, command

MIB = 1024 * 1024


def _used(resource: str, field: str, unit: str = "", divisor: int = 1) -> Any:
    """How much it uses, and of how much."""

    def cell(worker: Mapping[str, Any]) -> str | None:
        used = (worker["sample"] or {}).get(field)
        allowed = next((one["allowed"] for one in worker["limits"] if one["resource"] == resource), None)
        if used is None:
            return None
        return f"{used / divisor:.0f}{f'/{allowed}' if allowed is not None else ''}{unit}"

    return cell


WORKERS: tuple[Column, ...] = (
    ("PLUGIN", "name"),
    ("STATE", "state"),
    ("PID", "pid"),
    ("UPTIME", lambda worker: None if worker["uptime_s"] is None else f"{worker['uptime_s']:.0f} s"),
    ("RESTARTS", "restarts"),
    ("CPU", _used("cpu", "cpu_percent", " %")),
    ("MEMORY", _used("memory", "memory_bytes", " MiB", MIB)),
    ("FILES", _used("open_files", "open_files")),
    ("THREADS", _used("threads", "threads")),
    ("BREAKER", "breaker.state"),
    ("ATTENTION", lambda worker: "; ".join([*worker["warnings"], *_throttled(worker)])),
)
DEATHS: tuple[Column, ...] = (
    ("DIED", "died_at"),
    ("VERSION", "version"),
    ("PID", "pid"),
    ("REASON", "reason"),
    ("EXIT", lambda death: death["signal"] or death["exit_code"]),
    ("CPU S", lambda death: None if death["cpu_s"] is None else f"{death['cpu_s']:.1f}"),
    ("MEMORY", lambda death: death["memory_bytes"] and f"{death['memory_bytes'] / MIB:.0f} MiB"),
    ("FILES", "open_files"),
    ("THREADS", "threads"),
    ("DETAIL", "detail"),
)
PluginArgument = Annotated[str, typer.Argument(metavar="PLUGIN", help="Name or id of the plugin.")]
PageOption = Annotated[int, typer.Option(min=1, help="Which page.")]
SizeOption = Annotated[int, typer.Option(min=1, max=200, help="How many on a page.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands to the application."""
    command(app, "workers")(workers)
    command(app, "deaths")(deaths)


def workers(session: Session, page: PageOption = 1, size: SizeOption = 50) -> None:
    """Show the worker of each plugin that has one: what it uses, of what it may use, and what needs attention."""
    answer = session.client.get("/plugins/workers", page=page, size=size)
    empty = "No plugin has a worker. Those that are installed from a package run in one; those that are registered by a module path do not."
    session.show(answer, lambda it: _page(it, WORKERS, empty))


def deaths(
    session: Session,
    plugin: PluginArgument,
    log: Annotated[
        bool, typer.Option("--log", help="The last log lines of the newest death shown, too.")
    ] = False,
    page: PageOption = 1,
    size: SizeOption = 20,
) -> None:
    """Show how a plugin's workers ended that nobody asked to, newest first."""
    answer = session.client.get(session.client.plugin_path(plugin, "deaths"), page=page, size=size)

    def human(found: dict[str, Any]) -> None:
        _page(found, DEATHS, f"No worker of {plugin} died.")
        if log and found["items"]:
            say(f"\nThe last lines of process {found['items'][0]['pid']}:")
            for line in found["items"][0]["log_tail"]:
                say(line)

    session.show(answer, human)


def _page(found: dict[str, Any], columns: tuple[Column, ...], empty: str) -> None:
    table(found["items"], columns, empty=beyond_the_last(found) or empty)
    if found["pages"] > 1:
        say(f"Page {found['page']} of {found['pages']}; --page shows another.")


def _throttled(worker: Mapping[str, Any]) -> list[str]:
    return [f"slowed down {count} times: {what}" for what, count in worker["throttled"].items()]
