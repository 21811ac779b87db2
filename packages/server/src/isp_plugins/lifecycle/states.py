"""The states of a plugin's instance on one node, and every transition there is, as one pure table.

1. What the table does not name cannot happen; an operator's request for it is refused with the states it expects.
2. `desired` is not a state: it is what was asked for last, and it alone decides what a fresh start does.
3. A state left behind by a killed host says nothing about now: `after_restart` resolves it, and `desired` decides what starts.
4. Quarantine survives restarts of the host; one try after its pause ends it, if that works, or the operator's enable or disable.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from isp_plugins.contracts.vocabulary import Desired, State
from isp_plugins.lifecycle.errors import WrongStateError


class Step(StrEnum):
    """What moves a plugin from one state to another."""

    ENABLE = "enable"
    """The operator, a start or a recovery begins to bring it up."""
    STARTED = "started"
    """It runs and is subscribed."""
    REFUSE = "refuse"
    """It cannot even be tried, because something that it needs is not there."""
    FAIL = "fail"
    """It could not start, or died."""
    RELOAD = "reload"
    """A new instance takes the place of the old one."""
    STAND_BY = "stand_by"
    """Another node runs it, and only one may."""
    DISABLE = "disable"
    """The operator takes it down."""
    STOPPED = "stopped"
    """It was unsubscribed, drained and cleaned up."""
    QUARANTINE = "quarantine"
    """It did too much harm, or was restarted too often: it is left alone until its one try, or the operator."""


def _table() -> dict[tuple[State, Step], State]:
    resting = (
        State.REGISTERED,
        State.INSTALLED,
        State.DISABLED,
        State.FAILED,
        State.QUARANTINED,
        State.STANDBY,
    )
    return {
        **{(state, Step.ENABLE): State.ENABLING for state in resting},
        **{(state, Step.REFUSE): State.FAILED for state in resting if state is not State.QUARANTINED},
        **{(state, Step.STAND_BY): State.STANDBY for state in (*resting, State.ENABLING, State.ACTIVE)},
        (State.ENABLING, Step.STARTED): State.ACTIVE,
        (State.ENABLING, Step.FAIL): State.FAILED,
        (State.ACTIVE, Step.FAIL): State.FAILED,
        (State.ACTIVE, Step.RELOAD): State.ACTIVE,
        **{
            (state, Step.DISABLE): State.DISABLING
            for state in (State.ACTIVE, State.FAILED, State.QUARANTINED, State.STANDBY)
        },
        (State.DISABLING, Step.STOPPED): State.DISABLED,
        (State.ACTIVE, Step.QUARANTINE): State.QUARANTINED,
        (State.FAILED, Step.QUARANTINE): State.QUARANTINED,
        (State.ENABLING, Step.QUARANTINE): State.QUARANTINED,
    }


TRANSITIONS: Mapping[tuple[State, Step], State] = MappingProxyType(_table())

RUNNING = frozenset({State.ENABLING, State.ACTIVE})
"""States in which a plugin relies on the plugins it requires."""

NEVER_LOADED = frozenset({State.REGISTERED, State.INSTALLED})

_ENABLE_IT = "isp-plugins enable {name} (POST /api/v1/plugins/{plugin_id}/enable)"
_LOOK = "look at its state with isp-plugins show {name} (GET /api/v1/plugins/{plugin_id})"
_NEXT_STEP: Mapping[Step, str] = MappingProxyType(
    {
        Step.RELOAD: _ENABLE_IT,
        Step.DISABLE: "nothing, it does not run",
        Step.ENABLE: "wait until the operation under way has ended, then look at its state",
    }
)


def move(state: State, step: Step) -> State | None:
    """The state that the step leads to, or None where there is no such transition."""
    return TRANSITIONS.get((state, step))


def expected_for(step: Step) -> tuple[State, ...]:
    """The states in which the step is possible, in the order of the vocabulary."""
    return tuple(state for state in State if (state, step) in TRANSITIONS)


def require(state: State, step: Step, *, name: str, plugin_id: int) -> State:
    """The state that the step leads to; `WrongStateError` (409) with the expected states and the next step where there is none."""
    if (target := move(state, step)) is not None:
        return target
    next_step = _NEXT_STEP.get(step, _LOOK).format(name=name, plugin_id=plugin_id)
    expected = " or ".join(expected_for(step))
    raise WrongStateError(
        name=name,
        plugin_id=plugin_id,
        state=state.value,
        operation=step.value,
        expected=expected,
        next_step=next_step,
    )


def not_active(state: State, operation: str, *, name: str, plugin_id: int) -> WrongStateError:
    """The refusal of what only an active plugin can do."""
    next_step = _ENABLE_IT.format(name=name, plugin_id=plugin_id)
    return WrongStateError(
        name=name,
        plugin_id=plugin_id,
        state=state.value,
        operation=operation,
        expected=State.ACTIVE.value,
        next_step=next_step,
    )


def after_restart(state: State) -> State:
    """What a state that the last run left behind means now that nothing runs yet."""
    return state if state in NEVER_LOADED or state in {State.FAILED, State.QUARANTINED} else State.DISABLED


def wants_start(state: State, desired: Desired) -> bool:
    """Whether a starting node brings the plugin up."""
    return desired is Desired.ENABLED and state is not State.QUARANTINED
