"""`health`: how one plugin does, now and before, or how all of them do."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from isp_plugins.cli.exits import Exit
from isp_plugins.cli.output import Column, fail, record, say, table
from isp_plugins.cli.session import Session, command

OVERVIEW: tuple[Column, ...] = (
    ("PLUGIN", "name"),
    ("HEALTH", "status"),
    ("STATE", "state"),
    ("SANDBOX", "sandbox.level"),
    ("BREAKER", "breaker.state"),
    ("RESTARTS", "restarts"),
    ("LAST PROBE", "last_probe.at"),
    ("NEXT TRY", "retry_at"),
    ("REASON", lambda report: (report.get("message") or "").partition("\n")[0]),
)
FIELDS: tuple[Column, ...] = (
    ("plugin", "name"),
    ("status", "status"),
    ("state", "state"),
    ("since", "since"),
    ("message", "message"),
    ("cause", "cause"),
    ("uptime", lambda report: _duration(report.get("uptime_s"))),
    ("failures", "failures"),
    ("missed probes", "misses"),
    ("restarts", "restarts"),
    ("hanging threads", lambda report: report.get("abandoned_threads") or None),
    ("next try", "retry_at"),
    ("next probe", "next_probe_at"),
    ("worker", lambda report: worker_in_words(report.get("worker"))),
    ("circuit breaker", lambda report: breaker_in_words(report["breaker"])),
    ("sandbox", lambda report: _sandbox_in_words(report.get("sandbox"))),
)
CHECKS: tuple[Column, ...] = (("CHECK", "name"), ("STATUS", "status"), ("MESSAGE", "message"))
LAYERS: tuple[Column, ...] = (("SANDBOX LAYER", "layer"), ("HOLDS", "holds"), ("WHY NOT", "why"))
HISTORY: tuple[Column, ...] = (
    ("FROM", "at"),
    ("LAST", "last_at"),
    ("TIMES", "times"),
    ("EVENT", "event"),
    ("HEALTH", "status"),
    ("MESSAGE", "message"),
)


def _sandbox_in_words(sandbox: Mapping[str, Any] | None) -> str | None:
    """Its level, and what stands between it and the full set."""
    if sandbox is None:
        return None
    lacking = "; ".join(
        f"{each['layer']} ({each['why']})" for each in sandbox["missing"] if not _is_beyond(each["layer"])
    )
    return f"{sandbox['level']}, without {lacking}" if lacking else str(sandbox["level"])


def _is_beyond(layer: str) -> bool:
    """Whether the full set does without this layer."""
    from isp_plugin_sdk.sandbox.report import BEYOND  # no other command needs it

    return layer in BEYOND


def add_to(app: typer.Typer) -> None:
    """Add the command to the application."""
    command(app, "health")(health)


def health(
    session: Session,
    plugin: Annotated[
        str | None,
        typer.Argument(metavar="[PLUGIN]", help="Name or id of the plugin; left out: all of them."),
    ] = None,
    history: Annotated[
        bool, typer.Option("--history", help="What was found before, newest first; asks nothing.")
    ] = False,
    page: Annotated[int, typer.Option(min=1, help="Which page, of all plugins or of the history.")] = 1,
    size: Annotated[int, typer.Option(min=1, max=200, help="How many on a page.")] = 50,
) -> None:
    """Check a plugin's health now, or show how all plugins did last; ends with code 4 unless healthy."""
    if plugin is None and history:
        fail("Whose history?", detail="Name a plugin: isp-plugins health PLUGIN --history", code=Exit.USAGE)
    if plugin is None:
        _overview(session, page, size)
    elif history:
        _history(session, plugin, page, size)
    else:
        _one(session, plugin)


def breaker_in_words(breaker: dict[str, Any]) -> str | None:
    """Where a circuit breaker stands, and why; None while it never left its first state."""
    if breaker["state"] == "closed":
        return f"closed since {breaker['since']}" if breaker["since"] else None
    retry = f", one call tries at {breaker['retry_at']}" if breaker["retry_at"] else ""
    return f"{breaker['state']} since {breaker['since']}{retry}: {breaker['cause']}"


def worker_in_words(worker: dict[str, Any] | None) -> str | None:
    """A plugin's worker in a line; None where the plugin runs in process."""
    if worker is None:
        return None
    if worker["pid"] is None:
        return f"down; isp-plugins deaths {worker['name']}"
    odd = "".join(f"; {warning}" for warning in worker["warnings"])
    return f"process {worker['pid']} since {worker['started_at']}{odd}"


def _overview(session: Session, page: int, size: int) -> None:
    answer = session.client.get("/plugins/health", page=page, size=size)

    def human(found: dict[str, Any]) -> None:
        empty = "No plugin is registered. Register one: isp-plugins register @plugin.json"
        table(found["items"], OVERVIEW, empty=empty)
        counts = ", ".join(
            f"{count} {name.replace('_', ' ')}" for name, count in found["summary"].items() if count
        )
        if counts:
            say(f"{counts}.")
        if found["pages"] > 1:
            say(f"Page {found['page']} of {found['pages']}; --page shows another.")

    session.show(answer, human)
    if answer["status"] != "healthy":
        raise typer.Exit(Exit.FOUND)


def _history(session: Session, plugin: str, page: int, size: int) -> None:
    path = session.client.plugin_path(plugin, "health", "history")
    answer = session.client.get(path, page=page, size=size)
    empty = f"Nothing was found yet. Enable the plugin, and it is probed: isp-plugins enable {plugin}"
    session.show(answer, lambda it: table(it["items"], HISTORY, empty=empty))


def _one(session: Session, plugin: str) -> None:
    answer = session.client.get(session.client.plugin_path(plugin, "health"))

    def human(report: dict[str, Any]) -> None:
        record(report, FIELDS)
        asked = report["checked_at"] is not None
        empty = (
            "The plugin reported no checks." if asked else f"It does not run. Why: isp-plugins show {plugin}"
        )
        table(report["checks"], CHECKS, empty=empty)
        _tell_layers(report.get("sandbox"))

    session.show(answer, human)
    if answer["status"] != "healthy":
        raise typer.Exit(Exit.FOUND)


def _tell_layers(sandbox: Mapping[str, Any] | None) -> None:
    """Each layer of the worker's sandbox, and what its operator should know beside."""
    if sandbox is None:
        return
    beyond = "the full set does without it: "
    missing = [
        {
            "layer": each["layer"],
            "holds": False,
            "why": f"{beyond if _is_beyond(each['layer']) else ''}{each['why']}",
        }
        for each in sandbox["missing"]
    ]
    say("")
    held = [{"layer": layer, "holds": True} for layer in sandbox["holds"]]
    table([*held, *missing], LAYERS, empty="No layer of a sandbox holds.")
    for note in sandbox["notes"]:
        say(f"Note: {note}")


def _duration(seconds: float | None) -> str | None:
    """Seconds as people say them."""
    if seconds is None:
        return None
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = ((days, "d"), (hours, "h"), (minutes, "min"), (rest, "s"))
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "0 s"
