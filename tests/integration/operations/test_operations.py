"""Operations on real databases: begun, followed, cancelled, interrupted, recovered, forgotten."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from isp_plugins.actors import Actor, ActorType
from isp_plugins.audit import AuditLog
from isp_plugins.db.engine import Database
from isp_plugins.db.tables import AuditEntry
from isp_plugins.errors import ConflictError
from isp_plugins.keyring import KeyRing
from isp_plugins.operations import Operation, Operations, OperationState, Progress
from isp_plugins.operations.errors import (
    OperationElsewhereError,
    OperationEndedError,
    OperationNotFoundError,
)
from isp_plugins.operations.service import interrupted
from isp_plugins.operations.store import OperationFilters
from isp_plugins.testing import FakeClock

ADA = Actor(ActorType.API_KEY, "7", "ada")
STEPS = ("fetch", "unpack", "register")


class WrongError(ConflictError):
    """It is {what}. Mend it."""


class Script:
    """Work that waits where the test says, and remembers whether it undid itself."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.go_on = asyncio.Event()
        self.undone = False

    async def __call__(self, progress: Progress) -> dict[str, str]:
        try:
            async with progress.step("fetch"):
                progress.at(0.5, "half")
                self.reached.set()
                await self.go_on.wait()
            async with progress.step("register", interruptible=False):
                progress.about("mailer")
        except BaseException:
            await asyncio.sleep(0)
            self.undone = True
            raise
        return {"plugin": "mailer"}


@pytest.fixture
def make(database: Database, keyring: KeyRing, clock: FakeClock):
    def operations(node: str = "local", **fields: object) -> Operations:
        audit = AuditLog(database, keyring, node=node, clock=clock)
        return Operations(database, audit, node=node, clock=clock, **fields)  # type: ignore[arg-type]  # of the test's own choice

    return operations


@pytest.fixture
async def operations(make) -> AsyncIterator[Operations]:
    operations = make()
    await operations.open()
    yield operations
    await operations.close()


@pytest.fixture
def script() -> Script:
    return Script()


async def begin(operations: Operations, work, subject: str = "a.whl") -> Operation:
    return await operations.begin("install", subject, STEPS, work, ADA, request={"source_type": "upload"})


async def test_operation_ends_with_its_result_and_every_step_told(operations, script, clock):
    script.go_on.set()
    begun = await begin(operations, script)
    assert (begun.state, begun.actor["name"]) == (OperationState.QUEUED, "ada")
    ended = await operations.wait(begun.id, 30)
    assert (ended.state, ended.result, ended.subject) == ("succeeded", {"plugin": "mailer"}, "mailer")
    assert [bool(step.ended) for step in ended.steps] == [True, False, True]
    assert ended == await operations.get(begun.id)


async def test_failure_is_told_with_its_step(operations):
    async def work(progress: Progress) -> None:
        async with progress.step("unpack"):
            raise WrongError(what="broken")

    ended = await operations.wait((await begin(operations, work)).id, 30)
    assert ended.state is OperationState.FAILED
    assert ended.error == {
        "problem": "wrong",
        "detail": "It is broken. Mend it.",
        "step": "unpack",
        "errors": [],
    }


async def test_unexpected_error_and_full_disk_are_told_without_a_traceback(operations):
    async def broken(progress: Progress) -> None:
        async with progress.step("unpack"):
            raise KeyError("secret")

    async def full(progress: Progress) -> None:
        async with progress.step("fetch"):
            Path("/dev/full").write_bytes(b"x")

    ended = await operations.wait((await begin(operations, broken)).id, 30)
    assert ended.error is not None
    assert ended.error["problem"] == "operation-broken"
    assert "secret" not in str(ended.error)
    ended = await operations.wait((await begin(operations, full)).id, 30)
    assert ended.error is not None
    assert "No space left" in ended.error["detail"]


async def test_cancel_inside_a_step_undoes_the_work(operations, script):
    begun = await begin(operations, script)
    await script.reached.wait()
    await operations.cancel(begun.id, ADA)
    ended = await operations.wait(begun.id, 30)
    assert ended.state is OperationState.CANCELLED
    assert "cancelled by ada in step fetch" in ended.error["detail"]
    assert script.undone


async def test_cancel_waits_for_a_step_that_is_not_interruptible(operations):
    inside, go_on = asyncio.Event(), asyncio.Event()
    finished = False

    async def work(progress: Progress) -> None:
        nonlocal finished
        async with progress.step("fetch", interruptible=False):
            inside.set()
            await go_on.wait()
            finished = True
        async with progress.step("unpack"):
            raise AssertionError("it was cancelled before")

    begun = await begin(operations, work)
    await inside.wait()
    await operations.cancel(begun.id, ADA)
    go_on.set()
    assert (await operations.wait(begun.id, 30)).state is OperationState.CANCELLED
    assert finished


async def test_queued_operation_waits_its_turn_and_can_be_cancelled(make, script):
    operations = make(concurrency=1)
    first = await begin(operations, script)
    await script.reached.wait()
    second = await begin(operations, Script())
    assert (await operations.get(second.id)).state is OperationState.QUEUED
    await operations.cancel(second.id, ADA)
    assert (await operations.wait(second.id, 30)).state is OperationState.CANCELLED
    script.go_on.set()
    assert (await operations.wait(first.id, 30)).state is OperationState.SUCCEEDED
    await operations.close()


async def test_ended_operation_cannot_be_cancelled(operations, script):
    script.go_on.set()
    ended = await operations.wait((await begin(operations, script)).id, 30)
    with pytest.raises(OperationEndedError):
        await operations.cancel(ended.id, ADA)
    with pytest.raises(OperationNotFoundError):
        await operations.cancel(999, ADA)


async def test_follower_sees_each_change_and_the_end(operations, script):
    begun = await begin(operations, script)
    await script.reached.wait()
    script.go_on.set()
    seen = [one async for one in operations.follow(begun.id) if one is not None]
    assert seen[0].steps[0].detail == "half"
    assert seen[-1].state is OperationState.SUCCEEDED
    assert [one.progress for one in seen] == sorted(one.progress for one in seen)


async def test_stop_interrupts_what_runs_and_it_undoes_itself(make, script):
    operations = make()
    begun = await begin(operations, script)
    await script.reached.wait()
    await operations.close()
    ended = await operations.get(begun.id)
    assert ended.state is OperationState.INTERRUPTED
    assert script.undone


async def left_by_a_kill(operations: Operations, script: Script) -> Operation:
    """An operation as a killed host leaves it: its row says that it runs."""
    begun = await begin(operations, script)
    await script.reached.wait()
    return begun


async def test_what_a_lost_node_had_under_way_is_ended_by_others_and_recovered_when_it_is_back(make, script):
    lost, other = make("lost"), make("other")
    begun = await lost.begin("install", "mailer", STEPS, script, ADA)
    await script.reached.wait()
    await other.node_lost("lost")
    told = await other.get(begun.id)
    assert told.state is OperationState.INTERRUPTED
    assert told.error["problem"] == "operation-node-lost"
    assert "Node lost, which worked on it, was lost in step fetch" in told.error["detail"]
    await other.node_lost("lost")  # once more changes nothing
    assert await other.get(begun.id) == told

    again = make("lost")

    async def recover(progress: Progress) -> dict[str, str]:
        return {"recovered": progress.operation.subject}

    again.recoverer("install", recover)
    assert [one.id for one in await again.recover()] == [begun.id]
    ended = await again.wait(begun.id, 60)
    assert (ended.state, ended.error) == (OperationState.SUCCEEDED, None)
    assert [one.id for one in await make("lost").recover()] == []
    script.go_on.set()
    await lost.wait(begun.id, 60)
    await lost.close()


async def test_what_a_kill_cut_off_is_recovered_at_the_next_start(make, script):
    killed, again = make(), make()
    begun = await left_by_a_kill(killed, script)

    async def recover(progress: Progress) -> dict[str, str]:
        assert progress.operation.reached("fetch")
        return {"finished": "later"}

    again.recoverer("install", recover)
    assert [one.id for one in await again.recover()] == [begun.id]
    ended = await again.wait(begun.id, 30)
    assert (ended.state, ended.result) == ("succeeded", {"finished": "later"})
    await again.close()
    await killed.close()


async def test_what_is_recovered_by_nobody_or_undone_is_interrupted(make, script):
    killed, again = make(), make()
    begun = await left_by_a_kill(killed, script)

    async def undo(progress: Progress) -> None:
        raise interrupted(progress.operation)

    again.recoverer("install", undo)
    await again.recover()
    ended = await again.wait(begun.id, 30)
    assert ended.state is OperationState.INTERRUPTED
    assert "in step fetch" in ended.error["detail"]
    await again.close()
    await killed.close()


async def test_another_node_shows_it_but_cannot_cancel_it(make, script):
    here, there = make(), make("there")
    begun = await begin(here, script)
    await script.reached.wait()
    assert (await there.get(begun.id)).state in {OperationState.QUEUED, OperationState.RUNNING}
    assert await there.recover() == []
    with pytest.raises(OperationElsewhereError):
        await there.cancel(begun.id, ADA)
    script.go_on.set()
    assert (await there.wait(begun.id, 30)).state is OperationState.SUCCEEDED
    await here.close()


async def test_list_filters_and_hides_what_a_limited_key_may_not_see(operations, script):
    script.go_on.set()
    await operations.wait((await begin(operations, script)).id, 30)
    found = await operations.page(OperationFilters(state=OperationState.SUCCEEDED, kind="install"))
    assert [one.subject for one in found.items] == ["mailer"]
    assert not (await operations.page(OperationFilters(subjects=frozenset({"other"})))).items


async def test_old_ones_are_forgotten(make, script, clock):
    operations = make(keep_days=1.0)
    script.go_on.set()
    ended = await operations.wait((await begin(operations, script)).id, 30)
    clock.advance(timedelta(days=2).total_seconds())
    await operations.open()
    with pytest.raises(OperationNotFoundError):
        await operations.get(ended.id)
    await operations.close()


async def test_begin_cancel_and_end_are_audited(operations, script, database):
    begun = await begin(operations, script)
    await script.reached.wait()
    await operations.cancel(begun.id, ADA)
    await operations.wait(begun.id, 30)
    async with database.reading() as session:
        rows = await session.execute(select(AuditEntry.tag, AuditEntry.outcome).order_by(AuditEntry.id))
    assert [tuple(row) for row in rows] == [
        ("operation.begun", "done"),
        ("operation.cancelled", "done"),
        ("operation.ended", "failed"),
    ]
