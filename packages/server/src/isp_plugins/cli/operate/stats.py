"""`stats`: what plugins were called for, how it went and how long it took."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from isp_plugins.cli.output import Column, record, say, table
from isp_plugins.cli.session import Session, command


class WindowChoice(StrEnum):
    """How far back to look."""

    FIVE_MINUTES = "5m"
    HOUR = "1h"
    DAY = "1d"


def _milliseconds(name: str) -> Column:
    heading = name.removesuffix("_ms").upper() + " MS"
    return heading, lambda line: None if line[name] is None else f"{line[name]:.3g}"


def _skips(line: Any) -> str | None:
    return ", ".join(f"{count} {reason}" for reason, count in line["skips"].items()) or None


FIGURES: tuple[Column, ...] = (
    ("CALLS", "calls"),
    ("ERRORS", "errors"),
    ("REJECTS", "rejects"),
    ("TIMEOUTS", "timeouts"),
    ("SKIPS", _skips),
    _milliseconds("p50_ms"),
    _milliseconds("p95_ms"),
    _milliseconds("p99_ms"),
)
LAST: tuple[Column, ...] = (("LAST RUN", "last_run"), ("LAST ERROR", "last_error"))
PLACE: tuple[Column, ...] = (("PLUGIN", "plugin"), ("HOOK", "hook"), ("METHOD", "method"))


def add_to(app: typer.Typer) -> None:
    """Add this command to the application."""
    command(app, "stats")(stats)


def stats(
    session: Session,
    plugin: Annotated[
        str | None, typer.Argument(help="Name or id of a plugin. [default: all]", show_default=False)
    ] = None,
    window: Annotated[WindowChoice, typer.Option(help="5 minutes, an hour or a day.")] = WindowChoice.HOUR,
    top: Annotated[
        int, typer.Option(min=1, max=50, help="How many of the slowest and of those that fail most.")
    ] = 5,
) -> None:
    """Show how often plugins were called, how it went and how long it took."""
    path = session.client.plugin_path(plugin, "stats") if plugin else "/plugins/stats"
    answer = session.client.get(path, window=window.value, top=top)
    session.show(answer, lambda found: _show(found, window))


def _show(found: dict[str, Any], window: WindowChoice) -> None:
    nodes = f" on {', '.join(found['nodes'])}" if len(found["nodes"]) > 1 else ""
    say(f"Since {found['since']}{nodes}")
    if "subscriptions" in found:
        record(found["totals"], (*FIGURES, *LAST))
        lines, columns = found["subscriptions"], (PLACE[1], PLACE[2], *FIGURES, *LAST)
    else:
        lines, columns = found["plugins"], (PLACE[0], *FIGURES, *LAST)
    empty = f"Nothing was ever called. 'isp-plugins dispatch HOOK' calls a hook by hand; --window looks back further than {window.value}."
    say("")
    table(lines, columns, empty=empty)
    _section(
        "Hooks",
        found["hooks"] if "plugins" in found else (),
        (PLACE[1], ("DISPATCHES", "dispatches"), *FIGURES),
    )
    _section("Slowest", found["top_slow"], (*PLACE, *FIGURES))
    _section("Failing most", found["top_failing"], (*PLACE, *FIGURES, LAST[1]))


def _section(title: str, lines: Any, columns: tuple[Column, ...]) -> None:
    if lines:
        say(f"\n{title}")
        table(lines, columns, empty="")
