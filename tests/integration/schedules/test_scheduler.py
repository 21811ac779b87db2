"""Each slot once, on one node, on both databases."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from isp_plugins.db.tables import Schedule, ScheduleRun
from isp_plugins.schedules import Job, Scheduler
from isp_plugins.testing import FakeClock
from support.waiting import until

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


class Node:
    def __init__(self, database, name, *, cron="0 * * * *", lease_s=30.0):
        self.clock, self.runs, self.failures = FakeClock(NOON), [], []
        self.go, self.error = asyncio.Event(), None
        self.go.set()
        self.scheduler = Scheduler(
            database,
            node=name,
            clock=self.clock,
            jobs=lambda: [Job("tidy", cron, self.run)],
            failed=self.failed,
            lease_s=lease_s,
        )

    async def run(self, slot):
        self.runs.append((slot.planned_at.hour, slot.missed))
        await self.go.wait()
        if self.error:
            raise self.error

    async def failed(self, job, error, next_run):
        self.failures.append((job.name, error, next_run))

    async def look(self, *, hours=0):
        self.clock.advance(hours * 3600)
        await self.scheduler.look()
        await until(lambda: not self.scheduler._running or not self.go.is_set())


@pytest.fixture
async def node(database):
    made = Node(database, "one")
    yield made
    made.go.set()
    await made.scheduler.close()


async def test_schedule_that_is_new_makes_nothing_good(node):
    await node.look()
    assert node.runs == []


async def test_slot_is_run_once(node):
    await node.look()
    await node.look(hours=1)
    await node.look()
    assert node.runs == [(13, 0)]


async def test_missed_slots_are_run_once_after_an_outage(node):
    await node.look()
    await node.look(hours=5)
    assert node.runs == [(17, 4)]


async def test_clock_that_jumps_back_runs_nothing_twice(node):
    await node.look()
    await node.look(hours=2)
    node.clock.set_wall(NOON)
    await node.look()
    await node.look(hours=2)
    assert node.runs == [(14, 1)]
    await node.look(hours=1)
    assert node.runs == [(14, 1), (15, 0)]


async def test_runs_do_not_overlap(node):
    await node.look()
    node.go.clear()
    await node.look(hours=1)
    await node.look(hours=1)
    assert node.runs == [(13, 0)]
    node.go.set()
    await until(lambda: not node.scheduler._running)
    await node.look()
    assert node.runs == [(13, 0), (14, 0)]


async def test_one_of_many_nodes_runs_a_slot(database):
    nodes = [Node(database, name) for name in ("one", "two", "three")]
    for node in nodes:
        await node.look()
    for _ in range(3):
        await asyncio.gather(*(node.look(hours=1) for node in nodes))
    assert sorted(run for node in nodes for run in node.runs) == [(13, 0), (14, 0), (15, 0)]
    async with database.reading() as session:
        runs = (await session.scalars(select(ScheduleRun))).all()
    assert len(runs) == 3
    assert all(run.ended_at for run in runs)


async def test_run_whose_node_died_is_run_again_by_another(database, node):
    await node.look()
    node.go.clear()
    await node.look(hours=1)
    other = Node(database, "two")
    await other.look(hours=1)
    assert other.runs == []
    async with database.transaction() as session:
        await session.execute(update(Schedule).values(lease_until=0.0))
    await other.look()
    assert other.runs == [(13, 0)]


async def test_failure_is_told_and_not_repeated(node):
    await node.look()
    node.error = ValueError("no tax plugin")
    await node.look(hours=1)
    await node.look()
    assert node.runs == [(13, 0)]
    assert node.failures == [("tidy", "ValueError: no tax plugin", NOON + timedelta(hours=2))]
