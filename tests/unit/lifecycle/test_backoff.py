"""The pause between tries."""

from hypothesis import given
from hypothesis import strategies as st

from isp_plugins.lifecycle.backoff import pause

ROLLS = st.floats(0, 1)


def test_pause_doubles_up_to_the_longest() -> None:
    assert [pause(failures, shortest=1, longest=60, roll=0.5) for failures in (1, 2, 3, 7, 100)] == [
        1,
        2,
        4,
        60,
        60,
    ]


@given(st.integers(0, 10_000), ROLLS)
def test_jitter_stays_within_its_bounds(failures: int, roll: float) -> None:
    assert 0.8 <= pause(failures, shortest=1, longest=60, roll=roll) <= 60
