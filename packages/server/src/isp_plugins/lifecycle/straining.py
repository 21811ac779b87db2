"""What it means for a plugin that its worker strains the machine, or crashes: shown in its health, in its log and in its history.

1. Looked at after each look of the supervisor; the health's reasons carry the amounts, and change with them.
2. Log and history are told only where another kind of strain begins or ends, not of every amount.
"""

import re
from collections.abc import Iterable
from dataclasses import replace

from isp_plugins.contracts.vocabulary import HealthEvent, LogLevel, State
from isp_plugins.contracts.worker import Mortal
from isp_plugins.lifecycle.records import PluginRecord
from isp_plugins.lifecycle.stage import Stage

_AMOUNT = re.compile(r"\d[\d,.]*")


def look_at_strain(stage: Stage) -> None:
    """Take note of every worker that serves."""
    for plugin_id, instance in tuple(stage.instances.items()):
        record = stage.directory.get(plugin_id)
        if record.state is State.ACTIVE and isinstance(instance.running, Mortal):
            _take(stage, record, (*stage.supervisor.warnings(plugin_id), *stage.deaths.told(plugin_id)))


def _take(stage: Stage, record: PluginRecord, found: tuple[str, ...]) -> None:
    if found == record.strained:
        return
    stage.ledger.show(replace(record, strained=found))
    if kinds(found) == kinds(record.strained):
        return
    words = "; ".join(found)
    said = f"It needs attention: {words}." if found else "Its worker does not strain the machine any more."
    stage.launcher.note(record, LogLevel.WARNING if found else LogLevel.INFO, said)
    status = stage.directory.get(record.id).health.status
    stage.history.add(record.id, HealthEvent.STRAINED, status, words)


def kinds(warnings: Iterable[str]) -> frozenset[str]:
    """Warnings without their amounts."""
    return frozenset(_AMOUNT.sub("#", warning) for warning in warnings)
