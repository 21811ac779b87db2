"""The rules over values: streaks, hold time, loss, and that no order of results makes a device change more often than they allow."""

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


@pytest.fixture
def rules(load: Any) -> Any:
    return load("damping")


def run(d: Any, results: str, *, step: float = 10.0, **limits: Any) -> Any:
    """The state after these results, a step apart: `+` an answer, `-` none, `?` not tried."""
    kinds = {"+": d.Result(d.Kind.REACHED, 1.0), "-": d.Result(d.Kind.MISSED), "?": d.Result(d.Kind.UNTRIED)}
    state = d.State()
    for number, result in enumerate(results):
        state = d.observe(state, kinds[result], 1000 + number * step, d.Rules(**limits))
    return state


@pytest.mark.parametrize(
    ("results", "status"),
    [
        ("", "unknown"), ("+", "up"), ("-", "unknown"), ("--", "unknown"), ("---", "down"), ("+--", "up"), ("+---", "down"),
        ("+--+--", "up"), ("---+", "down"), ("---++", "up"), ("---+-+", "down"), ("???", "unknown"), ("+-?--", "down"),
    ],
)  # fmt: skip
def test_streaks_change_the_status(rules: Any, results: str, status: str) -> None:
    assert run(rules, results, hold_seconds=0).status == status


def test_since_is_when_the_streak_began(rules: Any) -> None:
    assert run(rules, "+---", hold_seconds=0).since == 1010


def test_status_is_held(rules: Any) -> None:
    assert run(rules, "+" + "-" * 5, hold_seconds=60).status == "up"
    assert run(rules, "+" + "-" * 6, hold_seconds=60).status == "down"


def test_loss_counts_the_last_probes(rules: Any) -> None:
    assert run(rules, "+-", hold_seconds=0).loss == 50
    assert run(rules, "-" * 20 + "+" * 20, hold_seconds=0).loss == 0


def test_clock_set_back_does_not_hold_for_ever(rules: Any) -> None:
    state = rules.State(status=rules.Status.UP, held_until=10_000)
    limits = rules.Rules(failures_down=1, hold_seconds=30)
    later = rules.observe(state, rules.Result(rules.Kind.MISSED), 100, limits)
    assert later.status == "up"
    later = rules.observe(
        rules.State(**{**{name: getattr(later, name) for name in later.__slots__}, "held_until": 130}),
        rules.Result(rules.Kind.MISSED),
        131,
        limits,
    )
    assert later.status == "down"


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)  # on a busy machine
@given(st.text("+-?", max_size=200), st.integers(1, 4), st.integers(1, 4), st.integers(0, 100))
def test_changes_are_at_least_the_hold_time_apart(
    load: Any, results: str, failures: int, successes: int, hold: int
) -> None:
    d = load("damping")
    kinds = {"+": d.Result(d.Kind.REACHED, 1.0), "-": d.Result(d.Kind.MISSED), "?": d.Result(d.Kind.UNTRIED)}
    limits = d.Rules(failures_down=failures, successes_up=successes, hold_seconds=hold)
    state, changed = d.State(), []
    for number, result in enumerate(results):
        after = d.observe(state, kinds[result], 1000.0 + number, limits)
        if after.status is not state.status:
            changed.append(1000.0 + number)
            wanted = "+" if after.status == "up" else "-"
            needed = failures if wanted == "-" else 1 if state.status == "unknown" else successes
            tried = [one for one in results[: number + 1] if one != "?"]
            assert tried[-needed:] == [wanted] * needed
        state = after
    assert all(later - earlier >= hold for earlier, later in itertools.pairwise(changed))


def test_state_survives_storage(rules: Any) -> None:
    state = run(rules, "+---", hold_seconds=0)
    again = rules.State.load(state.dump())
    assert (again.status, again.since, again.reported) == (state.status, state.since, state.reported)
