"""`new`: a complete plugin from a template, in a folder or a zip."""

from pathlib import Path
from typing import Annotated, Any

import typer

from isp_plugins.cli.exits import Exit
from isp_plugins.cli.output import fail, is_interactive, say
from isp_plugins.cli.session import Session, command

TemplateArgument = Annotated[
    str | None, typer.Argument(help="The template; left out: pick one from a list.", show_default=False)
]
DirectoryArgument = Annotated[
    Path | None,
    typer.Argument(help="The folder to make; left out: the plugin's name.", show_default=False),
]
VarOption = Annotated[
    list[str] | None,
    typer.Option(
        "--var", metavar="NAME=VALUE", help="A variable of the template; may be given several times."
    ),
]
ZipOption = Annotated[
    Path | None, typer.Option("--zip", metavar="FILE", help="Make a zip instead of a folder.")
]
FromServerOption = Annotated[
    bool, typer.Option("--from-server", help="Use the server's templates, those that operators added too.")
]
NoInputOption = Annotated[
    bool, typer.Option("--no-input", help="Ask nothing: defaults stand for what is not given.")
]


def add_to(app: typer.Typer) -> None:
    """Add the command to the application."""
    command(app, "new")(new)


def new(
    session: Session,
    template: TemplateArgument = None,
    directory: DirectoryArgument = None,
    var: VarOption = None,
    zip_file: ZipOption = None,
    from_server: FromServerOption = False,
    no_input: NoInputOption = False,
) -> None:
    """Start a plugin from a template: code, configuration schema, tests that pass, README, CI. Nothing is overwritten."""
    from isp_plugins.cli.develop import asking, sources, writing
    from isp_plugins.cli.develop.next_steps import is_plain, registration_of

    if directory is not None and zip_file is not None:
        fail("A folder or a zip?", detail="Give either DIRECTORY or --zip FILE.", code=Exit.USAGE)
    wanted = zip_file or directory
    if wanted is not None:
        writing.check_free(wanted, folder=zip_file is None)
    source: sources.Source = sources.Server(session.client) if from_server else sources.Shipped()
    given = asking.given_values(var or [])
    chosen = template or asking.choose(source)
    variables = source.variables(chosen)
    hints = _hints(wanted, {variable.name for variable in variables})
    values = asking.complete(source, variables, given, hints, ask=is_interactive() and not no_input)
    files = source.render(chosen, values)
    candidates = (registration_of(files).get("name"), values.get("name"), chosen)
    name = next((str(each) for each in candidates if is_plain(each)), "plugin")
    place = wanted or Path(name)
    if zip_file is not None:
        writing.write_zip(files, place, folder=name)
    else:
        writing.write_folder(files, place)
    _show(session, chosen, files, place, is_zip=zip_file is not None)


def _hints(wanted: Path | None, variables: set[str]) -> dict[str, str]:
    """The plugin's name as its folder or zip suggests it."""
    from isp_plugins.templates.naming import package_problem, snake

    if wanted is None or "name" not in variables:
        return {}
    name = snake(wanted.absolute().stem if wanted.suffix == ".zip" else wanted.absolute().name)
    return {} if package_problem(name) else {"name": name}


def _show(session: Session, template: str, files: dict[str, str], place: Path, *, is_zip: bool) -> None:
    """What was made, and what comes next."""
    from isp_plugins.cli.develop.next_steps import next_steps, quoted, sdk_folder

    steps = [] if is_zip else next_steps(files, place, session.data_dir, sdk=sdk_folder())
    answer: dict[str, Any] = {"template": template, "path": str(place), "files": sorted(files), "next": steps}

    def human(made: dict[str, Any]) -> None:
        say(f"Made {made['path']} from the template {template}:")
        for path in made["files"]:
            say(f"  {path}")
        if steps:
            say("Next:")
        for step in steps:
            say(f"  {step}")
        if steps and any(path.endswith("/plugin.toml") for path in made["files"]):
            say(f"Or, to run it as a package, in a sandbox of its own: isp-plugins install {quoted(place)}")

    session.show(answer, human)
