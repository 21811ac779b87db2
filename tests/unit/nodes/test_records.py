"""Who is missed, and for how long a node holds what it leased."""

import pytest

from isp_plugins.nodes.records import Node, NodeState, Pace, Watched


def node(name: str = "b", *, beats: int = 1, incarnation: str = "1", seen_at: float = 0.0) -> Node:
    return Node(
        name=name,
        incarnation=incarnation,
        version="0.1",
        revision="0001",
        address="",
        state=NodeState.ALIVE,
        started_at=0.0,
        seen_at=seen_at,
        beats=beats,
        now=0.0,
    )


@pytest.mark.parametrize("lost_after", [0.3, 6.0, 60.0])
@pytest.mark.parametrize("heartbeat", [0.05, 2.0, 20.0])
def test_a_node_gives_up_what_it_holds_before_others_take_it(heartbeat: float, lost_after: float) -> None:
    pace = Pace(heartbeat, lost_after)
    assert pace.beat < pace.held < pace.lost_after
    assert pace.held + pace.grace == pytest.approx(pace.lost_after)


def test_a_node_is_missed_after_the_limit_without_a_new_heartbeat() -> None:
    watched = Watched()
    assert watched.silent([node()], 100.0, 6.0) == []
    assert watched.silent([node()], 105.9, 6.0) == []
    assert watched.silent([node()], 106.0, 6.0) == [node()]


def test_a_new_heartbeat_begins_the_limit_anew() -> None:
    watched = Watched()
    watched.silent([node(beats=1)], 100.0, 6.0)
    watched.silent([node(beats=2)], 105.0, 6.0)
    assert watched.silent([node(beats=2)], 110.9, 6.0) == []
    assert watched.silent([node(beats=2)], 111.0, 6.0) == [node(beats=2)]


def test_a_wall_clock_that_jumps_makes_nobody_missed() -> None:
    watched = Watched()
    watched.silent([node(beats=1, seen_at=1_000.0)], 100.0, 6.0)
    assert watched.silent([node(beats=2, seen_at=-9_000.0)], 102.0, 6.0) == []
    assert watched.silent([node(beats=3, seen_at=90_000.0)], 104.0, 6.0) == []


def test_another_process_of_the_name_is_watched_anew() -> None:
    watched = Watched()
    watched.silent([node(incarnation="1")], 100.0, 6.0)
    assert watched.silent([node(incarnation="2")], 106.0, 6.0) == []


def test_a_node_that_was_away_for_a_while_is_watched_anew() -> None:
    watched = Watched()
    watched.silent([node()], 100.0, 6.0)
    watched.silent([], 103.0, 6.0)
    assert watched.silent([node()], 106.0, 6.0) == []


def test_the_node_that_answers_is_not_silent() -> None:
    shown = {own: node(seen_at=-9.0).to_dict(own=own)["silent_s"] for own in ("1", "2")}
    assert shown == {"1": 0.0, "2": 9.0}
