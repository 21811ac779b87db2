"""`logs --follow`: prints log lines as they are stored, and comes back when the server does.

1. The id of the last line is kept: after a break it goes on there, without gap or duplicate.
2. Lines go to standard output, everything about the connection and about lines that were missed to standard error.
3. A key that is refused, or a filter, ends it with the message; Ctrl-C ends it with 0.
"""

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from rich.console import Console
from rich.text import Text

from isp_plugins.cli.client import Client
from isp_plugins.cli.exits import Exit
from isp_plugins.cli.output import PLAIN_WIDTH, fail
from isp_plugins.cli.sse import ServerEvent, events_in
from isp_plugins.plain_text import visible

QUIET_S = 45.0
"""The server says something every 15 s: longer silence is a broken connection."""
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
PATH = "/plugins/logs/stream"
_COLOURS = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "bold red", "DEBUG": "dim"}


@dataclass
class Follow:
    """One run of the command, over as many connections as it takes."""

    client: Client
    filters: Mapping[str, Any]
    as_json: bool
    tracebacks: bool
    last_id: str | None = None
    connected: bool = False
    """Whether there ever was a connection."""
    out: Console = field(default_factory=lambda: _console(sys.stdout))
    err: Console = field(default_factory=lambda: _console(sys.stderr))

    def run(self) -> None:
        """Print until Ctrl-C, or until the server says that it is over."""
        pause = FIRST_PAUSE_S
        try:
            while True:
                before = self.last_id
                if self._once():
                    return
                pause = FIRST_PAUSE_S if self.last_id != before else min(2 * pause, LONGEST_PAUSE_S)
                self.err.print(f"The connection is gone; trying again in {pause:.0f} s.", style="dim")
                time.sleep(pause)
        except KeyboardInterrupt:
            return
        except BrokenPipeError:
            # Whoever read our output has enough (`| head`): nothing is left to say, not even when Python flushes at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def _once(self) -> bool:
        """One connection; whether it is over for good."""
        headers = {"Last-Event-ID": self.last_id} if self.last_id is not None else {}
        try:
            with self.client.stream(
                PATH, headers=headers, params=self._params(), silence_s=QUIET_S, is_back=self.connected
            ) as lines:
                self.connected = True
                return self._print_all(events_in(lines, self.last_id))
        except httpx.TransportError as error:
            if not self.connected:
                self.client.unreachable(error)
            return False

    def _params(self) -> dict[str, Any]:
        """The filters; older records come first only once."""
        skipped = {"tail"} if self.last_id is not None else set()
        return {
            name: value for name, value in self.filters.items() if value is not None and name not in skipped
        }

    def _print_all(self, events: Iterator[ServerEvent]) -> bool:
        for event in events:
            self.last_id = event.id if event.id is not None else self.last_id
            if event.kind == "log":
                self._print_line(event.data)
            elif event.kind == "missed":
                self._tell_missed(json.loads(event.data))
            elif event.kind == "end" and self._is_over(json.loads(event.data)):
                return True
        return False

    def _print_line(self, data: str) -> None:
        text = Text(data) if self.as_json else line_of(json.loads(data), tracebacks=self.tracebacks)
        if self.out.is_terminal and not self.as_json:
            self.out.print(text)
            return
        sys.stdout.write(f"{text.plain}\n")
        sys.stdout.flush()

    def _tell_missed(self, missed: Mapping[str, Any]) -> None:
        count = f"{missed['count']:,} lines" if missed["count"] is not None else "Lines"
        why = {
            "slow": "came faster than they were read here, and were left out",
            "deleted": "were deleted by the retention of logs before they were read here",
            "position_unknown": "may be missing: the server does not know where we were",
        }.get(missed["reason"], "were missed")
        self.err.print(f"{count} {why}. 'isp-plugins logs' has what is kept.", style="yellow")

    def _is_over(self, end: Mapping[str, Any]) -> bool:
        if end["reason"] == "refused":
            fail("The server ended this", detail=str(end["detail"]), code=Exit.REFUSED)
        return end["reason"] == "finished" and self.filters.get("until") is not None


def line_of(record: Mapping[str, Any], *, tracebacks: bool) -> Text:
    """One record in one line, and its traceback below where it is wanted."""
    where = " ".join(str(record[name]) for name in ("hook", "method") if record[name])
    took = f"{record['duration_ms']:.3g} ms" if record["duration_ms"] is not None else ""
    parts = [
        (record["at"], "dim"),
        (f"{record['level']:<8}", _COLOURS.get(record["level"], "")),
        (record["plugin_name"], "cyan"),
        (f"[{visible(where)}]" if where else "", "dim"),
        (visible(record["message"]), ""),
        (f"({took})" if took else "", "dim"),
    ]
    text = Text(" ").join(Text(part, style) for part, style in parts if part)
    if tracebacks and record["traceback"]:
        text.append(f"\n{visible(record['traceback'])}", "red")
    return text


def _console(stream: Any) -> Console:
    """A console on a stream; colours and wrapping only on a terminal."""
    return Console(
        file=stream, width=None if stream.isatty() else PLAIN_WIDTH, highlight=False, soft_wrap=True
    )
