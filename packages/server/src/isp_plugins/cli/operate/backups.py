"""`backup` and `restore`: everything of an installation in one folder or file, and back."""

from pathlib import Path
from typing import Annotated, Any

import typer

from isp_plugins.cli.exits import Exit
from isp_plugins.cli.operate.access import offline
from isp_plugins.cli.output import say, size_in_words
from isp_plugins.cli.session import Session, command

_SHOWN_FINDINGS = 5
"""How many findings of the audit trail are shown one by one."""


def backup(
    session: Session,
    target: Annotated[
        Path, typer.Argument(help="A folder that does not exist yet, or a file FILE.tar or FILE.tar.gz.")
    ],
    with_key: Annotated[
        bool,
        typer.Option(
            "--with-key", help="Also secrets.key; whoever has the backup can then read every secret."
        ),
    ] = False,
) -> None:
    """Write a backup of this machine's data directory; the server may run meanwhile."""  # fmt: skip
    made = offline().back_up(session.data_dir, target, with_key=with_key)
    session.show(made, _tell_made)


def restore(
    session: Session,
    source: Annotated[Path, typer.Argument(exists=True, help="What 'isp-plugins backup' wrote.")],
    key: Annotated[
        Path | None,
        typer.Option(
            "--key", exists=True, dir_okay=False, help="The secrets.key that was kept apart from it."
        ),
    ] = None,
) -> None:
    """Make an installation of a backup in an empty data directory, and verify it; ends with code 4 if something is wrong with it."""
    came = offline().restore(session.data_dir, source, key)
    session.show(came, _tell_restored)
    if not came["audit"]["intact"] or came["unreadable_secrets"]:
        raise typer.Exit(Exit.FOUND)


def add_to(app: typer.Typer) -> None:
    """Add both commands."""
    command(app, "backup")(backup)
    command(app, "restore")(restore)


def _tell_made(made: dict[str, Any]) -> None:
    say(f"{made['backup']}: {made['files']} files, {size_in_words(made['bytes'])}.")
    if made["database"] == "postgresql":
        say("The database is not in it: pg_dump it now, after this.")
    if made["missing"]:
        say(f"Not on this machine, and so not in it: the artifacts {', '.join(made['missing'])}.")
    if not made["with_key"]:
        say("The keys are not in it: keep secrets.key, or ISP_PLUGINS_SECRET_KEYS, in another place.")


def _tell_restored(came: dict[str, Any]) -> None:
    say(f"{came['restored']} is as it was at {came['made_at']}: {came['plugins']} plugins.")
    audit = came["audit"]
    if audit["intact"]:
        say(f"The audit trail is intact: {audit['checked']} entries checked.")
    for finding in audit["findings"][:_SHOWN_FINDINGS]:
        say(f"The audit trail: {finding}")
    more = len(audit["findings"]) - _SHOWN_FINDINGS
    if more > 0:
        say(f"The audit trail: and {more} more; 'isp-plugins audit verify --offline' shows all.")
    if any("key_missing" in finding for finding in audit["findings"]):
        say(
            "The keys of that installation are not here, so its audit trail cannot be checked: remove this folder, and restore again with "
            "--key FILE (its secrets.key), or with its keys in ISP_PLUGINS_SECRET_KEYS."
        )
    unreadable = came["unreadable_secrets"]
    say(
        f"These secrets cannot be read with the keys that are here: {', '.join(unreadable)}."
        if unreadable
        else "Every secret can be read. Next: isp-plugins serve; environments are built as it starts."
    )
