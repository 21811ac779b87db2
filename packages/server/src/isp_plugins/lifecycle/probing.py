"""Probes plugins on their interval and on demand, and decides what an answer, or none, means for the plugin.

1. Each plugin has its own moments, with jitter; so many probes are under way at a time, and never two of one plugin.
2. What a plugin answers is its health. A plugin that answers that it is unhealthy is not restarted: it knows best what it waits for.
3. So many misses in a row (one, for an instance that was restarted because of misses) make it unhealthy, and it is restarted after a pause.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from isp_plugins.contracts.vocabulary import HealthEvent, HealthStatus, State
from isp_plugins.lifecycle.instances import Instance
from isp_plugins.lifecycle.records import HealthSummary, PluginRecord
from isp_plugins.lifecycle.stage import Stage
from isp_plugins.lifecycle.vitals import Vital
from isp_plugins.periodic import Periodic
from isp_plugins.runtime.probes import Answer, first_pause, next_pause
from isp_plugins.telemetry.masking import Masker
from isp_plugins.telemetry.text import storable

LONGEST_TICK_S = 0.25
"""The ticker looks for what is due at least so often, in seconds."""
MAX_CHECKS = 50
"""Checks of one report that are kept; a plugin may return any number."""
MAX_TEXT = 1000
"""Characters of a check's name or message that are kept."""


class Prober:
    """Asks whoever is due; `ask` does the asking."""

    def __init__(
        self, stage: Stage, ask: Callable[[int], Awaitable[None]], dice: random.Random | None = None
    ) -> None:
        self._stage = stage
        self._ask = ask
        self._dice = dice or random.Random()  # noqa: S311  jitter is no secret
        self._turns = asyncio.Semaphore(stage.settings.health_concurrency)
        self._asking: dict[int, asyncio.Task[None]] = {}
        shortest = min(stage.settings.health_interval, stage.settings.breaker_pause)
        self._ticker = Periodic(self.tick, min(LONGEST_TICK_S, shortest / 4), name="plugin health")

    def start(self) -> None:
        """Begin to ask, each at its moment."""
        self._ticker.start()

    async def tick(self) -> None:
        """Ask everyone who is due now, without waiting for the answers."""
        stage, now = self._stage, self._stage.clock.monotonic()
        stage.breakers.tick()
        stage.watch.tick()
        for plugin_id, instance in tuple(stage.instances.items()):
            vital = stage.vitals.of_instance(plugin_id, instance)
            if vital.due is None:
                vital.due = now + first_pause(stage.settings.health_interval, self._dice.random())
            elif now >= vital.due and plugin_id not in self._asking:
                vital.due = now + next_pause(stage.settings.health_interval, self._dice.random())
                self._begin(plugin_id)

    async def close(self) -> None:
        """Ask nobody any more, and give up the questions under way."""
        await self._ticker.stop()
        tasks = tuple(self._asking.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _begin(self, plugin_id: int) -> None:
        task = asyncio.get_running_loop().create_task(self._in_turn(plugin_id), name="probe in turn")
        self._asking[plugin_id] = task
        task.add_done_callback(lambda done: self._done(plugin_id, done))

    async def _in_turn(self, plugin_id: int) -> None:
        async with self._turns:
            await self._ask(plugin_id)

    def _done(self, plugin_id: int, task: asyncio.Task[None]) -> None:
        self._asking.pop(plugin_id, None)
        if not task.cancelled():
            task.exception()  # said by whoever asks


async def probe(stage: Stage, plugin_id: int) -> tuple[Instance, Answer] | None:
    """Ask a plugin how it does, and take note; None where it does not run."""
    instance = stage.instances.get(plugin_id)
    if instance is None:
        return None
    async with instance.called():
        answer = await instance.probe.ask(stage.settings.health_timeout)
    if stage.instances.get(plugin_id) is instance:
        _hear(stage, instance, answer)
    return instance, answer


def masked_checks(instance: Instance, answer: Answer) -> tuple[Mapping[str, Any], ...]:
    """A report's checks as they may be kept and shown: secrets masked, texts storable and not too long."""
    mask = Masker(instance.equipment.secrets)

    def text(value: Any) -> str:
        return storable(mask(str(value or "")))[:MAX_TEXT]

    return tuple(
        {"name": text(check["name"]), "status": str(check["status"]), "message": text(check.get("message"))}
        for check in answer.checks[:MAX_CHECKS]
    )


def _hear(stage: Stage, instance: Instance, answer: Answer) -> None:
    """What an answer, or none, means."""
    record = stage.directory.get(instance.record.id)
    if record.state is not State.ACTIVE:
        return
    vital = stage.vitals.of_instance(record.id, instance)
    if vital.heard is answer:
        return
    vital.heard = answer
    answer = replace(answer, checks=masked_checks(instance, answer))
    vital.take(answer, answer.checks, stage.clock.now())
    found = verdict(answer, vital, record.probed, stage.settings.health_misses)
    retry_at = record.retry_at
    if vital.ill(stage.settings.health_misses):
        retry_at = _expect_restart(stage, record)
    elif record.id in stage.recovery.waiting:
        stage.recovery.forget(record.id)
        retry_at = None
    if (found, retry_at) != (record.probed, record.retry_at):
        stage.ledger.show(replace(record, probed=found, retry_at=retry_at))
    _remember(stage, record.id, answer)


def verdict(answer: Answer, vital: Vital, before: HealthSummary | None, limit: int) -> HealthSummary | None:
    """How the plugin does by its probes; None where there is nothing to say against it."""
    if not answer.missed:
        if answer.status is HealthStatus.HEALTHY:
            return None
        return HealthSummary(answer.status, answer.reasons or (f"it says that it is {answer.status.value}",))
    if not vital.ill(limit):
        return before
    why = "; ".join(check["message"] for check in answer.checks)
    return HealthSummary(
        HealthStatus.UNHEALTHY, (f"it does not answer its health checks ({vital.misses} in a row): {why}",)
    )


def _expect_restart(stage: Stage, record: PluginRecord) -> datetime | None:
    """When an ill plugin is restarted; at once where that would be once too often, since quarantine does not wait."""
    if record.id in stage.recovery.waiting:
        return record.retry_at
    pause = stage.recovery.pause(record.id)
    if not stage.recovery.allows(record.id, pause):
        pause = 0.0
    stage.recovery.expect(record.id, pause, patient=True)
    return stage.recovery.wall(pause)


def _remember(stage: Stage, plugin_id: int, answer: Answer) -> None:
    status = stage.directory.get(plugin_id).health.status
    event = HealthEvent.MISSED if answer.missed else HealthEvent.ANSWERED
    message = "; ".join(answer.reasons)
    stage.history.add(plugin_id, event, status, message, answer.checks, round(answer.duration_ms, 3))
