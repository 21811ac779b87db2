"""Every table of the product, by domain; the first seven are the specification's."""

from isp_plugins.db.tables.access import ApiKey, Role
from isp_plugins.db.tables.audit import AuditEntry, AuditHead
from isp_plugins.db.tables.base import Base
from isp_plugins.db.tables.catalogue import PluginRegistryEntry, PluginTemplate
from isp_plugins.db.tables.configuration import ConfigurationVersion, PluginConfiguration
from isp_plugins.db.tables.deaths import PluginDeath
from isp_plugins.db.tables.depot import DepotChunk, DepotFile
from isp_plugins.db.tables.dispatches import IdempotentDispatch
from isp_plugins.db.tables.events import (
    EventCursor,
    EventDelivery,
    EventMark,
    EventRow,
    Schedule,
    ScheduleRun,
)
from isp_plugins.db.tables.health import PluginHealthEntry
from isp_plugins.db.tables.logs import PluginLog, PluginLogTotals
from isp_plugins.db.tables.nodes import NodeRow, SingletonRow
from isp_plugins.db.tables.operations import OperationRow
from isp_plugins.db.tables.plugins import (
    Plugin,
    PluginDependency,
    PluginHook,
    PluginInstance,
    PluginRelease,
)
from isp_plugins.db.tables.snapshots import PluginSnapshot
from isp_plugins.db.tables.statistics import PluginLastRuns, PluginStatistics
from isp_plugins.db.tables.storage import PluginStorageItem
from isp_plugins.db.tables.system import SystemMetadata

__all__ = [
    "ApiKey",
    "AuditEntry",
    "AuditHead",
    "Base",
    "ConfigurationVersion",
    "DepotChunk",
    "DepotFile",
    "EventCursor",
    "EventDelivery",
    "EventMark",
    "EventRow",
    "IdempotentDispatch",
    "NodeRow",
    "OperationRow",
    "Plugin",
    "PluginConfiguration",
    "PluginDeath",
    "PluginDependency",
    "PluginHealthEntry",
    "PluginHook",
    "PluginInstance",
    "PluginLastRuns",
    "PluginLog",
    "PluginLogTotals",
    "PluginRegistryEntry",
    "PluginRelease",
    "PluginSnapshot",
    "PluginStatistics",
    "PluginStorageItem",
    "PluginTemplate",
    "Role",
    "Schedule",
    "ScheduleRun",
    "SingletonRow",
    "SystemMetadata",
]
