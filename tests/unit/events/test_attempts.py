"""Attempts that are under way are known after the process that made them was killed."""

from types import SimpleNamespace

import pytest

from isp_plugins.events.attempts import SLOT, SLOTS, Attempts
from isp_plugins.events.retries import Tried


def row(event_id, uid="a" * 32):
    return SimpleNamespace(id=event_id, uid=uid)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "attempts"


def test_attempt_under_way_is_known_to_the_next_process(file):
    Attempts(file).begin(3, row(7), Tried())
    assert Attempts(file).left(3, row(7)) == Tried(1, 1)
    assert Attempts(file).left(3, row(8)) is None
    assert Attempts(file).left(4, row(7)) is None


def test_attempt_that_has_ended_is_forgotten(file):
    attempts = Attempts(file)
    attempts.begin(3, row(7), Tried())
    attempts.end(3, 7, 1)
    assert Attempts(file).left(3, row(7)) is None


def test_success_that_is_not_written_yet_is_an_attempt_and_no_failure(file):
    attempts = Attempts(file)
    attempts.begin(3, row(7), Tried(2, 1))
    attempts.succeeded(3, row(7), Tried(2, 1))
    assert Attempts(file).left(3, row(7)) == Tried(3, 1)


def test_each_process_that_dies_adds_one(file):
    for number in range(1, 5):
        attempts = Attempts(file)
        attempts.begin(3, row(7), attempts.left(3, row(7)) or Tried())
        assert Attempts(file).left(3, row(7)) == Tried(number, number)


def test_what_was_left_stays_until_it_is_written(file):
    Attempts(file).begin(3, row(7), Tried(4, 2))
    Attempts(file)  # died before it tried again
    again = Attempts(file)
    assert again.left(3, row(7)) == Tried(5, 3)
    again.end(3, 7, 5)
    assert Attempts(file).left(3, row(7)) is None


def test_end_of_an_earlier_attempt_leaves_the_one_under_way(file):
    attempts = Attempts(file)
    attempts.begin(3, row(7), Tried())
    attempts.begin(3, row(7), Tried(1, 1))
    attempts.end(3, 7, 1)
    assert Attempts(file).left(3, row(7)) == Tried(2, 2)


def test_another_event_with_the_same_id_was_not_tried(file):
    """A database that was put back gives ids again."""
    Attempts(file).begin(3, row(7), Tried())
    assert Attempts(file).left(3, row(7, uid="b" * 32)) is None


def test_torn_note_counts_as_none(file):
    Attempts(file).begin(3, row(7), Tried())
    content = bytearray(file.read_bytes())
    place = next(start for start in range(0, len(content), SLOT) if any(content[start : start + SLOT]))
    content[place + 20] ^= 1
    file.write_bytes(content)
    assert Attempts(file).left(3, row(7)) is None


def test_file_grows_with_what_is_under_way(file):
    attempts = Attempts(file)
    for event_id in range(SLOTS * 3):
        attempts.begin(1, row(event_id), Tried())
    after = Attempts(file)
    assert all(after.left(1, row(event_id)) == Tried(1, 1) for event_id in range(SLOTS * 3))


def test_what_is_settled_by_now_is_forgotten(file):
    attempts = Attempts(file)
    for event_id in (5, 6, 7):
        attempts.begin(1, row(event_id), Tried())
    after = Attempts(file)
    after.settled(1, 6, {6})
    assert [after.left(1, row(event_id)) is not None for event_id in (5, 6, 7)] == [False, True, True]


def test_without_a_file_nothing_is_left():
    Attempts().begin(3, row(7), Tried())
    assert Attempts().left(3, row(7)) is None
