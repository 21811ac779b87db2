"""Gathers everything about an installation: of a running host, or of one that does not run (`offline`)."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from isp_plugin_sdk.sandbox.policy import Enforcement
from isp_plugins.clock import Clock
from isp_plugins.configuration import ciphertext_exists
from isp_plugins.contracts.vocabulary import Desired
from isp_plugins.db.data_directory import DataDirectory
from isp_plugins.db.engine import Database
from isp_plugins.db.schema_state import Found, Step, step_for
from isp_plugins.db.urls import SQLITE, sqlite_file
from isp_plugins.errors import PluginSystemError
from isp_plugins.events import DurableEvents
from isp_plugins.keyring import FILE_NAME, VARIABLE, KeyRing
from isp_plugins.lifecycle.directory import PluginDirectory
from isp_plugins.lifecycle.doctor import gather_files as files
from isp_plugins.lifecycle.doctor.facts import (
    ClockFacts,
    DatabaseFacts,
    HeadFacts,
    InstallationFacts,
    KeyFacts,
    NodesFacts,
    PluginStateFacts,
    RunningFacts,
)
from isp_plugins.lifecycle.doctor.findings import Unread
from isp_plugins.lifecycle.doctor.gather_database import (
    UNAVAILABLE,
    audit_heads,
    cause_of,
    database_facts,
    unreadable_secrets,
)
from isp_plugins.lifecycle.doctor.kernel import probe_kernel
from isp_plugins.lifecycle.passages import hold_ciphertext
from isp_plugins.nodes import Membership, Node
from isp_plugins.runtime.threads import DaemonThreads
from isp_plugins.settings import Settings
from isp_plugins.telemetry.logs import PluginLogs

NOT_RUNNING = Unread("no server runs here; ask the running one for it")
BACKUPS, HEAD_FILE = "backups", "audit.head"


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The parts of a running host that tell about it."""

    directory: PluginDirectory
    logs: PluginLogs
    events: DurableEvents
    threads: DaemonThreads
    drift_s: Callable[[], float]
    running: Callable[[], RunningFacts]
    membership: Membership


async def gather(
    settings: Settings,
    clock: Clock,
    database: Database | Unread,
    keyring: KeyRing | Unread,
    host: Host | None,
) -> InstallationFacts:
    """Everything as of now; what cannot be read is told as such, nothing here raises for it."""
    data = settings.data_dir.absolute()
    found = await database_facts(settings.url, database, clock)
    usable = database if not isinstance(found.answers, Unread) else Unread("the database does not answer")
    file = sqlite_file(settings.url)
    head_file = data / HEAD_FILE if found.dialect == SQLITE else None
    return InstallationFacts(
        database=found,
        keys=await _keys(settings, usable, keyring),
        audit=await _audit(usable, keyring, head_file),
        disk=await asyncio.to_thread(files.disk_of, data),
        folders=files.folders_of(settings),
        private_files=files.private_files_of(settings, file),
        clock=ClockFacts(host.drift_s() if host else NOT_RUNNING, files.zone_name()),
        kernel=await asyncio.to_thread(
            probe_kernel, Enforcement(settings.sandbox), first_uid=settings.sandbox_first_uid
        ),
        process=files.process_facts(),
        running=host.running() if host else NOT_RUNNING,
        backup=files.backup_facts(data / BACKUPS, clock.now().timestamp())
        if file
        else Unread("a copy of PostgreSQL is made on its own server"),
        caches=await asyncio.to_thread(files.cache_facts, settings),
        plugins=_states(host.directory) if host else NOT_RUNNING,
        nodes=await _nodes(host.membership) if host else NOT_RUNNING,
    )


async def _nodes(membership: Membership) -> NodesFacts:
    try:
        nodes: Sequence[Node] | Unread = await membership.everyone()
    except UNAVAILABLE as error:
        nodes = Unread(cause_of(error))
    return NodesFacts(membership.card.incarnation, membership.unready(), nodes)


async def gather_offline(settings: Settings, clock: Clock) -> InstallationFacts:
    """The same without a server, under the data directory's lock; migrates and makes nothing. `StartupError` where a server runs."""
    async with AsyncExitStack() as stack:
        if not settings.data_dir.is_dir():
            missing = Unread(f"there is no data directory {settings.data_dir.absolute()}")
            return await gather(settings, clock, missing, missing, None)
        directory = DataDirectory(settings.data_dir)
        stack.enter_context(directory.lock(database_file=sqlite_file(settings.url)))
        database = await _opened(settings, clock, stack)
        return await gather(settings, clock, database, await _ring(settings, database), None)


async def _opened(settings: Settings, clock: Clock, stack: AsyncExitStack) -> Database | Unread:
    """The database, if it is whole and of this version: nothing else is opened for writing."""
    if sqlite_file(settings.url) is not None:
        facts = await database_facts(settings.url, Unread("it is not opened yet"), clock)
        if (reason := _not_to_open(facts)) is not None:
            return Unread(reason)
    try:
        database = await Database.open(settings.url)
    except PluginSystemError as error:
        return Unread(error.message)
    stack.push_async_callback(database.close)
    return database


def _not_to_open(facts: DatabaseFacts) -> str | None:
    if isinstance(facts.answers, Unread):
        return facts.answers.why
    if not isinstance(facts.schema, Found):
        return facts.schema.why
    try:
        step = step_for(facts.schema, facts.known_revisions)
    except PluginSystemError:
        return "its schema is not of this version"
    return None if step is Step.KEEP else "its schema is older, the next start migrates it"


async def _ring(settings: Settings, database: Database | Unread) -> KeyRing | Unread:
    """The key ring, if it is there: a missing one is not made."""
    file = settings.data_dir / FILE_NAME
    try:
        needed = not isinstance(database, Unread) and (
            await ciphertext_exists(database) or await hold_ciphertext(database)
        )
        if settings.secret_keys is None and not file.exists() and not needed and sqlite_file(settings.url):
            return KeyRing([])
        return KeyRing.load(settings, ciphertext_exists=needed)
    except PluginSystemError as error:
        return Unread(error.message)
    except UNAVAILABLE as error:
        return Unread(cause_of(error))


async def _keys(
    settings: Settings, database: Database | Unread, keyring: KeyRing | Unread
) -> KeyFacts | Unread:
    if not settings.data_dir.is_dir() and isinstance(keyring, Unread):
        return keyring
    place = VARIABLE if settings.secret_keys is not None else str(settings.data_dir.absolute() / FILE_NAME)
    if isinstance(keyring, Unread):
        return KeyFacts(place, keyring, keyring)
    if isinstance(database, Unread):
        return KeyFacts(place, keyring.ids, database)
    try:
        count, unreadable = await unreadable_secrets(database, keyring)
    except UNAVAILABLE as error:
        return KeyFacts(place, keyring.ids, Unread(cause_of(error)))
    return KeyFacts(place, keyring.ids, unreadable, count)


async def _audit(
    database: Database | Unread, keyring: KeyRing | Unread, head_file: Path | None
) -> list[HeadFacts] | Unread:
    if isinstance(database, Unread):
        return database
    if isinstance(keyring, Unread):
        return Unread("without keys it cannot be proved")
    try:
        return await audit_heads(database, keyring, head_file)
    except UNAVAILABLE as error:
        return Unread(cause_of(error))


def _states(directory: PluginDirectory) -> list[PluginStateFacts]:
    return [
        PluginStateFacts(plugin.name, plugin.state, plugin.desired is Desired.ENABLED) for plugin in directory
    ]
