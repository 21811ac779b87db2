"""Facts about one plugin, as they were gathered; no value of a secret is in them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from isp_plugins.contracts.worker import Death
from isp_plugins.lifecycle.doctor.code import Source
from isp_plugins.lifecycle.doctor.findings import Unread
from isp_plugins.lifecycle.records import HealthReport, PluginRecord
from isp_plugins.lifecycle.worker_views import WorkerView


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleFacts:
    """Where the plugin's module lies, and what its text says."""

    path_mistake: str | None = None
    """What is wrong with the module path or the entry point as they are written."""
    looked_for: str = ""
    searched: Sequence[tuple[str, bool]] = ()
    """The folders of the plugin path, and whether each is there."""
    near: Sequence[str] = ()
    """Modules of the plugin path with a similar name."""
    file: str | None = None
    outside: str | None = None
    """Where a link out of the plugin path leads."""
    unreadable: str | None = None
    """Why the file cannot be read."""
    is_compiled: bool = False
    """An extension module: there is no text to look at."""
    source: Source | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageFacts:
    """What an installed plugin consists of on this machine."""

    artifact: Path
    """The folder of its wheel, packed and unpacked."""
    has_artifact: bool
    environment: Path
    has_environment: bool
    command: tuple[str, ...] = ()
    """How a plugin in another language is started; empty: it is a Python plugin."""


@dataclass(frozen=True, slots=True)
class ConfigurationFacts:
    """How complete the configuration is."""

    mistakes: Sequence[Mapping[str, Any]] = ()
    unreadable: Sequence[str] = ()
    """Secrets that cannot be decrypted, by name."""
    cause: str = ""
    """Why the first of them cannot."""
    secrets: Sequence[str] = ()
    """Stored secrets, by name."""
    schema_mistake: str | None = None
    version: int = 0


@dataclass(frozen=True, slots=True)
class BindingFacts:
    """One subscription's fit."""

    hook: str
    type: str
    method: str
    binding: str
    error: str | None
    is_active: bool


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of the plugin's log."""

    at: datetime
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginFacts:
    """Everything about a plugin that tells why it does not load."""

    record: PluginRecord
    module: ModuleFacts | None
    """None: a command in another language, which has no module."""
    package: PackageFacts | None = None
    """None: it is a module of the plugin path."""
    configuration: ConfigurationFacts | Unread
    bindings: Sequence[BindingFacts] | Unread
    errors: Sequence[LogLine] | Unread
    """Its newest log lines at level ERROR and above."""
    abandoned: int | Unread
    abandoned_limit: int
    worker: WorkerView | None = None
    """Its worker; None where it runs in process."""
    last_death: Death | Unread | None = None
    """How a worker of it ended last that nobody asked to."""
    breaker: str | None
    """Why its circuit breaker holds calls back; None: it does not."""
    probe: HealthReport | str | None
    """What it said when it was asked for its health now; text: why it could not answer; None: it was not asked."""
