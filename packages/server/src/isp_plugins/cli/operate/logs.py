"""`logs`: what plugins wrote, and what the host wrote about them."""

from typing import Annotated, Any

import typer

from isp_plugins.cli.output import say, table
from isp_plugins.cli.session import Session, command


def add_to(app: typer.Typer) -> None:
    """Add this command to the application."""
    command(app, "logs")(logs)


def logs(
    session: Session,
    plugin: Annotated[str | None, typer.Option(help="Only of this plugin, by name or id.")] = None,
    level: Annotated[str | None, typer.Option(help="This level and above.")] = None,
    hook: Annotated[str | None, typer.Option(help="Only of this hook.")] = None,
    request_id: Annotated[str | None, typer.Option("--request", help="Only of this request.")] = None,
    since: Annotated[str | None, typer.Option(help="From this moment on, e.g. 2030-01-31T12:00:00Z.")] = None,
    until: Annotated[str | None, typer.Option(help="Up to this moment.")] = None,
    q: Annotated[str | None, typer.Option("--search", help="Only messages that contain this.")] = None,
    page: Annotated[int, typer.Option(min=1, help="Which page, newest first.")] = 1,
    size: Annotated[int, typer.Option(min=1, max=200, help="How many on a page.")] = 50,
    tracebacks: Annotated[bool, typer.Option("--tracebacks", help="Show tracebacks too.")] = False,
) -> None:
    """Show plugin logs, newest first."""
    plugin_id = session.client.plugin(plugin)["id"] if plugin else None
    answer = session.client.get(
        "/plugins/logs",
        plugin_id=plugin_id,
        level=level,
        hook=hook,
        request_id=request_id,
        since=since,
        until=until,
        q=q,
        page=page,
        size=size,
    )

    def human(found: dict[str, Any]) -> None:
        columns = (
            ("WHEN", "at"),
            ("LEVEL", "level"),
            ("PLUGIN", "plugin_name"),
            ("HOOK", "hook"),
            ("MESSAGE", "message"),
        )
        table(found["items"], columns, empty="No log line matches.")
        for line in found["items"] if tracebacks else ():
            if line.get("traceback"):
                say(f"\n{line['at']} {line['plugin_name']}\n{line['traceback']}")

    session.show(answer, human)
