"""What every command shares: the options for server, key, data directory and output, and the decorator that adds them.

A command is a function whose first parameter is the `Session`; `command(app)` takes that parameter away and adds the shared options
behind the command's own, so that `--json` works in the same place everywhere.
"""

import functools
import inspect
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.models import ArgumentInfo

from isp_plugins.cli.client import Client, Target
from isp_plugins.cli.exits import Exit
from isp_plugins.cli.output import fail, show_json

UrlOption = Annotated[
    str | None,
    typer.Option(
        "--url",
        help="The server. [default: what runs in the data directory, else http://127.0.0.1:8080; or ISP_PLUGINS_URL]",
        show_default=False,
        rich_help_panel="Server",
    ),
]
KeyOption = Annotated[
    str | None,
    typer.Option(
        "--api-key",
        help="Your API key. [default: ISP_PLUGINS_API_KEY, else the data directory's admin.key]",
        show_default=False,
        rich_help_panel="Server",
    ),
]
DataDirOption = Annotated[
    Path,
    typer.Option(
        "--data-dir",
        envvar="ISP_PLUGINS_DATA_DIR",
        help="The server's data directory.",
        rich_help_panel="Server",
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print the answer as JSON.", rich_help_panel="Output")
]


@dataclass(frozen=True)
class Session:
    """One run of one command."""

    url: str | None
    api_key: str | None
    data_dir: Path
    json: bool

    @functools.cached_property
    def client(self) -> Client:
        """The API, found and authenticated on first use."""
        return Client(Target.find(url=self.url, api_key=self.api_key, data_dir=self.data_dir))

    def show(self, answer: Any, human: Callable[[Any], None]) -> None:
        """Print the answer for a program or for a person."""
        if self.json:
            show_json(answer)
        else:
            human(answer)


def command(
    app: typer.Typer, name: str, **options: Any
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a function as a command with the shared options added."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
        for parameter in own:
            _name_argument(parameter)
        shared = [
            inspect.Parameter("url", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=UrlOption),
            inspect.Parameter("api_key", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=KeyOption),
            inspect.Parameter(
                "data_dir", inspect.Parameter.KEYWORD_ONLY, default=Path("var"), annotation=DataDirOption
            ),
            inspect.Parameter(
                "as_json", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=JsonOption
            ),
        ]

        @functools.wraps(function)
        def run(
            *, url: str | None, api_key: str | None, data_dir: Path, as_json: bool, **arguments: Any
        ) -> None:
            function(Session(url, api_key, data_dir, as_json), **arguments)

        keyword = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
        run.__signature__ = inspect.Signature([*keyword, *shared])  # type: ignore[attr-defined]  # Typer reads it
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in [*keyword, *shared]}
        app.command(name, **options)(run)
        return function

    return register


def _name_argument(parameter: inspect.Parameter) -> None:
    """Show an argument in capitals, as what stands for a value, unless it is named otherwise."""
    for note in getattr(parameter.annotation, "__metadata__", ()):
        if isinstance(note, ArgumentInfo) and note.metavar is None:
            note.metavar = parameter.name.upper()


def ask_unseen(key: str) -> str:
    """The value of a key that was given without one: typed unseen on a terminal, elsewhere one line of standard input."""
    if sys.stdin.isatty():
        return str(typer.prompt(key, hide_input=True, err=True))
    line = sys.stdin.readline()
    if not line:
        fail(
            f"{key} has no value",
            detail=f"expected {key}=VALUE, or its value on standard input; a terminal would ask for it unseen.",
            code=Exit.USAGE,
        )
    return line.rstrip("\r\n")


def read_json(text: str | None, *, what: str) -> Any:
    """The JSON value that an argument means: the text itself, `@file`, or `-` for standard input."""
    if text is None:
        return None
    try:
        if text == "-":
            return json.load(sys.stdin)
        if text.startswith("@"):
            return json.loads(Path(text[1:]).read_text(encoding="utf-8"))
        return json.loads(text)
    except OSError as error:
        fail(f"The {what} cannot be read", detail=f"{text[1:]}: {error.strerror}.", code=Exit.USAGE)
    except ValueError as error:
        verb = "are" if what.endswith("s") else "is"
        fail(
            f"The {what} {verb} not JSON",
            detail=f"{error}. Give JSON, @file or - for standard input.",
            code=Exit.USAGE,
        )
