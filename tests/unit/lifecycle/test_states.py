"""The table of states: what leads where, and what a restart makes of what it finds."""

import pytest

from isp_plugins.contracts.vocabulary import Desired, State
from isp_plugins.lifecycle.errors import WrongStateError
from isp_plugins.lifecycle.states import (
    TRANSITIONS,
    Step,
    after_restart,
    expected_for,
    move,
    require,
    wants_start,
)


def test_every_state_can_be_left() -> None:
    assert {state for state, _ in TRANSITIONS} == set(State)


def test_every_state_but_the_first_two_can_be_reached() -> None:
    assert set(TRANSITIONS.values()) == set(State) - {State.REGISTERED, State.INSTALLED}


def test_only_an_active_plugin_is_reloaded() -> None:
    assert expected_for(Step.RELOAD) == (State.ACTIVE,)


def test_quarantined_plugin_is_enabled_by_the_operator() -> None:
    assert move(State.QUARANTINED, Step.ENABLE) is State.ENABLING


def test_wrong_state_names_what_was_expected_and_the_next_step() -> None:
    with pytest.raises(
        WrongStateError,
        match=r"mailer is disabled; to reload it, it must be active.*POST /api/v1/plugins/7/enable",
    ):
        require(State.DISABLED, Step.RELOAD, name="mailer", plugin_id=7)


@pytest.mark.parametrize("state", [State.ENABLING, State.ACTIVE, State.DISABLING])
def test_nothing_runs_after_a_restart(state: State) -> None:
    assert after_restart(state) is State.DISABLED


@pytest.mark.parametrize(
    "state", [State.REGISTERED, State.INSTALLED, State.FAILED, State.QUARANTINED, State.DISABLED]
)
def test_resting_states_survive_a_restart(state: State) -> None:
    assert after_restart(state) is state


def test_quarantine_is_not_started_again() -> None:
    assert not wants_start(State.QUARANTINED, Desired.ENABLED)
    assert wants_start(State.FAILED, Desired.ENABLED)
    assert not wants_start(State.DISABLED, Desired.DISABLED)
