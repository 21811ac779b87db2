"""Brings a starting node to what is wanted: every enabled plugin up, what is required first, one that fails stopping nobody.

1. States that the last run left behind are resolved: nothing runs yet, quarantine stays, `desired` decides what starts.
2. A plugin starts once everything it requires was tried, so many at a time; imports run in threads.
3. One that cannot start is failed, with its cause, and tried again later; whoever requires it waits, and says for whom.
4. States are written in batches: one transaction for many plugins.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from isp_plugins.contracts.vocabulary import State
from isp_plugins.lifecycle.bindings import Bound
from isp_plugins.lifecycle.dependencies import Order, order, shown_cycle
from isp_plugins.lifecycle.errors import (
    DependenciesUnsatisfiedError,
    DependencyCycleError,
    InstallationMissingError,
    PluginElsewhereError,
)
from isp_plugins.lifecycle.failing import entry_about, expect_retry, failed, store_failure
from isp_plugins.lifecycle.ledger import Entry
from isp_plugins.lifecycle.placing import may_begin, require_lease, stand_by
from isp_plugins.lifecycle.records import PluginRecord
from isp_plugins.lifecycle.stage import Stage
from isp_plugins.lifecycle.starting import begin, bring_up, require_dependencies
from isp_plugins.lifecycle.states import Step, after_restart, wants_start
from isp_plugins.runtime.errors import PluginFailedError

AT_ONCE = 16
"""How many plugins are brought up at a time."""
BATCH = 100
"""How many states are written in one transaction."""


async def load(stage: Stage) -> None:
    """Fill the directory from the database; nothing runs yet, but event subscriptions are owed their events from now on."""
    stored = await stage.ledger.load()
    stage.directory.load(_resolved(record) for record in stored)
    await stage.bindings.stand(stage.engine, stored)


def _resolved(record: PluginRecord) -> PluginRecord:
    state = after_restart(record.state)
    return record if state is record.state else replace(record, state=state, cause=None)


async def reconcile(stage: Stage) -> None:
    """Bring every wanted plugin up, and store what became of each; raises only where the database does."""
    wanted = [record for record in stage.directory if wants_start(record.state, record.desired)]
    plan = order({record.name: record.required for record in wanted})
    reports = _Reports(stage)
    await _all_up(stage, {record.name: record for record in wanted}, plan, reports)
    await reports.flush()


class _Reports:
    """Collects what became of plugins, and writes it in batches."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._waiting: list[tuple[int, list[Entry]]] = []

    async def add(self, record: PluginRecord, *entries: Entry) -> None:
        """Show it now, write it with the next batch."""
        self._stage.ledger.show(record)
        self._waiting.append((record.id, list(entries)))
        if len(self._waiting) >= BATCH:
            await self.flush()

    async def flush(self) -> None:
        """Write what waits, as it is by now."""
        batch, self._waiting = self._waiting, []
        directory = self._stage.directory
        records = [directory.get(plugin_id) for plugin_id, _ in batch if plugin_id in directory]
        await self._stage.ledger.report(records, [entry for _, entries in batch for entry in entries])


async def _all_up(stage: Stage, wanted: Mapping[str, PluginRecord], plan: Order, reports: _Reports) -> None:
    """One task for each plugin, which waits for the tasks of what it requires; those in circles fail at once."""
    circles = {name: cycle for cycle in plan.cycles for name in cycle}
    turns = asyncio.Semaphore(AT_ONCE)
    tasks: dict[str, asyncio.Task[None]] = {}

    async def one(record: PluginRecord, before: Sequence[asyncio.Task[None]]) -> None:
        if before:
            await asyncio.wait(before)
        async with turns, stage.locks.of(record.id):
            await try_start(stage, record.id, reports, circles.get(record.name))

    async with asyncio.TaskGroup() as group:
        for name in plan.names:
            before = [tasks[need] for need in wanted[name].required if need in tasks]
            tasks[name] = group.create_task(one(wanted[name], before), name=f"start plugin {name}")


async def try_start(
    stage: Stage, plugin_id: int, reports: _Reports | None = None, circle: Sequence[str] | None = None
) -> None:
    """Bring a wanted plugin up in the host's own name; a failure is stored with its cause, and it is tried again later."""
    if plugin_id not in stage.directory:  # another node deleted it meanwhile
        return
    record = stage.directory.get(plugin_id)
    if not wants_start(record.state, record.desired) or record.state is State.ACTIVE:
        return

    async def save(after: PluginRecord, bound: Bound) -> None:
        require_lease(stage, record)
        if reports is None or bound.changed:
            await stage.ledger.commit(after, also=[bound.save])
        else:
            await reports.add(after)

    try:
        if not await may_begin(stage, record):
            await stand_by(stage, record)
            return
        _require_no_circle(circle)
        require_dependencies(stage, record)
        equipment = await stage.launcher.equip(record)
        begin(stage, record, Step.ENABLE)
        await bring_up(stage, record, equipment, save)
    except PluginElsewhereError:
        await stand_by(stage, record)
    except Exception as error:
        _count(stage, record, reports, tried=_was_tried(error))
        await _not_started(stage, record, error, reports)
    else:
        _count(stage, record, reports, tried=True)


def _count(stage: Stage, record: PluginRecord, reports: _Reports | None, *, tried: bool) -> None:
    """A start by recovery is a restart, unless the host or a need stopped it before the plugin could fail."""
    if reports is None and tried:
        stage.recovery.restarted(record.id)


def _was_tried(error: Exception) -> bool:
    """Whether the plugin itself failed; what this machine lacks of it is not its fault."""
    return isinstance(error, PluginFailedError) and not isinstance(error, InstallationMissingError)


def _require_no_circle(circle: Sequence[str] | None) -> None:
    if circle:
        raise DependencyCycleError(cycle=shown_cycle(circle))


async def _not_started(
    stage: Stage, record: PluginRecord, error: Exception, reports: _Reports | None
) -> None:
    cause = cause_of_start(stage, record, error)
    after = failed(stage, record, cause, tried=_was_tried(error))
    same = record.state is after.state and record.cause == cause
    entries = [] if same else [entry_about(after)]
    if reports is None:
        await store_failure(stage, after, *entries)
        return
    await reports.add(after, *entries)
    expect_retry(stage, after)


def cause_of_start(stage: Stage, record: PluginRecord, error: Exception) -> str:
    """The cause, masked; waiting for others is no news for the plugin's own log."""
    if isinstance(error, DependenciesUnsatisfiedError):
        return f"Waits for what it needs: {error.fields['summary']}."
    return stage.launcher.blame(
        record, "It could not be started", error, stage.launcher.secrets_of(record.id)
    )
