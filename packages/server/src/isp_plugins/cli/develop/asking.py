"""The variables of a new plugin: taken from the command line, the rest asked for on a terminal, or told all at once."""

from collections.abc import Mapping, Sequence

import typer

from isp_plugins.cli.develop.sources import Source
from isp_plugins.cli.exits import Exit
from isp_plugins.cli.output import fail, is_interactive
from isp_plugins.templates.definition import Variable


def given_values(options: Sequence[str]) -> dict[str, str]:
    """The values of `--var name=value`; ends the command where one is none."""
    values: dict[str, str] = {}
    for option in options:
        name, equals, value = option.partition("=")
        if not equals or not name:
            fail("Not a variable", detail=f"expected --var name=value, got {option!r}.", code=Exit.USAGE)
        values[name.strip()] = value
    return values


def choose(source: Source) -> str:
    """The template that somebody picks from a list; ends the command where nobody can."""
    names = source.names()
    if not is_interactive():
        listed = [{"path": name, "message": description} for name, description in names.items()]
        fail("No template is named", detail="Name one of these.", mistakes=listed, code=Exit.USAGE)
    for number, (name, description) in enumerate(names.items(), 1):
        typer.echo(f"{number:3}  {name}: {description}", err=True)
    by_number = dict(enumerate(names, 1))
    while True:
        answer = str(typer.prompt("Template", err=True)).strip()
        if answer.isdecimal() and int(answer) in by_number:
            return by_number[int(answer)]
        if answer in names:
            return answer
        typer.echo(f"Expected a name, or a number from 1 to {len(names)}.", err=True)


def complete(
    source: Source,
    variables: Sequence[Variable],
    given: Mapping[str, str],
    hints: Mapping[str, str],
    *,
    ask: bool,
) -> dict[str, str]:
    """The values to render with; what is left out has its default. `hints` stand for defaults that the command line suggests."""
    values = dict(given)
    if not ask:
        values |= {name: hint for name, hint in hints.items() if name not in values}
        _refuse_missing(variables, values)
        return values
    for variable in variables:
        if variable.name in given:
            continue
        suggestion = hints.get(variable.name) or _suggestion(source, variable, values)
        answer = _ask(source, variable, suggestion)
        if answer is not None:
            values[variable.name] = answer
    return values


def _refuse_missing(variables: Sequence[Variable], values: Mapping[str, str]) -> None:
    missing = [variable for variable in variables if variable.required and variable.name not in values]
    if missing:
        options = " ".join(f"--var {variable.name}=..." for variable in missing)
        mistakes = [
            {"path": variable.name, "message": variable.description or "is missing"} for variable in missing
        ]
        fail("Variables are missing", detail=f"Add {options}.", mistakes=mistakes, code=Exit.USAGE)


def _suggestion(source: Source, variable: Variable, values: Mapping[str, str]) -> str | None:
    """The default, where it can be computed from what was answered so far."""
    try:
        return source.suggestion(variable, values)
    except ValueError:
        return None


def _ask(source: Source, variable: Variable, suggestion: str | None) -> str | None:
    """One answer that does; None where the server's own default shall stand."""
    text = f"{variable.name} ({variable.description})" if variable.description else variable.name
    stays_open = suggestion is None and not variable.required
    while True:
        default = "" if stays_open else suggestion
        answer = str(typer.prompt(text, default=default, show_default=bool(suggestion), err=True))
        if stays_open and not answer:
            return None
        problem = source.problem(variable, answer)
        if problem is None:
            return answer
        typer.echo(f"  {answer!r} does not do: {problem}", err=True)
