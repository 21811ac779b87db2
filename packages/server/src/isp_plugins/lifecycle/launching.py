"""Starts and stops one instance of a plugin: equips it, masks its secrets, keeps its log informed."""

import logging
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial
from typing import Protocol

from isp_plugins.clock import Clock
from isp_plugins.configuration import ConfigurationService
from isp_plugins.configuration.schema import ConfigSchema
from isp_plugins.configuration.service import secret_keys_in, secrets_in
from isp_plugins.configuration.values import Candidate, ConfigChange
from isp_plugins.contracts.hooks import Subscription
from isp_plugins.contracts.runtime import (
    Fence,
    Migrated,
    Migrates,
    Restartable,
    RunningPlugin,
    Runtime,
    StartRequest,
)
from isp_plugins.contracts.vocabulary import LogLevel
from isp_plugins.contracts.worker import WorkerProgram
from isp_plugins.errors import PluginSystemError
from isp_plugins.lifecycle.holding import HeldCalls, StoringCalls
from isp_plugins.lifecycle.instances import Equipment, Instance
from isp_plugins.lifecycle.records import PluginRecord
from isp_plugins.runtime.probes import Probe
from isp_plugins.settings import Settings
from isp_plugins.telemetry.logs import PluginLogs
from isp_plugins.telemetry.masking import Masker
from isp_plugins.telemetry.records import LogRecord


class ProgramOf(Protocol):
    """Knows how a plugin's worker is started."""

    async def __call__(self, record: PluginRecord, tell: Callable[[str], None]) -> WorkerProgram | None:
        """The worker's program, None for a plugin that runs in process; a `PluginFailedError` where there cannot be one.

        What it needs is brought to this machine first; `tell` is told of that.
        """
        ...

    async def settled(self, plugin_id: int, needed: Collection[WorkerProgram]) -> None:
        """A start succeeded: of the programs that were made for the plugin only these may be started again."""
        ...


class Launcher:
    """Brings instances up and down; says nothing to the hook engine and writes no state."""

    def __init__(
        self,
        *,
        runtime: Runtime,
        configuration: ConfigurationService,
        logs: PluginLogs,
        host_calls: Callable[[int, str, Fence], StoringCalls],
        settings: Settings,
        clock: Clock,
        program_of: ProgramOf,
        token_of: Callable[[int], int | None] = lambda _plugin_id: None,
    ) -> None:
        self._runtime = runtime
        self._configuration = configuration
        self._logs = logs
        self._host_calls = host_calls
        self._settings = settings
        self._clock = clock
        self._program_of = program_of
        self._token_of = token_of
        self._proven: dict[int, dict[int, WorkerProgram]] = {}
        """By plugin and `load_generation`: what the last two starts that succeeded ran."""
        self._secrets: dict[int, frozenset[str]] = {}

    async def equip(self, record: PluginRecord) -> Equipment:
        """The stored configuration, read once; `ConfigurationIncompleteError`, `PluginSecretsUnreadableError`."""
        schema = ConfigSchema.of(record.config_schema)
        return self.equip_with(schema, await self._configuration.plan(record.id, schema, ConfigChange()))

    def equip_with(self, schema: ConfigSchema, candidate: Candidate) -> Equipment:
        """A configuration as a change would leave it."""
        candidate.require_complete()
        return Equipment(
            schema,
            candidate.resolved,
            secrets_in(schema, candidate.stored),
            secret_keys_in(schema, candidate.stored, candidate.resolved),
        )

    async def start(
        self, record: PluginRecord, equipment: Equipment, *, beside: Instance | None = None
    ) -> Instance:
        """Import, construct and initialise; a `PluginFailedError` leaves nothing behind. `beside` keeps its secrets masked, too."""
        self.mask(record, equipment, beside)
        token = self._token_of(record.id)
        request = await self._request(record, equipment, token, from_disk=beside is not None)
        running = await self._runtime.start(request)
        await self._prove(record, request.program)
        return self._instance(record, running, equipment, token=token)

    def from_disk(self, plugin_id: int) -> None:
        """The next start takes the code as it is on the disk, not the one that ran before."""
        self._proven.pop(plugin_id, None)

    async def _prove(self, record: PluginRecord, program: WorkerProgram | None) -> None:
        """Remember what runs, for when its worker dies."""
        if program is None or record.release is not None:
            self._proven.pop(record.id, None)
            return
        if self._proven.get(record.id, {}).get(record.load_generation) is program:
            return
        known, now = self._proven.get(record.id, {}), record.load_generation
        before = [(generation, one) for generation, one in known.items() if generation != now][-1:]
        self._proven[record.id] = dict([*before, (now, program)])
        await self._program_of.settled(record.id, self._proven[record.id].values())

    def holding(self, record: PluginRecord) -> HeldCalls:
        """The plugin's way to the host, with what it stores held back."""
        return HeldCalls(self._calls(record, self._token_of(record.id)))

    async def migrate(self, record: PluginRecord, equipment: Equipment, from_version: str) -> Migrated:
        """What this version makes of another one's values; what it stores meanwhile is dropped. A `PluginFailedError`."""
        if not isinstance(self._runtime, Migrates):
            return Migrated(equipment.config, None)
        asking = replace(equipment, host=self.holding(record))
        return await self._runtime.migrate(await self._request(record, asking), from_version)

    async def start_again(self, old: Instance) -> Instance:
        """Bring a stopped instance up again, with the same code where its runtime can, and the same configuration."""
        if not isinstance(old.running, Restartable):
            return await self.start(old.record, old.equipment)
        self.mask(old.record, old.equipment)
        running: RunningPlugin = await old.running.restart()
        return self._instance(old.record, running, old.equipment, old.subscriptions, token=old.token)

    async def stop(self, instance: Instance) -> None:
        """Let its calls end, clean up and drop it; what goes wrong stands in its log."""
        await instance.idle(self._settings.drain_timeout)
        instance.probe.give_up()
        problem = await instance.running.stop()
        if problem:
            self.note(instance.record, LogLevel.WARNING, f"It was stopped, but not in good order: {problem}")

    def mask(self, record: PluginRecord, *equipment: Equipment | Instance | None) -> None:
        """Mask these secrets, and no others, in the plugin's log from now on."""
        found = [it.equipment if isinstance(it, Instance) else it for it in equipment if it is not None]
        self._secrets[record.id] = frozenset[str]().union(*(it.secrets for it in found))
        self._logs.set_masks(record.id, self._secrets[record.id])

    def secrets_of(self, plugin_id: int) -> frozenset[str]:
        """What is masked in the plugin's log now."""
        return self._secrets.get(plugin_id, frozenset())

    def forget(self, plugin_id: int) -> None:
        """Drop what is known of a deleted plugin; its stored log stays."""
        self._secrets.pop(plugin_id, None)
        self._proven.pop(plugin_id, None)
        self._logs.forget(plugin_id)

    def logger_of(self, record: PluginRecord) -> logging.Logger:
        """The plugin's own logger, at its level."""
        return self._logs.logger_for(record.id, record.name, record.log_level)

    def blame(
        self, record: PluginRecord, what: str, error: Exception, secrets: frozenset[str] = frozenset()
    ) -> str:
        """Write a failure into the plugin's log, and return its cause with the secrets masked."""
        mask = Masker(secrets)
        cause = mask(cause_of(error))
        trace = mask(str(getattr(error, "traceback", ""))) or None
        self._write(record, LogLevel.ERROR, f"{what}: {cause}", trace)
        return cause

    def note(self, record: PluginRecord, level: LogLevel, message: str) -> None:
        """Write into the plugin's log in the host's name."""
        self._write(record, level, message)

    def log_execution(self, record: PluginRecord, method: str, done: bool, duration_ms: float) -> None:  # noqa: FBT001  how it ended
        """Write down a method that was executed, as the hook engine does for what it invokes."""
        message = f"execute -> {method} ended: {'ok' if done else 'error'}"
        self._logs.write(
            LogRecord(
                plugin_id=record.id,
                plugin_name=record.name,
                level=LogLevel.DEBUG,
                message=message,
                method=method,
                duration_ms=duration_ms,
            )
        )

    def _write(self, record: PluginRecord, level: LogLevel, message: str, trace: str | None = None) -> None:
        self._logs.write(
            LogRecord(
                plugin_id=record.id, plugin_name=record.name, level=level, message=message, traceback=trace
            )
        )

    def _instance(
        self,
        record: PluginRecord,
        running: RunningPlugin,
        equipment: Equipment,
        subscriptions: tuple[Subscription, ...] = (),
        *,
        token: int | None,
    ) -> Instance:
        probe = Probe(running, self._clock)
        return Instance(record, running, equipment, self._clock.monotonic(), probe, subscriptions, token)

    def _calls(self, record: PluginRecord, token: int | None) -> StoringCalls:
        """The host's half of an instance's context; what becomes a plugin of every node needs its lease no more, what becomes a singleton never had one."""

        def fence() -> int | None:
            return (token or 0) if self._token_of(record.id) is not None else None

        return self._host_calls(record.id, record.name, fence)

    async def _request(
        self, record: PluginRecord, equipment: Equipment, token: int | None = None, *, from_disk: bool = False
    ) -> StartRequest:
        program = self._proven.get(record.id, {}).get(record.load_generation)
        if program is None or from_disk or record.release is not None:
            program = await self._program_of(record, partial(self.note, record, LogLevel.INFO))
        return StartRequest(
            plugin_id=record.id,
            plugin_name=record.name,
            generation=record.generation,
            module_path=record.module_path,
            entry_point=record.entry_point,
            config=equipment.config,
            trusted_inline=record.trusted_inline,
            logger=self.logger_of(record),
            host=equipment.host or self._calls(record, token),
            load_deadline_s=self._settings.load_timeout,
            initialize_deadline_s=self._settings.initialize_timeout,
            cleanup_deadline_s=self._settings.cleanup_timeout,
            secret_keys=equipment.secret_keys,
            program=program,
        )


class NoPrograms:
    """None, whatever the plugin: each runs in process."""

    async def __call__(self, record: PluginRecord, tell: Callable[[str], None]) -> WorkerProgram | None:
        """None."""
        del record, tell
        return None

    async def settled(self, plugin_id: int, needed: Collection[WorkerProgram]) -> None:
        """There was none."""


def cause_of(error: BaseException) -> str:
    """An error in one line that ends like a sentence."""
    text = " ".join(
        (
            error.message if isinstance(error, PluginSystemError) else f"{type(error).__name__}: {error}"
        ).split()
    )
    return text if text.endswith((".", "!", "?")) else f"{text}."
