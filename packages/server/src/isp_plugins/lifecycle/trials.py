"""Watches a version that has just taken over, and lets the old one return where it does harm; while nothing is watched, nothing runs.

1. Harm is: more failed calls than the operator allows, an open circuit breaker, health checks that say so, a death or quarantine.
2. That it is to go back is stored before anything is done, so that a host that is killed meanwhile does it at its next start.
3. An operator who disables, uninstalls or upgrades the plugin again ends the watch.
4. Where the old version cannot return, that is told, and the watch ends: what runs now stays.
5. Every node watches its own instance: harm on one lets the old version return on all.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from isp_plugins.actors import SYSTEM
from isp_plugins.clock import Clock
from isp_plugins.contracts.vocabulary import Desired, HealthStatus, State
from isp_plugins.db.engine import Database
from isp_plugins.errors import PluginSystemError
from isp_plugins.lifecycle import passages
from isp_plugins.lifecycle.directory import PluginDirectory
from isp_plugins.lifecycle.passages import Passage
from isp_plugins.lifecycle.records import PluginRecord
from isp_plugins.lifecycle.stage import Engine
from isp_plugins.lifecycle.upgrading import Upgrader
from isp_plugins.operations import Operations
from isp_plugins.periodic import Periodic

LOOK_EVERY_S = 0.5
LONGEST_RETURN_S = 600.0
Tally = Mapping[int, tuple[int, int]]
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Budget:
    """How much a watched version may fail."""

    error_percent: float
    min_calls: int

    def breach(self, calls: int, errors: int) -> str | None:
        """What is wrong with these counts; None: nothing."""
        if calls < self.min_calls or errors * 100 <= self.error_percent * calls:
            return None
        share = errors * 100 / calls
        return f"{errors} of its first {calls} calls failed ({share:.0f} %, at most {self.error_percent:g} % may)."


def harm(record: PluginRecord, calls: int, errors: int, budget: Budget) -> str | None:
    """Why a watched version is to go back; None: it does well so far."""
    if record.state in {State.FAILED, State.QUARANTINED}:
        return record.cause or "It does not run any more."
    if (told := budget.breach(calls, errors)) is not None:
        return told
    if record.tripped is not None:
        return f"Its circuit breaker opened: {record.tripped}"
    if record.probed is not None and record.probed.status is HealthStatus.UNHEALTHY:
        return "Its health checks say: " + "; ".join(record.probed.reasons)
    return None


def since(now: Tally, base: Tally) -> tuple[int, int]:
    """Calls and errors since a tally was taken."""
    calls = errors = 0
    for serial, (all_calls, all_errors) in now.items():
        before = base.get(serial, (0, 0))
        calls += all_calls - before[0]
        errors += all_errors - before[1]
    return calls, errors


@dataclass(slots=True)
class _Trial:
    passage: int
    release: int
    """The one to go back to."""
    until: datetime
    base: Tally = field(default_factory=dict)
    breach: str | None = None
    death: str | None = None
    """How its worker died, where it is up again perhaps."""


class Trials:
    """The watched versions of this node; `open` before and `close` after use."""

    def __init__(
        self,
        *,
        upgrader: Upgrader,
        operations: Operations,
        directory: PluginDirectory,
        engine: Engine,
        database: Database,
        clock: Clock,
        budget: Budget,
    ) -> None:
        self._upgrader = upgrader
        self._operations = operations
        self._directory = directory
        self._engine = engine
        self._database = database
        self._clock = clock
        self._budget = budget
        self._trials: dict[int, _Trial] = {}
        self._looking = Periodic(self.look, LOOK_EVERY_S, name="the watch over new versions")

    async def open(self) -> None:
        """Go on with what the last run watched."""
        async with self._database.reading() as session:
            for passage in await passages.watched(session):
                self._add(passage, {})

    async def close(self) -> None:
        """Look no more; what is stored is watched again by the next run."""
        await self._looking.stop()

    async def begin(self, plugin_id: int) -> None:
        """A release took over: watch it, if that is what was stored."""
        async with self._database.reading() as session:
            found = [one for one in await passages.watched(session) if one.plugin_id == plugin_id]
        self._trials.pop(plugin_id, None)
        for passage in found:
            self._add(passage, self._engine.tally(plugin_id))

    def died(self, plugin_id: int, cause: str) -> None:
        """The worker that serves died; recovery may have it up again before anybody looks."""
        if (trial := self._trials.get(plugin_id)) is not None:
            trial.death = cause

    async def look(self) -> None:
        """Look at each, once."""
        for plugin_id, trial in list(self._trials.items()):
            await self._look(plugin_id, trial)

    def _add(self, passage: Passage, base: Tally) -> None:
        if passage.watch_until is None:
            return
        trial = _Trial(passage.id, passage.release_id, passage.watch_until, base, passage.breach)
        self._trials[passage.plugin_id] = trial
        self._looking.start()

    async def _look(self, plugin_id: int, trial: _Trial) -> None:
        if plugin_id not in self._directory:
            self._trials.pop(plugin_id, None)
            return
        record = self._directory.get(plugin_id)
        calls, errors = since(self._engine.tally(plugin_id), trial.base)
        breach = trial.breach
        if breach is None and record.desired is Desired.ENABLED:
            breach = trial.death or harm(record, calls, errors, self._budget)
        if breach is not None:
            await self._return(record, trial, breach)
        elif record.desired is not Desired.ENABLED or self._clock.now() >= trial.until:
            await self._end(plugin_id, trial)

    async def _return(self, record: PluginRecord, trial: _Trial, breach: str) -> None:
        why = f"Version {record.version} went back by itself: {breach}"
        async with self._database.transaction() as session:
            if trial.passage not in {one.id for one in await passages.watched(session)}:
                self._trials.pop(record.id, None)  # another node let it go back, or ended the watch
                return
            if trial.breach is None:
                trial.breach = breach
                await passages.mark(session, trial.passage, breach=breach)
        try:
            operation = await self._upgrader.begin_rollback(record.id, SYSTEM, to=trial.release, why=why)
        except PluginSystemError as error:
            logger.warning("plugin %s cannot go back by itself: %s", record.name, error)
        else:
            await self._operations.wait(operation.id, LONGEST_RETURN_S)
        await self._end(record.id, trial)

    async def _end(self, plugin_id: int, trial: _Trial) -> None:
        if self._trials.get(plugin_id) is trial:
            del self._trials[plugin_id]
        async with self._database.transaction() as session:
            await passages.mark(session, trial.passage, breach=None)
