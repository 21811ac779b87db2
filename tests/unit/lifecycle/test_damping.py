"""What is told of a plugin's health: a chain without gaps, not too often, and in the end the truth."""

from hypothesis import given
from hypothesis import strategies as st

from isp_plugins.contracts.vocabulary import HealthStatus
from isp_plugins.lifecycle.damping import Flapping, Telling, Told

LIMITS = Flapping(most=3, window_s=600.0)
HEALTHY, UNHEALTHY, UNKNOWN = HealthStatus.HEALTHY, HealthStatus.UNHEALTHY, HealthStatus.UNKNOWN


def seen(*looks: tuple[float, HealthStatus]) -> list[Telling | None]:
    told, tellings = Told(), []
    for now, status in looks:
        told, telling = told.saw(status, now, LIMITS)
        tellings.append(telling)
    return tellings


def test_change_is_told_at_once() -> None:
    assert seen((0, HEALTHY), (1, UNHEALTHY)) == [Telling(UNKNOWN, HEALTHY), Telling(HEALTHY, UNHEALTHY)]


def test_same_again_is_not_told() -> None:
    assert seen((0, HEALTHY), (1, HEALTHY)) == [Telling(UNKNOWN, HEALTHY), None]


def test_flapping_is_not_told_until_it_has_calmed_down() -> None:
    tellings = seen(
        (0, HEALTHY), (1, UNHEALTHY), (2, HEALTHY), (3, UNHEALTHY), (4, UNHEALTHY), (602, UNHEALTHY)
    )
    assert tellings[3:] == [None, None, Telling(HEALTHY, UNHEALTHY)]


def test_flapping_that_ends_where_it_began_is_not_told_at_all() -> None:
    tellings = seen((0, HEALTHY), (1, UNHEALTHY), (2, HEALTHY), (3, UNHEALTHY), (4, HEALTHY), (700, HEALTHY))
    assert tellings[3:] == [None, None, None]


looks = st.lists(st.tuples(st.floats(0.0, 300.0), st.sampled_from(list(HealthStatus))), max_size=60)


@given(looks)
def test_what_is_told_is_a_chain_that_ends_in_the_truth(steps: list[tuple[float, HealthStatus]]) -> None:
    now, told, chain = 0.0, Told(), [UNKNOWN]
    moments: list[float] = []
    last = UNKNOWN
    for pause, status in steps:
        now, last = now + pause, status
        told, telling = told.saw(status, now, LIMITS)
        if telling is not None:
            assert telling.old is chain[-1]
            assert telling.new is status
            assert telling.new is not telling.old
            chain.append(telling.new)
            moments.append(now)
    told, _ = told.saw(last, now + LIMITS.window_s + 1, LIMITS)
    assert told.told is last
    for moment in moments:
        assert sum(moment - LIMITS.window_s < other <= moment for other in moments) <= LIMITS.most + 1
