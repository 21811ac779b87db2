"""What a worker process is started from, and what is known of one that died: values that packages, runtime and lifecycle share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from isp_plugin_sdk.sandbox.grants import Grants


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """What a worker may use; None: no limit of the plugin's own, only the operator's cap (settings `worker_*`)."""

    memory_mb: int | None = None
    """Resident memory of the worker and its children, in MiB."""
    cpu_percent: int | None = None
    """Processor time over a sampling window, in percent of one core."""
    open_files: int | None = None
    """File descriptors."""
    threads: int | None = None
    """Threads of the process."""


@dataclass(frozen=True, slots=True)
class WorkerProgram:
    """How one worker is started, complete: nothing of the host's own environment reaches it beside what stands here."""

    argv: tuple[str, ...]
    """The command line; a Python plugin's is `<environment>/bin/python -I -m isp_plugin_sdk.serve [--path FOLDER]... module:Class`."""
    folder: Path
    """Its working directory."""
    speaks_over_stdio: bool = False
    """A `command` of another language speaks over stdin and stdout; a Python worker over an inherited socket."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Environment variables beside the few that every worker gets (PATH, LANG, HOME, TMPDIR)."""
    version: str = ""
    """The plugin's version, for the record of a death."""
    limits: WorkerLimits = WorkerLimits()
    grants: Grants | None = None
    """What the operator accepted that it may do, the operating system denies the rest; None: it is trusted as a whole, without a sandbox."""


class DeathReason(StrEnum):
    """Why a worker is not there any more, although nobody asked it to stop."""

    EXITED = "exited"
    """It ended by itself, with an exit code."""
    SIGNALLED = "signalled"
    """A signal ended it that the host did not send (a segmentation fault, the kernel's memory killer)."""
    UNRESPONSIVE = "unresponsive"
    """It answered no ping, or a call ran on long after its deadline: the host killed it."""
    LIMIT = "limit"
    """It used more than its limit: the host killed it."""
    PROTOCOL = "protocol"
    """It sent what is not the protocol: the host killed it."""


@dataclass(frozen=True, slots=True)
class ResourceUse:
    """What a worker uses at one moment; None where the system did not say."""

    cpu_s: float | None = None
    """Processor time since it began, in seconds."""
    memory_bytes: int | None = None
    """Resident memory."""
    open_files: int | None = None
    threads: int | None = None


@dataclass(frozen=True, slots=True)
class Death:
    """The end of one worker, with its cause."""

    plugin_id: int
    plugin_name: str
    version: str
    pid: int
    started_at: datetime
    died_at: datetime
    reason: DeathReason
    exit_code: int | None
    signal: str | None
    """Name of the signal that ended it, e.g. `SIGSEGV`."""
    detail: str
    """One readable sentence: what happened, and which limit or call it was."""
    log_tail: tuple[str, ...]
    """Its last log lines, at most 200, oldest first; secrets masked."""
    usage: ResourceUse

    def to_dict(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "plugin_id": self.plugin_id,
            "plugin": self.plugin_name,
            "version": self.version,
            "pid": self.pid,
            "started_at": self.started_at,
            "died_at": self.died_at,
            "reason": self.reason.value,
            "exit_code": self.exit_code,
            "signal": self.signal,
            "detail": self.detail,
            "log_tail": list(self.log_tail),
            "cpu_s": self.usage.cpu_s,
            "memory_bytes": self.usage.memory_bytes,
            "open_files": self.usage.open_files,
            "threads": self.usage.threads,
        }


@runtime_checkable
class Mortal(Protocol):
    """A running plugin that can die by itself: a worker."""

    @property
    def pid(self) -> int:
        """Its process id."""
        ...

    @property
    def death(self) -> Death | None:
        """How it ended, once it has; None while it lives, or where it was stopped in good order."""
        ...


@runtime_checkable
class Abandonable(Protocol):
    """A plugin that can be ended at once, whatever it does."""

    async def abandon(self) -> None:
        """End it now, without a farewell."""
        ...


@runtime_checkable
class Supervised(Protocol):
    """A worker as supervision sees it, from the start of its process until that is reaped."""

    @property
    def plugin_id(self) -> int:
        """Whose worker it is."""
        ...

    @property
    def pid(self) -> int:
        """Its process id, which is its process group's too."""
        ...

    @property
    def started_at(self) -> datetime:
        """When its process was started."""
        ...

    @property
    def limits(self) -> WorkerLimits:
        """Those of its manifest."""
        ...

    @property
    def throttled(self) -> Mapping[str, int]:
        """How often it was slowed down because it flooded something, by what it flooded (`log`, `channel`, `storage`)."""
        ...

    def kill(self, reason: DeathReason, detail: str) -> None:
        """End it now, with this cause; does nothing where it has ended already."""
        ...


@runtime_checkable
class Confined(Protocol):
    """A running plugin that may be in a sandbox: a worker."""

    @property
    def sandbox(self) -> Mapping[str, Any] | None:
        """What holds of it, `{level, holds, missing, notes}`; None where it is trusted as a whole."""
        ...
