"""Calls into a running plugin that no hook makes: execute, health, test of its connections."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from isp_plugins.actors import Actor
from isp_plugins.audit import AuditOutcome, AuditTag
from isp_plugins.contracts.runtime import RunningPlugin
from isp_plugins.contracts.vocabulary import LogLevel, State
from isp_plugins.contracts.worker import Confined
from isp_plugins.lifecycle.errors import TestConnectionUnsupportedError
from isp_plugins.lifecycle.health import worse
from isp_plugins.lifecycle.instances import Instance
from isp_plugins.lifecycle.launching import cause_of
from isp_plugins.lifecycle.ledger import Entry
from isp_plugins.lifecycle.placing import elsewhere
from isp_plugins.lifecycle.probing import masked_checks, probe
from isp_plugins.lifecycle.records import ExecuteResult, HealthReport
from isp_plugins.lifecycle.stage import Stage
from isp_plugins.lifecycle.states import not_active
from isp_plugins.lifecycle.vitals import Vital
from isp_plugins.lifecycle.workers import worker_of
from isp_plugins.telemetry.masking import Masker


async def running(stage: Stage, plugin_id: int, operation: str) -> Instance:
    """The plugin's instance; waits for an operation that is just replacing it. `WrongStateError` where the plugin is not active."""
    record = stage.directory.get(plugin_id)
    if plugin_id not in stage.instances and record.state is State.ACTIVE:
        async with stage.locks.of(plugin_id):
            record = stage.directory.get(plugin_id)
    instance = stage.instances.get(plugin_id)
    if record.state is State.STANDBY:
        raise elsewhere(stage, record)
    if instance is None or record.state is not State.ACTIVE:
        raise not_active(record.state, operation, name=record.name, plugin_id=plugin_id)
    return instance


async def execute(stage: Stage, plugin_id: int, method: str, parameters: Any, actor: Actor) -> ExecuteResult:
    """Call a method; the audit entry says who called what and how it ended, never with which values."""
    instance = await running(stage, plugin_id, "execute a method of")
    began = stage.clock.monotonic()
    outcome, details = AuditOutcome.FAILED, {"method": method}
    try:
        async with instance.called() as plugin:
            value = await plugin.execute(method, parameters, stage.settings.execute_timeout)
        outcome = AuditOutcome.DONE
    except Exception as error:
        details["error"] = Masker(instance.equipment.secrets)(cause_of(error))
        raise
    finally:
        duration_ms = (stage.clock.monotonic() - began) * 1000
        entry = Entry(
            AuditTag.PLUGIN_EXECUTED,
            actor,
            instance.record,
            {**details, "duration_ms": round(duration_ms, 3)},
            outcome,
        )
        if stage.directory.get(plugin_id).log_level is LogLevel.DEBUG:
            stage.launcher.log_execution(instance.record, method, outcome is AuditOutcome.DONE, duration_ms)
        await stage.ledger.enter(entry)
    return ExecuteResult(value, duration_ms)


async def health(stage: Stage, plugin_id: int) -> HealthReport:
    """Ask a running plugin how it does, which counts as a probe; of one that does not run, say what the host knows."""
    stage.directory.get(plugin_id)
    found = await probe(stage, plugin_id)
    report = last_health(stage, plugin_id)
    if found is None:
        return report
    instance, answer = found
    return replace(
        report,
        status=worse(answer.status, report.status),
        checks=masked_checks(instance, answer),
        checked_at=stage.clock.now(),
        duration_ms=answer.duration_ms,
    )


def last_health(stage: Stage, plugin_id: int) -> HealthReport:
    """How a plugin does as far as the host knows, with what its last probe found."""
    record, instance = stage.directory.get(plugin_id), stage.instances.get(plugin_id)
    vital = stage.vitals.of(plugin_id)
    restarts = stage.recovery.restarts(plugin_id)
    return HealthReport(
        plugin_id=record.id,
        name=record.name,
        status=record.health.status,
        checks=stage.vitals.checks(plugin_id) if instance else (),
        message="; ".join(record.health.reasons)
        or (None if instance else f"the plugin is {record.state.value} and was not asked"),
        state=record.state,
        since=record.since,
        cause=record.cause,
        uptime_s=stage.clock.monotonic() - instance.started if instance else None,
        failures=record.failures,
        misses=vital.misses if instance else 0,
        restarts=restarts.total,
        retry_at=record.retry_at,
        abandoned_threads=max(instance.running.abandoned_threads if instance else 0, stage.hung(plugin_id)),
        breaker=stage.breakers.view(plugin_id),
        worker=worker_of(stage, plugin_id),
        last_probe=vital.last,
        next_probe_at=_next_probe(stage, vital) if instance else None,
        checked_at=vital.last.at if vital.last and instance else None,
        duration_ms=vital.last.duration_ms if vital.last and instance else None,
        sandbox=_sandbox_of(instance.running) if instance else None,
    )


def _sandbox_of(running: RunningPlugin) -> Mapping[str, Any] | None:
    return running.sandbox if isinstance(running, Confined) else None


def _next_probe(stage: Stage, vital: Vital) -> datetime | None:
    if vital.due is None:
        return None
    return stage.recovery.wall(max(0.0, vital.due - stage.clock.monotonic()))


async def test_connection(stage: Stage, plugin_id: int) -> Mapping[str, Any]:
    """What the plugin finds when it tries its peers; `TestConnectionUnsupportedError` where it cannot."""
    instance = await running(stage, plugin_id, "test the connection of")
    async with instance.called() as plugin:
        answer = await plugin.test_connection()
    if answer is None:
        raise TestConnectionUnsupportedError(name=instance.record.name, plugin_id=plugin_id)
    return masked_answer(answer, instance.equipment.secrets)


def masked_answer(answer: Mapping[str, Any], secrets: frozenset[str]) -> dict[str, Any]:
    """What a plugin says of itself, its secrets masked in every text, keys included."""
    mask = Masker(secrets)

    def clean(value: Any) -> Any:
        if isinstance(value, str):
            return mask(value)
        if isinstance(value, Mapping):
            return {mask(str(key)): clean(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [clean(item) for item in value]
        return value

    cleaned: dict[str, Any] = clean(answer) if mask else dict(answer)
    return cleaned
