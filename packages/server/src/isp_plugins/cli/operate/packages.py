"""`packages`: what packages take on the server's machine, and the deletion of what only saves time."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from isp_plugins.cli.output import Column, say, size_in_words, table
from isp_plugins.cli.session import Session, command

app = typer.Typer(no_args_is_help=True, help="What packages take on the server's machine.")


def _size(item: Mapping[str, Any]) -> str:
    return size_in_words(item["bytes"])


@command(app, "usage")
def usage(session: Session) -> None:
    """Show how much artifacts, environments, caches and unfinished work take."""
    columns: tuple[Column, ...] = (("FOLDER", "folder"), ("SIZE", _size))
    session.show(session.client.get("/packages"), lambda it: table(it["items"], columns, empty="Nothing."))


@command(app, "prune")
def prune(
    session: Session,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would go.")] = False,
) -> None:
    """Delete caches beyond their limits, SDK wheels that nothing uses, and what unfinished work left; the server does so itself every hour."""
    answer = session.client.send("POST", "/packages/prune", params={"dry_run": "true"} if dry_run else {})
    session.show(answer, _tell)


def _tell(answer: dict[str, Any]) -> None:
    columns: tuple[Column, ...] = (("WHAT", "kind"), ("NAME", "name"), ("SIZE", _size), ("WHY", "why"))
    table(answer["items"], columns, empty="There is nothing to prune.")
    if answer["items"]:
        say(f"{_size(answer)} {'would go' if answer['dry_run'] else 'went'}.")
