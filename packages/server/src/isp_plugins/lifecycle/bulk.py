"""One operation on many plugins: each one's own result, going on after failures.

1. Plugins are enabled after what they need, and disabled or uninstalled before it, whatever the order in which they were named.
2. Each operation is the manager's own, with its checks and its audit entry; what failed for one changes nothing for the next.
3. What was done stays done: a bulk operation is no transaction over plugins.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from isp_plugins.actors import Actor
from isp_plugins.errors import InvalidInputError, PluginSystemError
from isp_plugins.lifecycle.dependencies import order
from isp_plugins.lifecycle.directory import PluginDirectory
from isp_plugins.lifecycle.drafts import PluginChanges
from isp_plugins.lifecycle.manager import PluginManager

_log = logging.getLogger(__name__)


class BulkOperation(StrEnum):
    """What can be done with many plugins at once."""

    ENABLE = "enable"
    """Bring them up."""
    DISABLE = "disable"
    """Take them down; parameter `cascade`."""
    RELOAD = "reload"
    """Replace their code."""
    UPDATE = "update"
    """Change their registration; the parameters are the fields to change."""
    UNINSTALL = "uninstall"
    """Disable and drop them; parameter `cascade`."""


class BulkParametersInvalidError(InvalidInputError):
    """The parameters do not fit the operation {operation}: expected {expected}, got {got}."""


@dataclass(frozen=True, slots=True)
class BulkFailure:
    """Why one plugin's operation was refused or failed."""

    plugin_id: int
    error: str
    problem: str
    """The stable slug of the error."""


@dataclass(frozen=True, slots=True)
class BulkResult:
    """What became of each plugin, in the order in which they were named."""

    successful: tuple[int, ...]
    failed: tuple[BulkFailure, ...]


Check = Callable[[int], Awaitable[None]]
"""Raises where the caller may not do this to a plugin."""


async def run_bulk(
    manager: PluginManager,
    directory: PluginDirectory,
    operation: BulkOperation,
    plugin_ids: Sequence[int],
    parameters: Mapping[str, Any],
    *,
    actor: Actor,
    check: Check,
) -> BulkResult:
    """Do the operation for each plugin; `BulkParametersInvalidError` before anything is done."""
    act = _act(manager, operation, parameters, actor)
    failures: dict[int, BulkFailure] = {}
    known = {plugin_id for plugin_id in plugin_ids if plugin_id in directory}
    for plugin_id in _in_turn(directory, operation, plugin_ids):
        if plugin_id in known and plugin_id not in directory:
            continue  # an uninstall that cascaded took it along
        try:
            await check(plugin_id)
            await act(plugin_id)
        except PluginSystemError as error:
            failures[plugin_id] = BulkFailure(plugin_id, str(error), error.problem)
        except Exception as error:
            _log.exception("Bulk %s failed for plugin %d.", operation, plugin_id)
            failures[plugin_id] = BulkFailure(
                plugin_id, f"It failed unexpectedly: {type(error).__name__}.", "internal"
            )
    return BulkResult(
        successful=tuple(plugin_id for plugin_id in plugin_ids if plugin_id not in failures),
        failed=tuple(failures[plugin_id] for plugin_id in plugin_ids if plugin_id in failures),
    )


def _act(
    manager: PluginManager, operation: BulkOperation, parameters: Mapping[str, Any], actor: Actor
) -> Callable[[int], Awaitable[Any]]:
    """What is done to each plugin."""
    if operation is BulkOperation.UPDATE:
        changes = PluginChanges.of(parameters)
        return lambda plugin_id: manager.update(plugin_id, changes, actor)
    cascade = _cascade(operation, parameters)
    return {
        BulkOperation.ENABLE: lambda plugin_id: manager.enable(plugin_id, actor),
        BulkOperation.RELOAD: lambda plugin_id: manager.reload(plugin_id, actor),
        BulkOperation.DISABLE: lambda plugin_id: manager.disable(plugin_id, actor, cascade=cascade),
        BulkOperation.UNINSTALL: lambda plugin_id: manager.delete(plugin_id, actor, cascade=cascade),
    }[operation]


def _cascade(operation: BulkOperation, parameters: Mapping[str, Any]) -> bool:
    """The parameter `cascade`, where the operation has it."""
    takes_it = operation in {BulkOperation.DISABLE, BulkOperation.UNINSTALL}
    cascade = parameters.get("cascade", False)
    unknown = sorted(set(parameters) - ({"cascade"} if takes_it else set()))
    if unknown or not isinstance(cascade, bool):
        expected = "at most `cascade`, true or false" if takes_it else "no parameters"
        raise BulkParametersInvalidError(operation=operation.value, expected=expected, got=dict(parameters))
    return cascade


def _in_turn(directory: PluginDirectory, operation: BulkOperation, plugin_ids: Sequence[int]) -> list[int]:
    """The plugins in the order in which their dependencies want it; unknown ones last, to be refused by the manager."""
    records = {
        record.name: record
        for plugin_id in plugin_ids
        if plugin_id in directory
        for record in [directory.get(plugin_id)]
    }
    ordered = [
        records[name].id for name in order({name: record.required for name, record in records.items()}).names
    ]
    if operation in {BulkOperation.DISABLE, BulkOperation.UNINSTALL}:
        ordered.reverse()
    return [*ordered, *(plugin_id for plugin_id in plugin_ids if plugin_id not in directory)]
