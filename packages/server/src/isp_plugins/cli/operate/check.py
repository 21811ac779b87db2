"""`check --against VERSION`: which plugins would not load on another version of the host, asked before it is upgraded."""

import importlib
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from isp_plugins.cli.exits import Exit
from isp_plugins.cli.output import Column, say, table
from isp_plugins.cli.session import Session, command

_ROWS: tuple[Column, ...] = (
    ("PLUGIN", "name"),
    ("VERSION", "version"),
    ("DESIRED", "desired"),
    ("LOADS", "loads"),
    ("FOUND", "found"),
    ("EXPECTED", "expected"),
    ("NEXT", "next_step"),
)
_NO_REASON: Mapping[str, Any] = {"found": None, "expected": None, "next_step": None}


def add_to(app: typer.Typer) -> None:
    """Add this command to the application."""
    command(app, "check")(check)


def check(
    session: Session,
    against: Annotated[
        str, typer.Option("--against", metavar="VERSION", help="The version of isp-plugins to be installed.")
    ],
    python: Annotated[
        str | None,
        typer.Option(
            "--python", metavar="VERSION", help="The version of Python that comes with it, if it changes."
        ),
    ] = None,
    off: Annotated[
        bool,
        typer.Option("--offline", help="Look at the data directory itself, where the server cannot start."),
    ] = False,
) -> None:
    """Say, before the host is upgraded, which plugins would not load and why; ends with code 4 if there are any."""
    if off:
        offline = importlib.import_module("isp_plugins.cli.offline")
        report = offline.check_against(session.data_dir, against, python)
    else:
        report = session.client.get("/plugins/check", against=against, python=python)
    session.show(report, _tell)
    if not report["would_all_load"]:
        raise typer.Exit(Exit.FOUND)


def _tell(report: Mapping[str, Any]) -> None:
    table(_rows(report["items"]), _ROWS, empty="There are no plugins.")
    bad = sum(not one["would_load"] for one in report["items"])
    target = f"isp-plugins {report['against']}"
    target += f" with Python {report['python']}" if report["python"] else ""
    told = f"{bad} of {report['checked']} plugins would not load" if bad else "Every plugin would load"
    say(f"\n{told} on {target}; this is {report['present']}.")


def _rows(items: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """One row for each reason, or one that says yes."""
    return [
        {**one, "loads": "yes" if one["would_load"] else "no", **reason}
        for one in items
        for reason in one["reasons"] or [_NO_REASON]
    ]
