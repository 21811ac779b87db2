"""`keys`, `audit` and `secrets`: who may, who did, and what is kept encrypted; each also works offline, under the data directory's lock."""

import importlib
from types import ModuleType
from typing import Annotated, Any

import typer

from isp_plugins.cli.exits import Exit
from isp_plugins.cli.output import beyond_the_last, record, say, table
from isp_plugins.cli.session import Session, command

keys = typer.Typer(no_args_is_help=True, help="API keys of callers and operators.")
audit = typer.Typer(no_args_is_help=True, help="The audit trail.")
secrets = typer.Typer(no_args_is_help=True, help="The keys that encrypt secrets.")


def offline() -> ModuleType:
    """The commands that open the data directory themselves; importing the whole host would slow every other command down."""
    return importlib.import_module("isp_plugins.cli.offline")


OfflineOption = Annotated[
    bool, typer.Option("--offline", help="Work on the data directory itself; the server must not be running.")
]


@command(keys, "create")
def create_key(
    session: Session,
    name: Annotated[str, typer.Argument(help="Who or what will use it.")],
    role: Annotated[str, typer.Option(help="caller, viewer, operator, developer or admin.")] = "viewer",
    plugin: Annotated[
        list[str] | None, typer.Option(help="Limit it to this plugin; may be repeated.")
    ] = None,
    hook: Annotated[list[str] | None, typer.Option(help="Limit it to this hook; may be repeated.")] = None,
    expires_at: Annotated[str | None, typer.Option(help="When it ends, e.g. 2030-12-31T00:00:00Z.")] = None,
    off: OfflineOption = False,
) -> None:
    """Create an API key; its token is shown this once."""
    body: dict[str, Any] = {
        "name": name,
        "role": role,
        "plugins": plugin,
        "hooks": hook,
        "expires_at": expires_at,
    }
    answer = (
        offline().create_key(session.data_dir, body)
        if off
        else session.client.post("/keys", {k: v for k, v in body.items() if v is not None})
    )

    def human(made: dict[str, Any]) -> None:
        record(made, (("id", "id"), ("name", "name"), ("role", "role"), ("token", "token")))
        if made.get("file"):
            say(f"{made['file']} holds this token now; what was in it before is replaced.")
        say("Keep the token now: it is not shown again.")

    session.show(answer, human)


@command(keys, "list")
def list_keys(session: Session) -> None:
    """List API keys (never their tokens)."""
    answer = session.client.get("/keys", size=200)
    columns = (
        ("ID", "id"),
        ("NAME", "name"),
        ("ROLE", "role"),
        ("TOKEN", lambda key: f"{key['token_hint']}..."),
        ("LIMITS", lambda key: ", ".join([*(key["plugins"] or []), *(key["hooks"] or [])])),
        ("LAST USED", "last_used_at"),
        ("EXPIRES", "expires_at"),
        ("REVOKED", "revoked_at"),
    )
    session.show(answer, lambda it: table(it["items"], columns, empty="There is no key."))


@command(keys, "revoke")
def revoke_key(
    session: Session,
    key_id: Annotated[int, typer.Argument(help="Id of the key.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Revoke an API key; its next request is refused. Asks first if it is the very key that you use."""
    if not yes and session.client.get("/me")["key_id"] == str(key_id):
        typer.confirm(
            f"Key {key_id} is the one that you use: afterwards everything is refused. Revoke it",
            abort=True,
            err=True,
        )
    answer = session.client.delete(f"/keys/{key_id}")
    session.show(answer or {"revoked": key_id}, lambda _: say(f"Revoked key {key_id}."))


@command(audit, "list")
def list_audit(
    session: Session,
    tag: Annotated[str | None, typer.Option(help="Only this kind of entry, e.g. plugin.enabled.")] = None,
    actor: Annotated[str | None, typer.Option(help="Only what this actor did.")] = None,
    since: Annotated[str | None, typer.Option(help="From this moment on.")] = None,
    page: Annotated[int, typer.Option(min=1, help="Which page, newest first.")] = 1,
) -> None:
    """Show the audit trail, newest first."""
    answer = session.client.get("/audit", tag=tag, actor=actor, since=since, page=page)
    columns = (
        ("WHEN", "at"),
        ("WHAT", "tag"),
        ("OUTCOME", "outcome"),
        ("WHO", "actor_name"),
        ("SUBJECT", lambda it: f"{it['subject_type']} {it['subject_id']}"),
        ("DETAILS", "details"),
    )
    session.show(
        answer, lambda it: table(it["items"], columns, empty=beyond_the_last(it) or "No audit entry matches.")
    )


@command(audit, "verify")
def verify_audit(session: Session, off: OfflineOption = False) -> None:
    """Check the whole chain; ends with code 4 if an entry was edited, removed, reordered or cut off."""
    answer = offline().verify_audit(session.data_dir) if off else session.client.post("/audit/verify")

    def human(report: dict[str, Any]) -> None:
        if report["intact"]:
            say(f"The audit trail is intact: {report['checked']} entries checked.")
            return
        columns = (("NODE", "node"), ("SEQUENCE", "sequence"), ("PROBLEM", "problem"))
        say(
            f"The audit trail was tampered with: {len(report['findings'])} findings in {report['checked']} entries."
        )
        table(report["findings"], columns, empty="")

    session.show(answer, human)
    if not answer["intact"]:
        raise typer.Exit(Exit.FOUND)


@command(secrets, "rotate")
def rotate(session: Session, off: OfflineOption = False) -> None:
    """Encrypt every secret with a new key; the old one stays in the ring for old versions of configurations."""
    answer = offline().rotate_secrets(session.data_dir) if off else session.client.post("/secrets/rotate")
    session.show(
        answer, lambda it: say(f"{it['rotated']} secrets are encrypted with key {it['key_id']} now.")
    )
