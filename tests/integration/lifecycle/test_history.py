"""The health history on real databases: what is kept, how much of it, and what a broken database does to it."""

from collections.abc import AsyncIterator

import pytest

from isp_plugins.contracts.vocabulary import HealthEvent, HealthStatus
from isp_plugins.db.engine import Database
from isp_plugins.keyring import KeyRing
from isp_plugins.lifecycle.history import HealthHistory
from isp_plugins.settings import Settings
from isp_plugins.testing import FakeClock
from support.fakes_lifecycle import ADA, House

ANSWERED, MISSED = HealthEvent.ANSWERED, HealthEvent.MISSED
HEALTHY, UNHEALTHY = HealthStatus.HEALTHY, HealthStatus.UNHEALTHY
CHECK = {"name": "peer", "status": "pass", "message": "fine"}


@pytest.fixture
async def house(
    database: Database, keyring: KeyRing, clock: FakeClock, settings: Settings
) -> AsyncIterator[House]:
    house = House(database, keyring, clock, settings)
    yield house
    await house.manager.close()


@pytest.fixture
async def plugin_id(house: House) -> int:
    return (await house.register()).id


def history(house: House, *, size: int = 5, node: str = "one") -> HealthHistory:
    return HealthHistory(house.database, node=node, clock=house.clock, size=size)


async def test_same_finding_again_makes_its_entry_longer(house: House, plugin_id: int) -> None:
    kept = history(house)
    began = house.clock.now()
    for number in range(3):
        kept.add(
            plugin_id, ANSWERED, HEALTHY, checks=[CHECK | {"message": f"{number} ms"}], duration_ms=number
        )
        await kept.flush()
        house.clock.advance(30)
    (entry,) = (await kept.page(plugin_id, page=1, size=50)).items
    assert (entry.times, entry.at, (entry.last_at - began).total_seconds()) == (3, began, 60)
    assert (entry.checks, entry.duration_ms) == (({**CHECK, "message": "2 ms"},), 2)


async def test_new_finding_is_a_new_entry_and_the_newest_comes_first(house: House, plugin_id: int) -> None:
    kept = history(house)
    for event, status in ((ANSWERED, HEALTHY), (MISSED, HEALTHY), (MISSED, UNHEALTHY), (ANSWERED, HEALTHY)):
        kept.add(plugin_id, event, status)
        house.clock.advance(30)
    page = await kept.page(plugin_id, page=1, size=2)
    assert [(entry.event, entry.status) for entry in page.items] == [(ANSWERED, HEALTHY), (MISSED, UNHEALTHY)]
    assert (page.total, page.pages) == (4, 2)


@pytest.mark.parametrize("flush", [True, False])
async def test_only_the_last_entries_are_kept(house: House, plugin_id: int, flush: bool) -> None:
    kept = history(house, size=3)
    for number in range(8):
        kept.add(plugin_id, HealthEvent.FAILED, UNHEALTHY, f"{number}")
        house.clock.advance(1)
        if flush:
            await kept.flush()
    page = await kept.page(plugin_id, page=1, size=50)
    assert [entry.message for entry in page.items] == ["7", "6", "5"]


async def test_next_run_adds_to_what_the_last_one_left(house: House, plugin_id: int) -> None:
    for run in range(3):
        kept = history(house)
        kept.add(plugin_id, HealthEvent.FAILED, UNHEALTHY, f"run {run}")
        house.clock.advance(1)
        await kept.close()
    page = await history(house).page(plugin_id, page=1, size=50)
    assert [entry.message for entry in page.items] == ["run 2", "run 1", "run 0"]


async def test_each_node_keeps_its_own(house: House, plugin_id: int) -> None:
    for node in ("one", "two"):
        kept = history(house, size=1, node=node)
        for _ in range(2):
            kept.add(plugin_id, HealthEvent.FAILED, UNHEALTHY)
        await kept.flush()
    page = await history(house).page(plugin_id, page=1, size=50)
    assert [entry.node for entry in page.items] == ["one", "two"]


async def test_deleted_plugin_takes_its_history_along(house: House, plugin_id: int) -> None:
    other = (await house.register("other")).id
    kept = house.manager._stage.history
    for each in (plugin_id, other):
        kept.add(each, HealthEvent.FAILED, UNHEALTHY)
    await kept.flush()
    kept.add(plugin_id, HealthEvent.FAILED, UNHEALTHY)
    await house.manager.delete(plugin_id, ADA)
    kept.add(plugin_id, HealthEvent.FAILED, UNHEALTHY)  # a probe that ended late
    kept.add(other, HealthEvent.FAILED, UNHEALTHY)
    await kept.flush()
    assert (await kept.page(plugin_id, page=1, size=50)).total == 0
    assert (await kept.page(other, page=1, size=50)).total == 2


async def test_entries_wait_for_a_database_that_is_gone(
    house: House, plugin_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = history(house)
    kept.add(plugin_id, HealthEvent.FAILED, UNHEALTHY, "before")

    def gone() -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(house.database, "transaction", gone)
        with pytest.raises(OSError, match="full"):
            await kept.flush()
    house.clock.advance(1)
    kept.add(plugin_id, HealthEvent.FAILED, UNHEALTHY, "after")
    page = await kept.page(plugin_id, page=1, size=50)
    assert [entry.message for entry in page.items] == ["after", "before"]


async def test_life_of_a_plugin_is_in_its_history(house: House) -> None:
    plugin = await house.enabled("other")
    await house.manager.health(plugin.id)
    page = await house.manager.health_history(plugin.id)
    assert {entry.event for entry in page.items} == {HealthEvent.STARTED, ANSWERED}
