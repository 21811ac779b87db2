"""`logs`: what plugins wrote, and what the host wrote about them."""

from typing import Annotated, Any

import typer

from isp_plugins.cli.exits import Exit
from isp_plugins.cli.operate.log_follow import Follow
from isp_plugins.cli.output import beyond_the_last, fail, say, size_in_words, table
from isp_plugins.cli.session import Session, command

TAIL = 10
"""Older lines that come first when following."""

TracebackFilter = Annotated[
    bool | None,
    typer.Option("--with-traceback/--without-traceback", help="Only lines with a traceback, or without."),
]
FollowOption = Annotated[
    bool,
    typer.Option(
        "--follow", "-f", help="Print lines as they come, until Ctrl-C; with --json one object a line."
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add this command to the application."""
    command(app, "logs")(logs)
    command(app, "log-usage")(log_usage)


def logs(
    session: Session,
    plugin: Annotated[
        str | None, typer.Option(help="Only of this plugin, by name or id; by name also of a deleted one.")
    ] = None,
    level: Annotated[str | None, typer.Option(help="This level and above.")] = None,
    only_level: Annotated[str | None, typer.Option(help="This level and no other.")] = None,
    hook: Annotated[str | None, typer.Option(help="Only of this hook.")] = None,
    method: Annotated[str | None, typer.Option(help="Only of this method of the plugin.")] = None,
    request_id: Annotated[str | None, typer.Option("--request", help="Only of this request.")] = None,
    node: Annotated[str | None, typer.Option(help="Only of this node.")] = None,
    since: Annotated[str | None, typer.Option(help="From this moment on, e.g. 2030-01-31T12:00:00Z.")] = None,
    until: Annotated[str | None, typer.Option(help="Up to this moment.")] = None,
    slower_than: Annotated[
        float | None, typer.Option(min=0, help="Only calls of at least so many milliseconds.")
    ] = None,
    with_traceback: TracebackFilter = None,
    q: Annotated[
        str | None, typer.Option("--search", help="Only messages and tracebacks that contain this.")
    ] = None,
    page: Annotated[int, typer.Option(min=1, help="Which page, newest first.")] = 1,
    size: Annotated[int, typer.Option(min=1, max=200, help="How many on a page.")] = 50,
    tracebacks: Annotated[bool, typer.Option("--tracebacks", help="Show tracebacks too.")] = False,
    follow: FollowOption = False,
    tail: Annotated[
        int,
        typer.Option(min=0, max=1000, help="With --follow: so many older lines first (none with --since)."),
    ] = TAIL,
) -> None:
    """Show plugin logs, newest first, or follow them."""
    filters = {
        "level": level.upper() if level else None,
        "only_level": only_level.upper() if only_level else None,
        "hook": hook,
        "method": method,
        "request_id": request_id,
        "node": node,
        "since": since,
        "until": until,
        "min_duration_ms": slower_than,
        "has_traceback": None if with_traceback is None else str(with_traceback).lower(),
        "q": q,
        **_of_plugin(session, plugin),
    }
    if follow and page != 1:
        fail(
            "--follow has no pages",
            detail="leave --page out; --tail says how many older lines come first.",
            code=Exit.USAGE,
        )
    if follow:
        Follow(session.client, filters | {"tail": tail}, as_json=session.json, tracebacks=tracebacks).run()
        return
    answer = session.client.get("/plugins/logs", **filters, page=page, size=size)
    session.show(answer, lambda found: _show(found, tracebacks=tracebacks))


def log_usage(session: Session) -> None:
    """Show how much of each plugin's log is kept, was lost and was deleted, and the limits."""

    def human(found: dict[str, Any]) -> None:
        columns = (
            ("PLUGIN", "plugin_name"),
            ("ID", "plugin_id"),
            ("KEPT", "records"),
            ("SIZE", lambda usage: size_in_words(usage["bytes"])),
            ("WRITTEN", "written"),
            ("DROPPED", "dropped"),
            ("DELETED (AGE)", "deleted_by_age"),
            ("DELETED (SIZE)", "deleted_by_size"),
        )
        table(found["items"], columns, empty="No plugin has logged yet.")
        limits = found["limits"]
        say(
            f"\nKept: {_limit(limits['days'], 'days')}, {_limit(limits['records'], 'records of a plugin')}, "
            f"{_limit(limits['bytes'] and size_in_words(limits['bytes']), 'in all')}. docs/settings.md: ISP_PLUGINS_LOG_RETENTION_*."
        )

    session.show(session.client.get("/plugins/logs/usage"), human)


def _of_plugin(session: Session, reference: str | None) -> dict[str, Any]:
    """The filter that a plugin's name or id means; a name that nobody bears now may be a deleted plugin's."""
    if reference is None:
        return {}
    if reference.isdecimal():
        return {"plugin_id": int(reference)}
    found = session.client.get("/plugins/", name=reference, size=1)["items"]
    if found:
        return {"plugin_id": found[0]["id"]}
    logged = session.client.get("/plugins/logs/usage")["items"]
    if all(usage["plugin_name"] != reference for usage in logged):
        fail(
            "No such plugin",
            detail=f"nothing is registered as {reference!r}, and nothing of that name ever logged. 'isp-plugins list' shows what is.",
        )
    return {"plugin_name": reference}


def _show(found: dict[str, Any], *, tracebacks: bool) -> None:
    columns = (
        ("WHEN", "at"),
        ("LEVEL", "level"),
        ("PLUGIN", "plugin_name"),
        ("HOOK", "hook"),
        ("MESSAGE", "message"),
    )
    table(found["items"], columns, empty=beyond_the_last(found) or "No log line matches.")
    for line in found["items"] if tracebacks else ():
        if line.get("traceback"):
            say(f"\n{line['at']} {line['plugin_name']}\n{line['traceback']}")


def _limit(value: Any, unit: str) -> str:
    if isinstance(value, (int, float)) and value:
        value = f"{int(value):,}" if value == int(value) else f"{value:,}"
    return f"{value} {unit}" if value else f"any number of {unit}" if unit != "in all" else "any size in all"
