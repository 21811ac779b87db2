"""`operations`: long work, as installing a plugin is: listed, shown, followed, cancelled."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from isp_plugins.cli.operate.operation_follow import tell_end, watch
from isp_plugins.cli.output import Column, beyond_the_last, record, say, table
from isp_plugins.cli.session import Session, command

app = typer.Typer(no_args_is_help=True, help="Follow and cancel long work, as installing a plugin is.")

IdArgument = Annotated[int, typer.Argument(metavar="ID", min=1, help="Id of the operation.")]


def _step_of(operation: Mapping[str, Any]) -> str:
    """The step under way, or the last that was."""
    return next((str(step["name"]) for step in reversed(operation["steps"]) if step["began"]), "")


_COLUMNS: tuple[Column, ...] = (
    ("ID", "id"),
    ("KIND", "kind"),
    ("ABOUT", "subject"),
    ("STATE", "state"),
    ("STEP", _step_of),
    ("DONE", lambda operation: f"{operation['progress']:.0%}"),
    ("WHO", "actor.name"),
    ("BEGAN", "created_at"),
)
_FIELDS: tuple[Column, ...] = (
    ("id", "id"),
    ("kind", "kind"),
    ("about", "subject"),
    ("state", "state"),
    ("who", "actor.name"),
    ("node", "node"),
    ("began", "created_at"),
    ("ended", "ended_at"),
    ("asked for", "request"),
    ("result", "result"),
    ("error", "error.detail"),
)
_STEPS: tuple[Column, ...] = (
    ("STEP", "name"),
    ("BEGAN", "began"),
    ("ENDED", "ended"),
    ("DETAIL", "detail"),
)


@command(app, "list")
def list_operations(
    session: Session,
    state: Annotated[str | None, typer.Option(help="Only those in this state, e.g. running.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only of this kind, e.g. install.")] = None,
    subject: Annotated[
        str | None, typer.Option("--about", help="Only about this, e.g. a plugin's name.")
    ] = None,
    page: Annotated[int, typer.Option(min=1, help="Which page.")] = 1,
    size: Annotated[int, typer.Option(min=1, max=200, help="How many on a page.")] = 50,
) -> None:
    """List operations, newest first."""
    answer = session.client.get("/operations", state=state, kind=kind, subject=subject, page=page, size=size)
    session.show(
        answer,
        lambda it: table(it["items"], _COLUMNS, empty=beyond_the_last(it) or "There is no such operation."),
    )


@command(app, "show")
def show(session: Session, operation: IdArgument) -> None:
    """Show an operation with its steps."""
    session.show(session.client.get(f"/operations/{operation}"), _tell)


@command(app, "follow")
def follow(session: Session, operation: IdArgument) -> None:
    """Show an operation's progress until it has ended; Ctrl-C offers to cancel it."""
    ended = watch(session.client, session.client.get(f"/operations/{operation}"))
    session.show(ended, _tell)
    if not session.json:
        tell_end(ended)


@command(app, "cancel")
def cancel(session: Session, operation: IdArgument) -> None:
    """Ask an operation to end and to undo what it did."""
    answer = session.client.post(f"/operations/{operation}/cancel")
    session.show(
        answer,
        lambda it: say(f"Operation {it['id']} will end; 'isp-plugins operations show {it['id']}' says how."),
    )


def _tell(operation: Mapping[str, Any]) -> None:
    record(operation, _FIELDS)
    table([step for step in operation["steps"] if step["began"]], _STEPS, empty="No step has begun.")
