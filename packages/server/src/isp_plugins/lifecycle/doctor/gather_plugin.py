"""Gathers the facts about one plugin: looks for its file, reads its text, its configuration, subscriptions and log; runs none of it."""

import asyncio
import difflib
from collections.abc import Sequence
from pathlib import Path

from isp_plugins.configuration import ConfigChange, ConfigurationService
from isp_plugins.configuration.errors import ConfigSchemaInvalidError
from isp_plugins.configuration.schema import ConfigSchema
from isp_plugins.contracts.vocabulary import LogLevel
from isp_plugins.contracts.worker import Death
from isp_plugins.hooks.records import HookView
from isp_plugins.lifecycle.doctor.code import MAX_SOURCE, read_source
from isp_plugins.lifecycle.doctor.findings import Unread
from isp_plugins.lifecycle.doctor.gather_database import UNAVAILABLE, cause_of
from isp_plugins.lifecycle.doctor.plugin_facts import (
    BindingFacts,
    ConfigurationFacts,
    LogLine,
    ModuleFacts,
    PackageFacts,
)
from isp_plugins.lifecycle.records import PluginRecord
from isp_plugins.lifecycle.workers import Workers
from isp_plugins.runtime import names, search
from isp_plugins.telemetry.logs import PluginLogs
from isp_plugins.telemetry.records import LogFilters

LAST_ERRORS = 3
MOST_LISTED = 2000
"""How many files of a folder are compared by name with the one that is missing."""


async def package_facts(record: PluginRecord, data_dir: Path) -> PackageFacts | None:
    """What is on this machine of an installed plugin; None for a module of the plugin path."""
    release = record.release
    if release is None:
        return None
    artifact = data_dir / "artifacts" / release.digest
    environment = data_dir / "environments" / release.environment
    there = await asyncio.to_thread(lambda: (artifact.is_dir(), environment.is_dir()))
    return PackageFacts(
        artifact=artifact,
        has_artifact=there[0],
        environment=environment,
        has_environment=there[1],
        command=tuple(release.manifest.get("command") or ()),
    )


async def module_facts(record: PluginRecord, folders: Sequence[Path]) -> ModuleFacts:
    """Where the module lies and what it says."""
    return await asyncio.to_thread(_module, record.module_path, record.entry_point, folders)


def _module(module_path: str, entry_point: str, folders: Sequence[Path]) -> ModuleFacts:
    mistake = names.mistake_in_module_path(module_path) or names.mistake_in_entry_point(entry_point)
    if mistake is not None:
        return ModuleFacts(path_mistake=f"{module_path}:{entry_point}: {mistake}")
    real = search.real_folders(folders)
    below = module_path.replace(".", "/")
    searched = [(folder, Path(folder).is_dir()) for folder in real]
    looked_for = f"{below}.py or {below}/__init__.py"
    try:
        found = search.find_dotted(module_path.split("."), real)
    except search.LinkLeavesPathError as error:
        return ModuleFacts(outside=error.target, searched=searched, looked_for=looked_for)
    except OSError as error:
        return ModuleFacts(searched=[(f"{error.filename}: {error.strerror}", True)], looked_for=looked_for)
    if found is None or found.file is None:
        return ModuleFacts(searched=searched, looked_for=looked_for, near=_near(module_path, real))
    return _file(found.file, entry_point)


def _file(file: str, entry_point: str) -> ModuleFacts:
    if not file.endswith(".py"):
        return ModuleFacts(file=file, is_compiled=True)
    try:
        with Path(file).open("rb") as stream:
            data = stream.read(MAX_SOURCE + 1)
    except OSError as error:
        return ModuleFacts(file=file, unreadable=str(error.strerror))
    if len(data) > MAX_SOURCE:
        return ModuleFacts(file=file, unreadable=f"it has more than {MAX_SOURCE:,} bytes")
    return ModuleFacts(file=file, source=read_source(data, file, entry_point))


def _near(module_path: str, folders: Sequence[str]) -> list[str]:
    """Modules beside the one that is missing with a similar name, as module paths."""
    package, _, leaf = module_path.rpartition(".")
    there: set[str] = set()
    for folder in folders:
        try:
            for entry, _number in zip(
                Path(folder, *package.split(".")).iterdir(), range(MOST_LISTED), strict=False
            ):
                if entry.suffix == ".py" or (entry / "__init__.py").is_file():
                    there.add(entry.stem)
        except OSError:
            continue
    close = difflib.get_close_matches(leaf, there - {"__init__"}, n=3)
    return [f"{package}.{name}" if package else name for name in close]


async def configuration_facts(
    record: PluginRecord, configuration: ConfigurationService
) -> tuple[ConfigurationFacts | Unread, frozenset[str]]:
    """How complete it is; and the values that nothing may repeat."""
    try:
        schema = ConfigSchema.of(record.config_schema)
    except ConfigSchemaInvalidError as error:
        return ConfigurationFacts(schema_mistake=error.message), frozenset()
    try:
        candidate = await configuration.plan(record.id, schema, ConfigChange())
        hidden = await configuration.secret_values(record.id, schema)
    except UNAVAILABLE as error:
        return Unread(cause_of(error)), frozenset()
    facts = ConfigurationFacts(
        candidate.incomplete,
        candidate.unreadable,
        cause=str(candidate.cause.fields.get("cause", "")) if candidate.cause else "",
        secrets=sorted(key for key, value in candidate.stored.items() if value.is_encrypted),
        version=candidate.base_version,
    )
    return facts, hidden


def binding_facts(views: Sequence[HookView]) -> list[BindingFacts]:
    """What is known of its subscriptions' fit."""
    return [
        BindingFacts(
            view.hook_name,
            view.hook_type.value,
            view.callback_method,
            view.binding,
            view.binding_error,
            view.is_active,
        )
        for view in views
    ]


async def last_errors(plugin_id: int, logs: PluginLogs) -> list[LogLine] | Unread:
    """The newest errors of a plugin's log, those written a moment ago included."""
    try:
        await logs.flush()
        page = await logs.page(LogFilters(plugin_id=plugin_id, level=LogLevel.ERROR), 1, LAST_ERRORS)
    except UNAVAILABLE as error:
        return Unread(cause_of(error))
    return [LogLine(line.at, line.message) for line in page.items]


async def last_death(plugin_id: int, workers: Workers) -> Death | Unread | None:
    """How a worker of the plugin ended last that nobody asked to."""
    try:
        return next(iter((await workers.deaths(plugin_id, size=1)).items), None)
    except UNAVAILABLE as error:
        return Unread(cause_of(error))
