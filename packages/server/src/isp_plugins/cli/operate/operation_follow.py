"""Shows an operation while it goes on: a bar on a terminal, a line for each step elsewhere.

1. The server tells by server-sent events; after a break it is asked again, and so many seconds are given to it.
2. Ctrl-C asks once whether to cancel; a second one leaves it alone, and it goes on at the server.
"""

import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from isp_plugins.cli.client import Client
from isp_plugins.cli.exits import Exit
from isp_plugins.cli.output import PLAIN_WIDTH, fail, sentences
from isp_plugins.cli.sse import events_in
from isp_plugins.plain_text import visible

QUIET_S = 45.0
"""The server says something every 15 s: longer silence is a broken connection."""
PAUSE_S = 1.0
TRIES = 30
"""How often it is tried to come back, once a second, before the server counts as gone."""
ENDED = frozenset({"succeeded", "failed", "cancelled", "interrupted"})
Show = Callable[[Mapping[str, Any]], None]


@dataclass
class Lines:
    """One line for each step, and one for its result, on standard error."""

    err: Console = field(
        default_factory=lambda: Console(stderr=True, width=PLAIN_WIDTH, highlight=False, soft_wrap=True)
    )
    _told: set[tuple[str, bool]] = field(default_factory=set)

    def __call__(self, operation: Mapping[str, Any]) -> None:
        """Tell what is new."""
        for step in operation["steps"]:
            name, ended = step["name"], step["ended"] is not None
            if step["began"] is None or (name, ended) in self._told:
                continue
            self._told.add((name, ended))
            if ended:
                broke_off = (operation["error"] or {}).get("step") == name
                words = operation["state"] if broke_off else step["detail"] or "done"
                self.err.print(f"{name}: {visible(words)}", markup=False)


@dataclass
class Bar:
    """A bar with the present step."""

    bar: Progress
    _task: Any = None

    def __call__(self, operation: Mapping[str, Any]) -> None:
        """Move it."""
        now = next((step for step in reversed(operation["steps"]) if step["began"]), None)
        words = f"{now['name']} {now['detail']}".strip() if now else operation["state"]
        if self._task is None:
            self._task = self.bar.add_task(words, total=1.0)
        self.bar.update(self._task, completed=operation["progress"], description=words[:60])


def watch(client: Client, operation: Mapping[str, Any]) -> Mapping[str, Any]:
    """Show an operation until it has ended, and return it as it is then; Ctrl-C offers to cancel it."""
    if not sys.stderr.isatty():
        return _watch(client, operation, Lines())
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        return _watch(client, operation, Bar(bar), pause=bar.stop, go_on=bar.start)


def tell_end(operation: Mapping[str, Any]) -> None:
    """End the command with the reason, where an operation did not do what was asked for."""
    if operation["state"] == "succeeded":
        return
    error = operation["error"] or {}
    step = f" in step {error['step']}" if error.get("step") else ""
    detail = str(error.get("detail", ""))
    title = f"{operation['kind'].capitalize()} {operation['state']}"
    fail(
        title if step in detail else f"{title}{step}",
        detail=sentences(detail, f"Nothing of it stays; operation {operation['id']} has its steps."),
        mistakes=error.get("errors") or (),
        code=Exit.REFUSED,
    )


def _watch(
    client: Client,
    operation: Mapping[str, Any],
    show: Show,
    *,
    pause: Callable[[], None] = lambda: None,
    go_on: Callable[[], None] = lambda: None,
) -> Mapping[str, Any]:
    asked = False
    while True:
        try:
            return _followed(client, operation, show)
        except KeyboardInterrupt:
            if asked:
                _left(operation)
            asked = True
            pause()
            _offer_cancel(client, operation)
            go_on()


def _offer_cancel(client: Client, operation: Mapping[str, Any]) -> None:
    """Ask whether to cancel; where nobody can be asked, cancel."""
    try:
        wanted = not sys.stdin.isatty() or typer.confirm("\nCancel it?", default=True, err=True)
    except (typer.Abort, KeyboardInterrupt):
        _left(operation)
    if not wanted:
        _left(operation)
    now = client.get(f"/operations/{operation['id']}")
    if now["state"] not in ENDED:
        client.post(f"/operations/{operation['id']}/cancel")


def _left(operation: Mapping[str, Any]) -> None:
    """End the command, and leave the operation to the server."""
    number = operation["id"]
    typer.echo(
        f"It goes on at the server; 'isp-plugins operations follow {number}' shows it again, "
        f"'isp-plugins operations cancel {number}' ends it.",
        err=True,
    )
    raise typer.Exit(Exit.DONE)


def _followed(client: Client, operation: Mapping[str, Any], show: Show) -> Mapping[str, Any]:
    """Follow to the end, over as many connections as it takes."""
    tries = 0
    while operation["state"] not in ENDED:
        try:
            operation = _one_stream(client, operation, show, is_back=tries > 0)
            tries = tries + 1 if operation["state"] not in ENDED else 0
        except httpx.TransportError as error:
            tries += 1
            if tries > TRIES:
                client.unreachable(error)
        if operation["state"] not in ENDED:
            time.sleep(PAUSE_S)
    show(operation)
    return operation


def _one_stream(
    client: Client, operation: Mapping[str, Any], show: Show, *, is_back: bool
) -> Mapping[str, Any]:
    """Follow one connection to its end."""
    path = f"/operations/{operation['id']}/events"
    with client.stream(path, headers={}, params={}, silence_s=QUIET_S, is_back=is_back) as lines:
        for event in events_in(lines):
            if event.kind == "operation":
                operation = json.loads(event.data)
                show(operation)
            elif event.kind == "end" and (end := json.loads(event.data))["reason"] == "refused":
                fail("The server ended this", detail=str(end["detail"]), code=Exit.REFUSED)
    return operation
