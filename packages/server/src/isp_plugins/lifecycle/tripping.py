"""What a circuit breaker that opens, tries or closes means for its plugin: shown in its health, in its log and in its history."""

from dataclasses import replace

from isp_plugins.contracts.vocabulary import BreakerState, HealthEvent, LogLevel, State
from isp_plugins.lifecycle.stage import Stage
from isp_plugins.runtime.breaker import Breaker

_EVENTS = {
    BreakerState.OPEN: HealthEvent.BREAKER_OPENED,
    BreakerState.HALF_OPEN: HealthEvent.BREAKER_TRIED,
    BreakerState.CLOSED: HealthEvent.BREAKER_CLOSED,
}


def breaker_changed(stage: Stage, plugin_id: int, breaker: Breaker) -> None:
    """Take note; runs on the loop's thread, a moment after the breaker changed."""
    if plugin_id not in stage.directory:
        return
    record = stage.directory.get(plugin_id)
    if record.state is State.ACTIVE:
        record = replace(record, tripped=_reason(breaker))
        stage.ledger.show(record)
    stage.launcher.note(record, _level(breaker), _sentence(stage, breaker))
    status = stage.directory.get(plugin_id).health.status
    stage.history.add(plugin_id, _EVENTS[breaker.state], status, breaker.cause or "")


def _reason(breaker: Breaker) -> str | None:
    """What it means for the plugin's health."""
    if breaker.state is BreakerState.CLOSED:
        return None
    return f"its circuit breaker is {breaker.state.value.replace('_', '-')}, so its subscriptions are skipped: {breaker.cause}"


def _level(breaker: Breaker) -> LogLevel:
    return LogLevel.ERROR if breaker.state is BreakerState.OPEN else LogLevel.INFO


def _sentence(stage: Stage, breaker: Breaker) -> str:
    if breaker.state is BreakerState.OPEN:
        pause = stage.settings.breaker_pause
        return f"Its circuit breaker opened after {breaker.failures} failed calls in a row; one call tries in {pause:g} s. {breaker.cause}"
    if breaker.state is BreakerState.HALF_OPEN:
        return "Its circuit breaker is half-open: the next call tries."
    return "Its circuit breaker is closed: it is called again."
