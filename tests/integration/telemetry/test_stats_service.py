"""Statistics over minutes, hours, restarts, nodes, clocks that jump and databases that go away, on both databases."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import delete, select

from isp_plugins.db.engine import Database
from isp_plugins.db.tables.plugins import Plugin
from isp_plugins.db.tables.statistics import PluginLastRuns, PluginStatistics
from isp_plugins.telemetry.stats import Statistics, Window
from isp_plugins.testing import FakeClock
from support.counting import FakeEngine
from support.rows import add_plugin
from support.unreliable import SwitchedDatabase

MINUTE, HOUR = 60, 3600


class Host:
    """One node: an engine that counts what it is told, and statistics that look when they are told."""

    def __init__(self, database, clock, *, node="local", plugins=(1,), mask=None) -> None:
        self.engine = FakeEngine()
        self.plugins = list(plugins)
        options = {"mask": mask} if mask else {}
        self.statistics = Statistics(
            self.engine,
            database,
            node=node,
            clock=clock,
            interval=HOUR,
            plugins=lambda: self.plugins,
            **options,
        )

    def calls(self, window=Window.HOUR, name="calls"):
        self.statistics.collect()
        frame = self.statistics.window(window)
        return sum(getattr(tally, name) for key, tally in frame.items() if key.plugin_id)

    def lasts(self):
        lasts = self.statistics.material(Window.HOUR, dict.fromkeys(self.plugins, "mailer")).lasts
        return [last for key, last in lasts.items() if key.plugin_id]


@pytest.fixture
async def plugin_id(database: Database) -> int:
    return await add_plugin(database)


@pytest.fixture
async def host(database: Database, clock: FakeClock, plugin_id: int) -> AsyncIterator[Host]:
    host = Host(database, clock)
    await host.statistics.open()
    yield host
    await host.statistics.close()


async def again(database, clock, **options):
    """Another process on the same database."""
    host = Host(database, clock, **options)
    await host.statistics.open()
    return host


async def rows(database, resolution="minute"):
    async with database.reading() as session:
        found = await session.scalars(
            select(PluginStatistics).where(
                PluginStatistics.resolution == resolution, PluginStatistics.plugin_id.is_not(None)
            )
        )
        return list(found.all())


async def test_what_is_counted_shows_at_once(host):
    host.engine.called(calls=3)
    assert [host.calls(window) for window in Window] == [3, 3, 3]


async def test_windows_forget_what_is_too_old(host, clock):
    host.engine.called(calls=3)
    await host.statistics.tick()
    seen = []
    for pause in (5 * MINUTE, MINUTE, 54 * MINUTE, MINUTE, 24 * HOUR):
        clock.advance(pause)
        await host.statistics.tick()
        seen.append([host.calls(window) for window in Window])
    assert seen == [[3, 3, 3], [0, 3, 3], [0, 3, 3], [0, 0, 3], [0, 0, 0]]


async def test_each_minute_is_stored_when_it_is_over(host, clock, database):
    for calls in (2, 5):
        host.engine.called(calls=calls)
        clock.advance(MINUTE)
        await host.statistics.tick()
    stored = sorted(await rows(database), key=lambda row: row.at)
    assert [row.at for row in stored] == [
        clock.now() - timedelta(minutes=2),
        clock.now() - timedelta(minutes=1),
    ]


async def test_a_restart_in_good_order_loses_nothing(host, clock, database):
    host.engine.called(calls=2)
    clock.advance(MINUTE)
    await host.statistics.tick()
    host.engine.called(calls=5, took=[0.01])
    await host.statistics.close()
    restarted = await again(database, clock)
    restarted.engine.called(calls=1)
    assert [restarted.calls(window) for window in Window] == [8, 8, 8]
    await restarted.statistics.close()


async def test_a_killed_host_loses_only_the_minute_that_ran(host, clock, database):
    host.engine.called(calls=2)
    clock.advance(MINUTE)
    await host.statistics.tick()
    host.engine.called(calls=5)
    host.statistics.collect()
    restarted = await again(database, clock)
    assert restarted.calls() == 2
    await restarted.statistics.close()


async def test_a_day_is_restored_from_hours(host, clock, database):
    for _ in range(5):
        host.engine.called(calls=10)
        clock.advance(HOUR)
        await host.statistics.tick()
    assert len(await rows(database, "hour")) == 5
    restarted = await again(database, clock)
    assert [restarted.calls(window) for window in Window] == [0, 10, 50]
    clock.advance(21 * HOUR)
    assert restarted.calls(Window.DAY) == 30
    await restarted.statistics.close()


async def test_an_hour_that_nobody_summed_up_counts_all_the_same(host, clock, database):
    host.engine.called(calls=4)
    clock.advance(MINUTE)
    await host.statistics.tick()
    clock.advance(3 * HOUR)
    restarted = await again(database, clock)
    assert restarted.calls(Window.DAY) == 4
    assert len(await rows(database, "hour")) == 1
    await restarted.statistics.close()


async def test_minutes_are_kept_for_a_day_and_hours_for_thirty(host, clock, database):
    for _ in range(32):
        host.engine.called()
        clock.advance(24 * HOUR)
        await host.statistics.tick()
    assert len(await rows(database)) <= 2
    assert 29 <= len(await rows(database, "hour")) <= 31


@pytest.mark.parametrize(
    "jump", [timedelta(days=40), timedelta(days=-40), timedelta(minutes=17), timedelta(seconds=-90)]
)
async def test_a_clock_that_jumps_moves_no_count(host, clock, database, jump):
    host.engine.called(calls=3)
    clock.advance(MINUTE)
    await host.statistics.tick()
    clock.set_wall(clock.now() + jump)
    host.engine.called(calls=4)
    clock.advance(MINUTE)
    await host.statistics.tick()
    assert [host.calls(window) for window in Window] == [7, 7, 7]
    clock.advance(6 * MINUTE)
    await host.statistics.tick()
    assert [host.calls(window) for window in Window] == [0, 7, 7]


async def test_after_a_jump_the_rows_bear_the_new_time(host, clock, database):
    clock.set_wall(clock.now() + timedelta(days=3))
    host.engine.called()
    clock.advance(MINUTE)
    await host.statistics.tick()
    assert [row.at for row in await rows(database)] == [clock.now() - timedelta(minutes=1)]


async def test_a_reload_whose_counters_begin_anew_takes_nothing_away(host):
    host.engine.called(calls=100)
    host.statistics.collect()
    host.engine.begin_anew()
    host.engine.called(calls=2)
    assert host.calls() == 102


async def test_a_deleted_plugin_leaves_nothing(host, clock, database, plugin_id):
    host.engine.called(errors=1, error="ValueError: no", failed_at=1.0)
    clock.advance(MINUTE)
    await host.statistics.tick()
    async with database.transaction() as session:
        await session.execute(delete(Plugin).where(Plugin.id == plugin_id))
    host.plugins.clear()
    assert [host.calls(window) for window in Window] == [0, 0, 0]
    assert await rows(database) == []
    clock.advance(MINUTE)
    await host.statistics.tick()
    assert [key for key in host.statistics.totals if key.plugin_id] == []


async def test_a_plugin_deleted_before_its_minute_was_stored_stops_nothing(host, clock, database, plugin_id):
    other = await add_plugin(database, "other")
    host.plugins.append(other)
    host.engine.called(plugin_id)
    host.engine.called(other)
    async with database.transaction() as session:
        await session.execute(delete(Plugin).where(Plugin.id == plugin_id))
    clock.advance(MINUTE)
    await host.statistics.tick()
    assert [row.plugin_id for row in await rows(database)] == [other]


async def test_nodes_are_added_up(host, clock, database):
    other = await again(database, clock, node="second")
    host.engine.called(calls=3)
    other.engine.called(calls=4)
    clock.advance(MINUTE)
    await other.statistics.tick()
    await host.statistics.tick()
    assert host.calls() == 7
    assert host.statistics.nodes == ["local", "second"]
    clock.advance(MINUTE)
    await host.statistics.tick()
    assert host.calls() == 7
    await other.statistics.close()


async def test_another_node_is_learned_at_the_start_too(host, clock, database):
    host.engine.called(calls=3, ran_at=50.0)
    clock.advance(MINUTE)
    await host.statistics.tick()
    other = await again(database, clock, node="second")
    assert other.calls() == 3
    assert [last.ran_at for last in other.lasts()] == [50.0]
    await other.statistics.close()


async def test_last_run_and_last_error_survive_a_restart(host, clock, database):
    host.engine.called(errors=1, error="ValueError: no", failed_at=90.0, ran_at=91.0)
    clock.advance(MINUTE)
    await host.statistics.tick()
    clock.advance(40 * 24 * HOUR)
    restarted = await again(database, clock)
    assert [(last.ran_at, last.error, last.failed_at) for last in restarted.lasts()] == [
        (91.0, "ValueError: no", 90.0)
    ]
    await restarted.statistics.close()


async def test_secrets_in_an_error_are_masked_before_they_are_stored(database, clock, plugin_id):
    host = await again(database, clock, mask=lambda _plugin_id, text: text.replace("hunter2", "********"))
    host.engine.called(errors=1, error="ValueError: hunter2", failed_at=90.0)
    await host.statistics.close()
    async with database.reading() as session:
        bodies = (await session.scalars(select(PluginLastRuns.body))).all()
    assert len(bodies) == 1
    assert b"hunter2" not in bodies[0]


async def test_minutes_wait_for_a_database_that_cannot_store(database, clock, plugin_id):
    unreliable = SwitchedDatabase(database)
    host = await again(unreliable, clock)
    unreliable.is_on = False
    for _ in range(3):
        host.engine.called(calls=2)
        clock.advance(MINUTE)
        await host.statistics.tick()
    unreliable.is_on = True
    await host.statistics.tick()
    assert len(await rows(database)) == 3
    assert host.calls() == 6
    await host.statistics.close()


async def test_waiting_minutes_are_bounded_and_counted(database, clock, plugin_id):
    unreliable = SwitchedDatabase(database)
    host = await again(unreliable, clock)
    unreliable.is_on = False
    for _ in range(70):
        host.engine.called()
        clock.advance(MINUTE)
        await host.statistics.tick()
    assert host.statistics.lost_minutes == 10
    await host.statistics.close()
