"""Reads server-sent events from lines of text, as the standard has it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event; `id` is the last one that the stream told, to go on from."""

    kind: str
    data: str
    id: str | None


def events_in(lines: Iterable[str], last_id: str | None = None) -> Iterator[ServerEvent]:
    """The events of a stream; comments and unknown fields are skipped, an event without data only moves the id."""
    kind, data = "message", list[str]()
    for line in lines:
        if line:
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "data":
                data.append(value)
            elif field == "event":
                kind = value
            elif field == "id":
                last_id = value
            continue
        yield ServerEvent(kind if data else "", "\n".join(data), last_id)
        kind, data = "message", []


def lines_of(chunks: Iterable[str]) -> Iterator[str]:
    """The lines of a text that comes in pieces; only a line feed ends one, other separators of Unicode are text (JSON leaves them bare)."""
    rest = ""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split("\n")
        yield from (line.removesuffix("\r") for line in lines)
