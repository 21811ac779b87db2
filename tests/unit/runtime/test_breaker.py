"""The circuit breaker against its rules, and against a model that sees every call."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from isp_plugins.contracts.vocabulary import BreakerState
from isp_plugins.runtime.breaker import Breaker, BreakerLimits

LIMITS = BreakerLimits(failures=3, pause_s=30.0)


def after_failures(count: int, *, successes: int = 0, now: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(count):
        breaker = breaker.failed(now, successes, LIMITS)
    return breaker


def test_enough_failures_in_a_row_open_it() -> None:
    assert after_failures(2).state is BreakerState.CLOSED
    assert after_failures(3).state is BreakerState.OPEN


def test_success_in_between_begins_the_count_anew() -> None:
    breaker = after_failures(2, successes=5).failed(0, 6, LIMITS)
    assert (breaker.state, breaker.failures) == (BreakerState.CLOSED, 1)


def test_it_is_open_for_its_pause_and_then_half_open() -> None:
    breaker = after_failures(3, now=100.0)
    assert breaker.looked_at(129.9, 0, LIMITS).state is BreakerState.OPEN
    assert breaker.looked_at(130.0, 0, LIMITS).state is BreakerState.HALF_OPEN


def test_what_still_fails_while_it_is_open_does_not_lengthen_the_pause() -> None:
    breaker = after_failures(3, now=100.0)
    assert breaker.failed(120.0, 0, LIMITS) == breaker


def test_try_that_goes_well_closes_it() -> None:
    breaker = after_failures(3).looked_at(30.0, 7, LIMITS)
    assert breaker.looked_at(31.0, 7, LIMITS).state is BreakerState.HALF_OPEN
    assert breaker.looked_at(31.0, 8, LIMITS) == Breaker(successes=8, since=31.0)


def test_try_that_fails_opens_it_for_another_pause() -> None:
    breaker = after_failures(3).looked_at(30.0, 7, LIMITS).failed(31.0, 7, LIMITS)
    assert (breaker.state, breaker.since, breaker.failures) == (BreakerState.OPEN, 31.0, 4)


def test_look_at_a_closed_one_changes_nothing() -> None:
    assert after_failures(2).looked_at(999.0, 99, LIMITS) == after_failures(2)


class Calls(RuleBasedStateMachine):
    """Calls as they end, one after the other; the model keeps the row of failures and the state by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker()
        self.now = 0.0
        self.successes = 0
        self.row = 0
        self.opened_at: float | None = None
        self.trying = False

    @property
    def is_called(self) -> bool:
        return self.opened_at is None or self.trying

    @rule(seconds=st.sampled_from([0.0, 1.0, 29.0, 30.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.breaker = self.breaker.looked_at(self.now, self.successes, LIMITS)
        if self.opened_at is not None and self.now - self.opened_at >= LIMITS.pause_s:
            self.trying = True

    @precondition(lambda self: self.is_called)
    @rule()
    def succeed(self) -> None:
        self.successes += 1
        self.breaker = self.breaker.looked_at(self.now, self.successes, LIMITS)
        self.row, self.opened_at, self.trying = 0, None, False

    @precondition(lambda self: self.is_called)
    @rule()
    def fail(self) -> None:
        self.breaker = self.breaker.failed(self.now, self.successes, LIMITS)
        self.row += 1
        if self.trying or self.row >= LIMITS.failures:
            self.opened_at, self.trying = self.now, False

    @invariant()
    def states_agree(self) -> None:
        expected = BreakerState.CLOSED
        if self.opened_at is not None:
            expected = BreakerState.HALF_OPEN if self.trying else BreakerState.OPEN
        assert self.breaker.state is expected


Calls.TestCase.settings = settings(max_examples=100, stateful_step_count=40)
TestBreakerAgainstModel = Calls.TestCase
