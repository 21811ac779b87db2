"""`templates`: what plugins are started from on a server; operators add their own."""

from pathlib import Path
from typing import Annotated, Any

import typer

from isp_plugins.cli.exits import Exit
from isp_plugins.cli.output import Column, beyond_the_last, fail, record, say, table
from isp_plugins.cli.session import Session, command, read_json

app = typer.Typer(
    no_args_is_help=True, help="What plugins are started from: see, add, change and remove templates."
)

NameArgument = Annotated[str, typer.Argument(metavar="TEMPLATE", help="Name of the template.")]
FilesOption = Annotated[
    Path | None,
    typer.Option(
        "--files", metavar="FOLDER", help="Take the template's files from this folder, as they lie there."
    ),
]
COLUMNS: tuple[Column, ...] = (
    ("NAME", "name"),
    ("TYPE", "plugin_type"),
    ("ORIGIN", "origin"),
    ("VARIABLES", lambda it: ", ".join(variable["name"] for variable in it["variables"])),
    ("DESCRIPTION", "description"),
)
VARIABLES: tuple[Column, ...] = (
    ("VARIABLE", "name"),
    ("DEFAULT", lambda it: "(required)" if it["required"] else it["default"]),
    ("PATTERN", "pattern"),
    ("DESCRIPTION", "description"),
)
SKIPPED = {".git", "__pycache__", ".venv"}
"""Folders that are no part of a template."""


@command(app, "list")
def list_templates(
    session: Session,
    q: Annotated[
        str | None, typer.Option("--search", help="Only templates whose name or description contains this.")
    ] = None,
    plugin_type: Annotated[
        str | None, typer.Option("--type", help="Only templates of this plugin type, e.g. BILLING.")
    ] = None,
    origin: Annotated[str | None, typer.Option(help="shipped or own.")] = None,
    page: Annotated[int, typer.Option(min=1, help="Which page.")] = 1,
    size: Annotated[int, typer.Option(min=1, max=200, help="How many on a page.")] = 50,
) -> None:
    """List templates."""
    plugin_type = plugin_type.upper() if plugin_type else None
    answer = session.client.get(
        "/plugins/templates", q=q, plugin_type=plugin_type, origin=origin, page=page, size=size
    )

    def human(found: dict[str, Any]) -> None:
        table(
            found["items"],
            COLUMNS,
            empty=beyond_the_last(found) or "No template matches; 'isp-plugins templates list' shows all.",
        )
        if found["pages"] > 1:
            say(
                f"Page {found['page']} of {found['pages']}, {found['total']} templates. More: --page {found['page'] + 1}"
            )

    session.show(answer, human)


@command(app, "show")
def show(
    session: Session,
    template: NameArgument,
    file: Annotated[str | None, typer.Option(help="Print this one file of it, as it stands there.")] = None,
) -> None:
    """Show a template: its variables, its files."""
    answer = session.client.get(_path(template))
    if file is not None:
        text = answer["files"].get(file)
        if text is None:
            fail("No such file", detail=f"{template} has {', '.join(answer['files'])}.")
        session.show(text, lambda it: typer.echo(it, nl=False))
        return

    def human(found: dict[str, Any]) -> None:
        fields = ("name", "description", "plugin_type", "origin", "created_at", "updated_at")
        record(found, tuple((name.replace("_", " "), name) for name in fields))
        say("")
        table(found["variables"], VARIABLES, empty="It has no variables.")
        say("")
        rows = [{"path": path, "bytes": len(text.encode())} for path, text in found["files"].items()]
        table(rows, (("FILE", "path"), ("BYTES", "bytes")), empty="It has no files.")

    session.show(answer, human)


@command(app, "create")
def create(
    session: Session,
    description: Annotated[
        str,
        typer.Argument(
            metavar="JSON|@FILE|-",
            help="Name, description, plugin_type, variables, and files unless --files has them.",
        ),
    ],
    files: FilesOption = None,
) -> None:
    """Add a template of your own; its files and their names are Jinja2."""
    answer = session.client.post("/plugins/templates", _body(description, files))
    nxt = f"Next: isp-plugins new {answer['name']} --from-server"
    session.show(
        answer, lambda it: say(f"Added the template {it['name']} with {len(it['files'])} files. {nxt}")
    )


@command(app, "update")
def update(
    session: Session,
    template: NameArgument,
    changes: Annotated[
        str, typer.Argument(metavar="JSON|@FILE|-", help='The fields to change, e.g. {"description": "..."}.')
    ] = "{}",
    files: FilesOption = None,
) -> None:
    """Change a template of your own; each field given replaces the one before."""
    answer = session.client.put(_path(template), _body(changes, files))
    session.show(answer, lambda it: say(f"Updated the template {it['name']}."))


@command(app, "delete")
def delete(
    session: Session,
    template: NameArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove a template of your own; plugins that were started from it are not touched."""
    if not yes:
        typer.confirm(f"Delete the template {template}", abort=True, err=True)
    session.client.delete(_path(template))
    session.show({"deleted": template}, lambda it: say(f"Deleted the template {it['deleted']}."))


def _path(template: str) -> str:
    from isp_plugins.cli.develop.sources import template_path

    return f"/plugins/templates/{template_path(template)}"


def _body(text: str, folder: Path | None) -> dict[str, Any]:
    """The body of a request: what was described, and the files of a folder."""
    body = read_json(text, what="template")
    if not isinstance(body, dict):
        fail("The template is not an object", detail=f"expected {{...}}, got {text[:60]!r}.", code=Exit.USAGE)
    return body if folder is None else body | {"files": _files_in(folder)}


def _files_in(folder: Path) -> dict[str, str]:
    """Every text below a folder by its path; ends the command at what is no text."""
    if not folder.is_dir():
        fail("No such folder", detail=f"{folder} is none.", code=Exit.USAGE)
    found: dict[str, str] = {}
    for file in sorted(folder.rglob("*")):
        path = file.relative_to(folder)
        if file.is_symlink() or not file.is_file() or SKIPPED.intersection(path.parts):
            continue
        try:
            with file.open(encoding="utf-8", newline="") as stream:
                found[path.as_posix()] = stream.read()
        except ValueError:
            fail("Not a text", detail=f"{file} is not UTF-8; a template has texts only.", code=Exit.USAGE)
        except OSError as error:
            fail("A file cannot be read", detail=f"{file}: {error.strerror}.", code=Exit.USAGE)
    return found
