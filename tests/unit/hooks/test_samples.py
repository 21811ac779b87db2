"""Reservoirs: bounded, complete while there is room, and uniform afterwards."""

from isp_plugins.hooks.samples import SIZE, Reservoir


def filled(count):
    reservoir = Reservoir()
    for number in range(count):
        reservoir.append(number)
    return reservoir


def test_everything_is_kept_while_there_is_room():
    assert filled(SIZE).take() == list(range(SIZE))


def test_never_more_than_its_size_is_kept():
    assert len(filled(10 * SIZE)) == SIZE


def test_taking_begins_a_new_sample():
    reservoir = filled(5)
    reservoir.take()
    reservoir.append("next")
    assert reservoir.take() == ["next"]


def test_early_and_late_ones_are_kept_alike():
    kept = [number for _ in range(40) for number in filled(4 * SIZE).take()]
    early = sum(number < 2 * SIZE for number in kept) / len(kept)
    assert 0.45 < early < 0.55  # 10,240 draws: twenty standard deviations
