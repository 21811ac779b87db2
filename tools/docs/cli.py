"""docs/cli.md: every command with its arguments and options, from the command line itself."""

import re
from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperArgument, TyperGroup, TyperOption

from isp_plugins.cli.exits import Exit
from isp_plugins.cli.main import app

PAGE = "docs/cli.md"
SHARED = frozenset({"--url", "--api-key", "--data-dir", "--json", "--help"})
"""Options that every command has."""


def render() -> str:
    """The page."""
    root: Any = typer.main.get_command(app)
    lines = [
        "# Command line",
        "",
        "Written by `tools/generate_docs.py cli` from `isp_plugins.cli`; do not edit.",
        "",
        "`isp-plugins` speaks to a running server over its API. Every command takes `--json` (the API's answer, unchanged), `--url`,",
        "`--api-key` and `--data-dir`; `isp-plugins COMMAND --help` says the same as this page. `isp-plugins --install-completion`",
        "teaches your shell the commands.",
        "",
        "| exit code | meaning |",
        "| --- | --- |",
        *(f"| {code.value} | {_meaning(code)} |" for code in Exit),
        "",
        *_commands(root, "isp-plugins"),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _commands(group: TyperGroup, path: str) -> Iterator[str]:
    """The commands of a group and of the groups in it, in the order of their names."""
    for name, command in sorted(group.commands.items()):
        if isinstance(command, TyperGroup):
            if command.invoke_without_command:
                yield from _command(command, f"{path} {name}")
            yield from _commands(command, f"{path} {name}")
        else:
            yield from _command(command, f"{path} {name}")


def _command(command: Any, path: str) -> Iterator[str]:
    arguments = [parameter for parameter in command.params if isinstance(parameter, TyperArgument)]
    options = [
        parameter
        for parameter in command.params
        if isinstance(parameter, TyperOption) and not SHARED.intersection(parameter.opts)
    ]
    usage = " ".join([path, *(_placeholder(argument) for argument in arguments)])
    yield from (f"## {usage}", "", _text(command.help), "")
    rows = [(f"`{_name(argument)}`", _text(getattr(argument, "help", ""))) for argument in arguments]
    rows += [(f"`{', '.join(option.opts)}`", _text(option.help) + _default(option)) for option in options]
    if rows:
        yield from (
            "| argument or option | meaning |",
            "| --- | --- |",
            *(f"| {name} | {text} |" for name, text in rows),
            "",
        )


def _name(argument: TyperArgument) -> str:
    return argument.metavar or (argument.name or "").upper()


def _placeholder(argument: TyperArgument) -> str:
    name = _name(argument)
    return name if argument.required else f"[{name}]"


def _default(option: TyperOption) -> str:
    """The default, where it says something."""
    value = option.default
    if value in (None, False, ()) or callable(value) or "[default" in (option.help or ""):
        return ""
    return f" Default: `{value}`."


def _text(text: str | None) -> str:
    """Help text on one line, fit for a table."""
    return re.sub(r"\s+", " ", text or "").strip().replace("|", "\\|")


def _meaning(code: Exit) -> str:
    return _MEANINGS[code]


_MEANINGS = {
    Exit.DONE: "The command did what it says.",
    Exit.REFUSED: "The server, or the installation, refused; the message says why and what to do next.",
    Exit.USAGE: "The command line itself is wrong.",
    Exit.UNREACHABLE: "No server answers at the URL.",
    Exit.FOUND: "A check ran and found something wrong (`audit verify`, `doctor`, `health`, `bulk`, a dispatch that was not completed).",
}
