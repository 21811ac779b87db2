"""What the command line prints: tables and sentences for people, JSON for programs, problems on standard error.

1. `--json` prints exactly the API's answer on standard output, nothing else.
2. Colours only on a terminal; a pipe gets plain text, never cut off at a terminal's width.
3. A problem says what was expected, what came and what to do next.
4. What plugins and customers wrote drives no terminal: control characters are spelt out.
"""

import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn

import typer
from rich import markup
from rich.console import Console
from rich.table import Table

from isp_plugins.cli.exits import Exit
from isp_plugins.plain_text import visible

PLAIN_WIDTH = 10_000
"""Columns of a table that goes into a pipe: nothing is cut."""

_TWO_STOPS = re.compile(r"(?<=[^\s.])\.\s*\.(?=\s|$)")
"""Where two sentences were put together, each with its full stop; what is quoted may well be `..`."""

Column = tuple[str, str | Callable[[Mapping[str, Any]], Any]]
"""A heading, and the field (dots reach into objects) or function that fills it."""

_STATE_COLOURS = {
    "active": "green", "passed": "green", "blocked": "yellow", "completed": "green", "healthy": "green", "ok": "green", "pass": "green", "valid": "green",
    "open": "red", "half_open": "yellow", "missed": "red",
    "failed": "red", "quarantined": "red", "unhealthy": "red", "error": "red", "fail": "red", "ERROR": "red", "CRITICAL": "red",
    "invalid": "red", "problem": "red", "unknown": "dim", "degraded": "yellow", "enabling": "yellow", "disabling": "yellow", "WARNING": "yellow", "warn": "yellow",
    "skipped": "dim", "disabled": "dim", "rejected": "yellow", "timed_out": "red", "stopped": "red",
}  # fmt: skip


def escape(text: str) -> str:
    """A text that is shown as it is, whatever markup or control characters are in it."""
    return markup.escape(visible(text))


def is_interactive() -> bool:
    """Whether somebody is there to answer."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def console() -> Console:
    """Standard output."""
    return Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH, highlight=False, soft_wrap=True)


def show_json(value: Any) -> None:
    """Print a JSON value, readable and unchanged."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def say(text: str) -> None:
    """Print a sentence for people; markup in it is shown as it is."""
    console().print(escape(text))


def table(rows: Iterable[Mapping[str, Any]], columns: Sequence[Column], *, empty: str) -> None:
    """Print rows as a table, or the sentence that says why there are none and what to do."""
    rows = list(rows)
    if not rows:
        say(empty)
        return
    grid = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading, _ in columns:
        grid.add_column(heading, no_wrap=not sys.stdout.isatty(), overflow="fold")
    for row in rows:
        grid.add_row(*(_cell(row, field) for _, field in columns))
    _print(grid)


def record(value: Mapping[str, Any], fields: Sequence[Column]) -> None:
    """Print one thing as lines of name and value, the empty ones left out."""
    grid = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold", no_wrap=not sys.stdout.isatty())
    for heading, field in fields:
        if text := _cell(value, field):
            grid.add_row(heading, text)
    _print(grid)


def finding_lines(finding: Mapping[str, Any]) -> None:
    """Print one finding of the doctor: what was found, and unless it is ok, what was expected and the next step."""
    status = str(finding["status"])
    colour = _STATE_COLOURS.get(status, "yellow")
    out = console()
    out.print(f"[{colour}]{status:<8}[/] {escape(str(finding['check']))}: {escape(str(finding['found']))}")
    for heading in ("expected", "next_step") if status != "ok" else ():
        if finding.get(heading):
            out.print(f"         {heading.replace('_', ' ')}: {escape(str(finding[heading]))}")


def fail(
    title: str,
    *,
    detail: str = "",
    mistakes: Sequence[Mapping[str, Any] | str] = (),
    code: Exit = Exit.REFUSED,
) -> NoReturn:
    """Print a problem on standard error and end with its exit code; a mistake that the detail tells is not repeated."""
    err = Console(
        stderr=True, width=None if sys.stderr.isatty() else PLAIN_WIDTH, highlight=False, soft_wrap=True
    )
    err.print(
        f"[bold red]{escape(title)}[/]" if not detail else f"[bold red]{escape(title)}:[/] {escape(detail)}"
    )
    for line in map(_mistake_line, mistakes):
        if not _tells(detail, line):
            err.print(f"  {escape(line)}")
    raise typer.Exit(code)


def warn(text: str) -> None:
    """Print a hint on standard error, where it is in nobody's way."""
    typer.echo(visible(text), err=True)


def size_in_words(count: float) -> str:
    """A number of bytes as people read it."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1024
    return f"{count:,.3g} GiB"


def beyond_the_last(found: Mapping[str, Any]) -> str | None:
    """What to say of a page that is empty because there are fewer; None where it is not."""
    if found["items"] or not found["total"]:
        return None
    return f"Page {found['page']} is beyond the last of {found['pages']}."


def sentences(*parts: str) -> str:
    """Sentences one after another: each ends with one full stop, and what an earlier one contains is not said again."""
    text = ""
    for part in (part.strip() for part in parts):
        known = part.rstrip(". ").casefold()
        if not known or known in text.casefold():
            continue
        text = f"{text.rstrip('. ')}. {part}" if text and text[-1] not in "!?:" else f"{text} {part}".strip()
    return _TWO_STOPS.sub(".", text)


def _tells(detail: str, line: str) -> bool:
    """Whether a detail says what a mistake's line says: as it is, or the message and the last part of its place."""
    where, _, message = line.partition(": ")
    place = where.rpartition(".")[2]
    return line in detail or bool(
        message and message in detail and re.search(rf"\b{re.escape(place)}\b", detail)
    )


def _mistake_line(mistake: Mapping[str, Any] | str) -> str:
    """One mistake, and where it is if that is known."""
    if isinstance(mistake, str):
        return mistake
    where = mistake.get("path") or mistake.get("loc") or ""
    where = ".".join(str(part) for part in where) if isinstance(where, list) else str(where)
    message = str(mistake.get("message", ""))
    where = f"line {mistake['line']}: {where}" if mistake.get("line") else where
    return f"{where}: {message}" if where else message


def _print(grid: Table) -> None:
    """Print a table; a pipe gets no blanks at the ends of lines."""
    out = console()
    if out.is_terminal:
        out.print(grid)
        return
    with out.capture() as captured:
        out.print(grid)
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def _cell(row: Mapping[str, Any], field: str | Callable[[Mapping[str, Any]], Any]) -> str:
    """The text of one cell, coloured where the word is a state."""
    value: Any = field(row) if callable(field) else _reach(row, field)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    colour = _STATE_COLOURS.get(text)
    return f"[{colour}]{escape(text)}[/]" if colour else escape(text)


def _reach(row: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path, or None."""
    value: Any = row
    for part in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value
