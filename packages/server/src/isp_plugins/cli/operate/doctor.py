"""`doctor`: what is wrong with the installation, a plugin or a hook, what was expected, and what to do next."""

from typing import Annotated, Any

import typer

from isp_plugins.cli.exits import Exit
from isp_plugins.cli.operate.plugins import PluginArgument
from isp_plugins.cli.output import fail, finding_lines, say
from isp_plugins.cli.session import Session, command, read_json

app = typer.Typer()

OfflineOption = Annotated[
    bool, typer.Option("--offline", help="Look at the data directory itself; the server must not be running.")
]
ProblemsOption = Annotated[bool, typer.Option("--problems", help="Show warnings and problems alone.")]
STATUSES = ("ok", "warning", "problem", "unknown")


class _Bare:
    """Registers a command as what the group does when no command of it is named."""

    @staticmethod
    def command(_name: str, **options: Any) -> Any:
        """As `typer.Typer.command`."""
        return app.callback(invoke_without_command=True, **options)


@command(_Bare(), "")  # type: ignore[arg-type]  # it has the one method that `command` calls
def installation(
    session: Session, context: typer.Context, off: OfflineOption = False, problems: ProblemsOption = False
) -> None:
    """Look at the installation: database, keys, audit trail, disk, clock, kernel, limits, queues; ends with code 4 if there is a problem."""
    if context.invoked_subcommand is None:
        _answer(session, _offline(session) if off else session.client.get("/doctor"), problems=problems)
    elif misplaced := [name for name in context.params if _is_given(context, name)]:
        fail(
            "An option stands in the wrong place",
            detail=f"put --{misplaced[0].removeprefix('as_').replace('_', '-')} behind 'doctor {context.invoked_subcommand}'.",
            code=Exit.USAGE,
        )


@command(app, "plugin")
def plugin(
    session: Session,
    name: PluginArgument,
    health: Annotated[bool, typer.Option("--health", help="Also ask the plugin for its health now.")] = False,
    problems: ProblemsOption = False,
) -> None:
    """Say why a plugin does not load, step by step; ends with code 4 if there is a problem."""
    path = session.client.plugin_path(name, "doctor")
    _answer(session, session.client.get(path, health="true" if health else None), problems=problems)


@command(app, "hook")
def hook(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="HOOK", help="Name of the hook.")],
    of_plugin: Annotated[
        str | None, typer.Option("--plugin", help="Only this plugin's subscriptions.")
    ] = None,
    payload: Annotated[
        str | None,
        typer.Option(
            metavar="JSON|@FILE|-",
            help="What conditions are evaluated with. [default: the catalogue's sample]",
            show_default=False,
        ),
    ] = None,
    context: Annotated[str | None, typer.Option(metavar="JSON|@FILE|-", help="The caller's context.")] = None,
    problems: ProblemsOption = False,
) -> None:
    """Say why subscriptions of a hook did not run; nothing is dispatched. Ends with code 4 if there is a problem."""
    body: dict[str, Any] = {}
    if payload is not None:
        body["payload"] = read_json(payload, what="payload")
    if context is not None:
        body["context"] = read_json(context, what="context")
    if of_plugin is not None:
        body["plugin"] = session.client.plugin(of_plugin)["name"]
    _answer(session, session.client.post(f"/hooks/{name}/doctor", body), problems=problems)


def _is_given(context: typer.Context, name: str) -> bool:
    """Whether a parameter was on the command line."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _offline(session: Session) -> dict[str, Any]:
    from isp_plugins.cli import offline  # the server's imports would slow every other command down

    return offline.examine(session.data_dir)


def _answer(session: Session, report: dict[str, Any], *, problems: bool) -> None:
    """Show a report, and end with code 4 where it names a problem."""
    session.show(report, lambda found: _show(found, problems=problems))
    if report["status"] == "problem":
        raise typer.Exit(Exit.FOUND)


def _show(report: dict[str, Any], *, problems: bool) -> None:
    subject = None
    for finding in report["findings"]:
        if problems and finding["status"] not in {"warning", "problem"}:
            continue
        if finding["subject"] != subject:
            subject = finding["subject"]
            say(f"\n{subject}")
        finding_lines(finding)
    counts = {status: sum(one["status"] == status for one in report["findings"]) for status in STATUSES}
    told = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    say(f"\n{report['kind']} {report['name']}: {told}")
