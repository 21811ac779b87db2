"""Facts about an installation, as they were gathered; what could not be read is an `Unread` that says why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from isp_plugin_sdk.sandbox.policy import Enforcement
from isp_plugins.contracts.vocabulary import State
from isp_plugins.db.schema_state import Found
from isp_plugins.lifecycle.doctor.findings import Unread
from isp_plugins.nodes import Node

NOT_OPENED = Unread("the database was not opened")


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseFacts:
    """The database as it was found; sizes in bytes."""

    dialect: str
    answers: bool | Unread
    schema: Found | Unread
    known_revisions: Sequence[str] = ()
    integrity: Sequence[str] | Unread = NOT_OPENED
    """What SQLite's quick check complains about; empty: nothing."""
    size: int | None = None
    wal_size: int | None = None
    write_ms: Sequence[float] | Unread = NOT_OPENED
    """How long a few small writes took until they were on the disk."""
    clock_ahead_s: float | Unread = NOT_OPENED
    """How far the database's clock is ahead of this machine's, in seconds."""


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """The key ring."""

    place: str
    """The file, or the variable's name."""
    ids: Sequence[str] | Unread
    unreadable: Mapping[str, int] | Unread
    """Secrets that no key of the ring opens, counted by the plugin's name."""
    secrets: int = 0
    """How many there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadFacts:
    """One node's audit chain at its end."""

    node: str
    head_count: int | None
    """None: there is no head row, or it cannot be read."""
    last_sequence: int
    mac_fits: bool
    seal_fits: bool | None
    """None: its key is not in the ring."""
    file_count: int | None
    """What the file outside the database says; None: there is none for this node."""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """One file or folder: its permission bits, and whether this process's user owns it."""

    path: Path
    mode: int | None
    """None: it is not there."""
    is_owned: bool = True
    is_usable: bool = True
    """Whether this user may read it (and write into it, for the data directory)."""
    is_folder: bool = True


@dataclass(frozen=True, slots=True)
class DiskFacts:
    """The file system of the data directory; bytes and inodes. No inodes at all: the file system does not count them."""

    path: Path
    free: int
    total: int
    free_inodes: int
    inodes: int


@dataclass(frozen=True, slots=True)
class ClockFacts:
    """Time on this machine."""

    drift_s: float | Unread
    """Wall time that passed since the start, less monotonic time that passed."""
    zone: str


@dataclass(frozen=True, slots=True)
class KernelFacts:
    """What the kernel offers for isolation, found by harmless probes."""

    release: str
    landlock_abi: int
    """0: there is none."""
    seccomp: bool
    namespaces: bool | Unread
    """Whether a worker of this user may have a network and a view of the files of its own."""
    sandbox: Enforcement = Enforcement.BEST_EFFORT
    """The operator's setting."""
    lineage: bool | Unread = True
    """Whether a worker of this user may have a namespace of processes."""
    stays_root: bool = False
    """Whether this server is root, and its workers would be too: no users of their own are to be had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessFacts:
    """This process: versions and limits."""

    version: str
    python: tuple[int, int, int]
    sqlite: tuple[int, int, int]
    open_files: int | Unread
    open_file_limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningFacts:
    """A running host's queues and threads."""

    started_at: datetime
    now: datetime
    threads_busy: int
    threads_limit: int
    abandoned: Mapping[str, int]
    """Threads that hang, by the plugin's name."""
    abandoned_limit: int
    events_written: int
    events_refused: int
    events_failure: str | None
    """Why the last event could not be kept; None where it could."""
    logs_waiting: int
    logs_size: int
    logs_dropped: int


@dataclass(frozen=True, slots=True)
class NodesFacts:
    """The nodes of the database, as this one sees them."""

    own: str
    """Incarnation of the node that looks."""
    cut_off: str | None
    """Why this node cannot reach the database; None where it can."""
    nodes: Sequence[Node] | Unread


@dataclass(frozen=True, slots=True)
class BackupFacts:
    """The newest copy in the backup folder."""

    folder: Path
    newest: str | None
    age_s: float | None


@dataclass(frozen=True, slots=True)
class PluginStateFacts:
    """Where one plugin stands."""

    name: str
    state: State
    wanted: bool


@dataclass(frozen=True, slots=True)
class CacheFacts:
    """What one cache of packages holds, and may hold."""

    name: str
    bytes: int
    limit: int
    """0: there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallationFacts:
    """Everything about an installation."""

    database: DatabaseFacts
    keys: KeyFacts | Unread
    audit: Sequence[HeadFacts] | Unread
    disk: DiskFacts | Unread
    folders: Sequence[FileFacts]
    private_files: Sequence[FileFacts]
    clock: ClockFacts
    kernel: KernelFacts
    process: ProcessFacts
    running: RunningFacts | Unread
    backup: BackupFacts | Unread
    caches: Sequence[CacheFacts]
    plugins: Sequence[PluginStateFacts] | Unread
    nodes: NodesFacts | Unread
