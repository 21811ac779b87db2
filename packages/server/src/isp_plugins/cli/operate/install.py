"""`install` and `uninstall`: a plugin from a folder, a file or a git URL, and its end."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from isp_plugins.cli.exits import Exit
from isp_plugins.cli.operate.operation_follow import tell_end, watch
from isp_plugins.cli.operate.packing import Sent, pack, source_of
from isp_plugins.cli.operate.plugins import CascadeOption, PluginArgument
from isp_plugins.cli.output import Column, fail, is_interactive, say, table, warn
from isp_plugins.cli.session import Session, ask_unseen, command

NOT_ACCEPTED = "/problems/grants-not-accepted"
"""The problem of an installation that waits for consent to its grants."""
_PARTS: tuple[Column, ...] = (
    ("PART", "part"),
    ("ACTION", "action"),
    ("COUNT", lambda part: part["count"] or ""),
    ("DETAIL", "detail"),
)


def add_to(app: typer.Typer) -> None:
    """Add these commands to the application."""
    command(app, "install")(install)
    command(app, "uninstall")(uninstall)


def install(
    session: Session,
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A project folder (packed and sent), a wheel, an sdist or a zip (sent), or a git URL, perhaps with @tag (fetched by the server).",
        ),
    ],
    config: Annotated[
        list[str] | None,
        typer.Option(
            "--config",
            metavar="KEY=VALUE",
            help="Configure it; a value is JSON, or text where it is none; a KEY alone asks for its value unseen.",
        ),
    ] = None,
    enable_it: Annotated[
        bool, typer.Option("--enable", help="Enable it at once; if that fails, nothing stays installed.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Show its progress and wait for its end.")
    ] = True,
    name: Annotated[
        str | None, typer.Option(help="The plugin that is expected; a package of another is refused.")
    ] = None,
    version: Annotated[
        str | None,
        typer.Option(help="The version that is expected; of a git URL the tag, branch or commit."),
    ] = None,
    digest: Annotated[
        str | None, typer.Option(metavar="sha256:...", help="SHA-256 that the file must have.")
    ] = None,
    accept_grants: Annotated[
        bool,
        typer.Option(
            "--accept-grants",
            help="Accept whatever the plugin asks for; without it, it is shown and refused where nobody can be asked.",
        ),
    ] = False,
) -> None:
    """Install a plugin with its dependencies into an environment of its own; what fails leaves nothing behind."""
    sent = source_of(source)
    values = dict(assignment(one) for one in config or ())
    wanted = {"name": name, "version": version or sent.ref, "digest": digest}
    fields: dict[str, Any] = {key: value for key, value in wanted.items() if value is not None}
    fields |= {"configuration": values, "auto_enable": enable_it, "accept_grants": accept_grants}
    operation = begin(session, sent, fields)
    if not wait:
        session.show(operation, _tell_begun)
        return
    ended = watch(session.client, operation)
    if not session.json and grants_are_accepted_now(ended):
        ended = watch(session.client, begin(session, sent, fields | {"accept_grants": True}))
    _end(session, ended)


def _end(session: Session, ended: Mapping[str, Any]) -> None:
    """Tell how it ended, and end with the exit code for that."""
    if not session.json:
        tell_end(ended)
    session.show(ended, _tell_installed)
    if ended["state"] != "succeeded":
        raise typer.Exit(Exit.REFUSED)


def grants_are_accepted_now(ended: Mapping[str, Any]) -> bool:
    """Whether only consent was missing, and whoever sits here gives it."""
    error = ended["error"] or {}
    if error.get("type") != NOT_ACCEPTED or not is_interactive():
        return False
    typer.echo("The plugin asks for:", err=True)
    for line in error["errors"]:
        warn(f"  {line['message']}")
    return typer.confirm("Accept that?", err=True)


def uninstall(
    session: Session,
    plugin: PluginArgument,
    plan: Annotated[bool, typer.Option("--plan", help="Only show what would be done.")] = False,
    keep: Annotated[
        str | None,
        typer.Option(
            metavar="PART,...",
            help="What stays for its next installation: configuration, storage, or both.",
        ),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="First write configuration (without secrets), subscriptions and stored values to this file.",
        ),
    ] = None,
    drop_logs: Annotated[bool, typer.Option("--drop-logs", help="Also delete its log records.")] = False,
    cascade: CascadeOption = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Take a plugin down and drop it with its artifact and environment; shows what would be done, and asks."""
    client = session.client
    path = client.plugin_path(plugin)
    options = {"keep": keep, "drop_logs": "true" if drop_logs else None}
    planned = client.delete(path, dry_run="true", **options)
    if plan:
        session.show(planned, _tell_plan)
        return
    if not yes:
        _tell_plan(planned)
        typer.confirm(f"Uninstall {planned['plugin']}", abort=True, err=True)
    if export is not None:
        _export(client.get(f"{path}/export"), export)
    client.delete(path, cascade="true" if cascade else None, **options)
    session.show(planned | {"uninstalled": True}, lambda it: say(_ended(it, export)))


def begin(
    session: Session, sent: Sent, fields: dict[str, Any], path: str = "/plugins/install", **params: str | None
) -> dict[str, Any]:
    """Send a package, or where it is fetched from; the operation that was begun."""
    if sent.url is not None:
        body = {"source_type": "git", "source_location": sent.url, **fields}
        begun: dict[str, Any] = session.client.send("POST", path, json=body, params=_given(params))
        return begun
    form = {
        key: json.dumps(value) if key in {"configuration", "auto_enable", "accept_grants"} else value
        for key, value in fields.items()
    }
    assert sent.file is not None  # noqa: S101  it is either
    with tempfile.TemporaryDirectory(prefix="isp-plugins-") as folder:
        file = sent.file
        if sent.is_folder:
            file = Path(folder) / f"{sent.file.resolve().name or 'package'}.zip"
            pack(sent.file, file)
        return _upload(session, file, form, path, params)


def _given(params: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in params.items() if value is not None}


def _upload(
    session: Session, file: Path, form: Mapping[str, str], path: str, params: Mapping[str, str | None]
) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            answer: dict[str, Any] = session.client.send(
                "POST", path, data=dict(form), files={"file": (file.name, stream)}, params=_given(params)
            )
    except OSError as error:
        fail("The package cannot be read", detail=f"{file}: {error.strerror}.", code=Exit.USAGE)
    return answer


def assignment(text: str) -> tuple[str, Any]:
    """The key and value of `KEY=VALUE`; a lone KEY asks without showing what is typed."""
    key, equals, value = text.partition("=")
    if not key:
        fail("A value needs a key", detail=f"expected KEY=VALUE, got {text!r}.", code=Exit.USAGE)
    if not equals:
        return key, ask_unseen(key)
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _export(document: Mapping[str, Any], file: Path) -> None:
    try:
        file.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        fail("The export cannot be written", detail=f"{file}: {error.strerror}. Nothing was uninstalled.")


def _tell_begun(operation: Mapping[str, Any]) -> None:
    say(f"Operation {operation['id']} installs it. Next: isp-plugins operations follow {operation['id']}")


def _tell_installed(operation: Mapping[str, Any]) -> None:
    result = operation["result"] or {}
    if not result:
        return
    nxt = "" if result["state"] == "active" else f" Next: isp-plugins enable {result['plugin']}"
    say(
        f"Installed {result['plugin']} {result['version']} as plugin {result['plugin_id']} ({result['state']}).{nxt}"
    )


def _tell_plan(planned: Mapping[str, Any]) -> None:
    say(f"{planned['plugin']} {planned['version']} ({planned['state']}) would go:")
    table(planned["parts"], _PARTS, empty="")
    if planned["needed_by"]:
        say(f"Needed by {', '.join(planned['needed_by'])}: those are disabled with --cascade.")


def _ended(planned: Mapping[str, Any], export: Path | None) -> str:
    kept = [part["part"] for part in planned["parts"] if part["action"] == "keep" and part["count"]]
    told = f"Uninstalled {planned['plugin']}."
    told += f" Exported to {export}." if export else ""
    return told + (f" Kept: {', '.join(kept)}." if kept else "")
