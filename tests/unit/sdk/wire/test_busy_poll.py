"""When it pays to look for the next message, and when it is left."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isp_plugin_sdk.wire.busy_poll import MOST_SAT_OUT, BusyPoll

PROMPT_S, LATE_S = 0.000_01, 1.0


@pytest.fixture(autouse=True)
def two_processors(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)


def test_begins_after_a_prompt_message_and_ends_with_the_first_miss():
    poll = BusyPoll(0.000_1)
    assert not poll.on
    poll.came(LATE_S)
    assert not poll.on
    poll.came(PROMPT_S)
    assert poll.on
    poll.missed()
    assert not poll.on


def test_each_miss_in_a_row_makes_the_pause_longer_up_to_a_bound():
    poll, pauses = BusyPoll(0.000_1), []
    for _ in range(12):
        count = 0
        while not poll.on:
            poll.came(PROMPT_S)
            count += 1
        pauses.append(count - 1)
        poll.missed()
    assert pauses[:5] == [0, 1, 3, 7, 15]
    assert pauses[-1] == MOST_SAT_OUT


def test_hits_shorten_the_pause_again():
    poll = BusyPoll(0.000_1)
    for _ in range(3):
        poll.missed()
    for _ in range(100):
        poll.hits += 1
    poll.missed()
    poll.came(PROMPT_S)
    assert not poll.on
    poll.came(PROMPT_S)
    assert poll.on


def test_is_never_done_where_it_is_switched_off_or_nobody_could_answer_meanwhile(monkeypatch):
    off = BusyPoll(0.0)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    alone = BusyPoll(0.000_1)
    for poll in (off, alone):
        for _ in range(1000):
            poll.came(0.0)
        assert not poll.on


@given(st.lists(st.sampled_from(["prompt", "late", "hit", "missed"]), max_size=300))
def test_a_side_that_only_misses_looks_ever_more_rarely(events):
    """Whatever came before: of any 1,000 prompt messages whose looks all miss, few are looked for."""
    poll = BusyPoll(0.000_1)
    for event in events:
        if event == "hit":
            poll.hits += 1
        elif event == "missed":
            poll.missed()
        else:
            poll.came(PROMPT_S if event == "prompt" else LATE_S)
    looks = 0
    for _ in range(1000):
        if poll.on:
            looks += 1
            poll.missed()
        poll.came(PROMPT_S)
    assert looks <= 12
