"""Deaths on both databases: written and read back as they were, bounded, and gone with their plugin."""

from datetime import UTC, datetime

import pytest

from isp_plugins.contracts.worker import Death, DeathReason, ResourceUse
from isp_plugins.db.engine import Database
from isp_plugins.keyring import KeyRing
from isp_plugins.lifecycle.deaths import Deaths
from isp_plugins.settings import Settings
from isp_plugins.testing import FakeClock
from support.fakes_lifecycle import ADA, House

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def death(plugin_id: int, number: int = 0) -> Death:
    return Death(
        plugin_id=plugin_id,
        plugin_name="mailer",
        version="1.0.0",
        pid=4711 + number,
        started_at=NOW,
        died_at=NOW,
        reason=DeathReason.SIGNALLED,
        exit_code=None,
        signal="SIGSEGV",
        detail="…",
        log_tail=("one", "two"),
        usage=ResourceUse(0.5, 2**40, 1, 2),
    )


@pytest.fixture
def deaths(database: Database, clock: FakeClock) -> Deaths:
    return Deaths(database, node="local", clock=clock, size=3)


@pytest.fixture
async def plugin_id(database: Database, keyring: KeyRing, clock: FakeClock, settings: Settings) -> int:
    house = House(database, keyring, clock, settings)
    return (await house.register()).id


async def test_what_is_read_is_what_was_written(deaths: Deaths, plugin_id: int) -> None:
    await deaths.store(death(plugin_id))
    page = await deaths.page(plugin_id, page=1, size=10)
    assert list(page.items) == [death(plugin_id)]


async def test_the_last_of_each_plugin_are_kept(deaths: Deaths, plugin_id: int) -> None:
    for number in range(5):
        await deaths.store(death(plugin_id, number))
    page = await deaths.page(plugin_id, page=1, size=2)
    assert ([one.pid for one in page.items], page.total) == ([4715, 4714], 3)


async def test_they_go_with_their_plugin_and_none_comes_after_it(
    deaths: Deaths,
    plugin_id: int,
    database: Database,
    keyring: KeyRing,
    clock: FakeClock,
    settings: Settings,
) -> None:
    await deaths.store(death(plugin_id))
    house = House(database, keyring, clock, settings)
    await house.manager.load()
    await house.manager.delete(plugin_id, ADA)
    await deaths.store(death(plugin_id))
    assert (await deaths.page(plugin_id, page=1, size=10)).total == 0


def test_counts_are_by_plugin_and_reason(deaths: Deaths, plugin_id: int) -> None:
    for number in (plugin_id, plugin_id, plugin_id + 1):
        deaths.notice(death(number))
    assert deaths.of(plugin_id) == {"signalled": 2}
    deaths.forget(plugin_id)
    assert (deaths.of(plugin_id), deaths.of(plugin_id + 1)) == ({}, {"signalled": 1})
