"""What a follower reads becomes events: with positions, heartbeats, and a last word."""

import json

import pytest

from isp_plugins.access.errors import UnknownKeyError
from isp_plugins.api.log_events import HEARTBEAT_S, log_events
from isp_plugins.cli.sse import events_in
from isp_plugins.contracts.vocabulary import LogLevel
from isp_plugins.db.errors import DatabaseUnavailableError
from isp_plugins.telemetry import LogView
from isp_plugins.telemetry.following import Missed, MissedReason, Reading


def view(number, clock):
    return LogView(
        id=number,
        at=clock.now(),
        node="n",
        plugin_id=1,
        plugin_name="p",
        level=LogLevel.INFO,
        message=f"m {number}",
        hook=None,
        method=None,
        request_id=None,
        duration_ms=None,
        traceback=None,
    )


def reading(position, *items, missed=()):
    return Reading(tuple(missed), items, position, is_all=True)


async def events_of(clock, first, *others, check=lambda: None):
    """The events of these readings; an error among them is raised, a number is time that passes."""

    async def readings():
        for other in others:
            if isinstance(other, Exception):
                raise other
            if isinstance(other, float):
                clock.advance(other)
            else:
                yield other

    text = b"".join([chunk async for chunk in log_events(first, readings(), check, clock)])
    return list(events_in(text.decode().splitlines()))[1:]


async def test_every_record_is_an_event_with_its_id(clock):
    events = await events_of(clock, reading(4), reading(7, view(5, clock), view(7, clock)))
    assert [(event.kind, event.id) for event in events[:-1]] == [("log", "5"), ("log", "7")]
    assert json.loads(events[0].data)["message"] == "m 5"


async def test_what_was_missed_stands_before_what_follows_it(clock):
    missed = Missed(MissedReason.SLOW, 12)
    events = await events_of(clock, reading(4), reading(90, view(90, clock), missed=[missed]))
    assert [(event.kind, event.id) for event in events[:-1]] == [("missed", "89"), ("log", "90")]
    assert json.loads(events[0].data) == {"reason": "slow", "count": 12}


async def test_a_quiet_stream_has_heartbeats_that_move_the_position(clock):
    events = await events_of(clock, reading(4), HEARTBEAT_S - 1, reading(8), 1.0, reading(9), 1.0, reading(9))
    assert [(event.kind, event.id) for event in events[:-1]] == [("", "9")]


async def test_the_last_event_says_that_it_is_the_last(clock):
    (last,) = await events_of(clock, reading(4))
    assert (last.kind, json.loads(last.data)["reason"]) == ("end", "finished")


async def test_a_key_that_is_good_no_more_ends_the_stream_before_anything_else_is_told(clock):
    def refuse():
        raise UnknownKeyError

    (last,) = await events_of(clock, reading(4, view(4, clock)), check=refuse)
    assert json.loads(last.data)["reason"] == "refused"


@pytest.mark.parametrize("when", ["at once", "later"])
async def test_a_database_that_does_not_answer_ends_it_with_that_reason(clock, when):
    error = DatabaseUnavailableError(dialect="sqlite", cause="gone")
    *_, last = await events_of(clock, reading(4), *([reading(5)] * (when == "later")), error)
    assert json.loads(last.data)["reason"] == "unavailable"
