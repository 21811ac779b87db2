"""A plugin's manifest as a value: what `plugin.toml` says, read and checked."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class PluginNeed:
    """Another plugin that this one needs; an empty specifier takes any version."""

    name: str
    specifier: str = ""
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Requires:
    """What must be there; an empty specifier takes any version."""

    host: str = ""
    """Version specifier of the distribution `isp-plugins`."""
    python: str = ""
    """Version specifier of Python."""
    plugins: tuple[PluginNeed, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """What its worker may use at most; None: only the operator's cap."""

    memory_mb: int | None = None
    cpu_percent: int | None = None
    open_files: int | None = None
    threads: int | None = None


@dataclass(frozen=True, slots=True)
class FileGrants:
    """Paths that the plugin asks to reach, absolute ones."""

    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Grants:
    """What the plugin asks of the host; nothing is granted by default."""

    network: tuple[str, ...] = ()
    """`host:port`, `network/prefix:port`, or `*:port` for any host; with `udp:` before it for UDP; or `icmp:host`."""
    listen: tuple[str, ...] = ()
    """`tcp:port` or `udp:port`."""
    native_ports: tuple[int, ...] = ()
    """Ports to which native code connects by itself."""
    files: FileGrants = FileGrants()
    host_calls: tuple[str, ...] = ()
    """`storage`, `dispatch`, `emit`, or the latter two with `:HOOK`."""
    secrets: tuple[str, ...] = ()
    """Keys of its own configuration that hold secrets which it must see in clear."""
    processes: bool = False
    """Whether it starts child processes."""
    file_mb: int | None = None
    """Its largest file, in MiB; None: the default."""
    cpu_seconds: int | None = None
    """Processor time over its whole life; None: no limit."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A method that is called at times."""

    name: str
    cron: str
    """Five fields: minute, hour, day of month, month, day of week."""
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a plugin says of itself; `isp_plugin_sdk.manifest.read` makes it of a text, `of` of what `to_dict` gave."""

    name: str
    version: str
    plugin_type: str
    """One of the specification's eight, e.g. `BILLING`."""
    display_name: str = ""
    """For people; empty: the name."""
    description: str = ""
    author: str = ""
    entry_point: str | None = None
    """`package.module:Class`; None where there is a `command`."""
    command: tuple[str, ...] | None = None
    """The command line of a plugin in another language, run in the plugin's own folder; None for a Python class."""
    requires: Requires = Requires()
    config_schema: Mapping[str, Any] = field(default_factory=dict)
    hooks: tuple[Mapping[str, Any], ...] = ()
    """Subscriptions, in the words of the specification's `hook_data`."""
    grants: Grants = Grants()
    limits: Limits = Limits()
    exclusive: bool = False
    """It cannot live twice: at a reload its calls wait while the old one stops and the new one starts."""
    placement: str = "per-node"
    """`per-node`: it runs on every node of the host; `singleton`: on one at a time."""
    schedules: tuple[Schedule, ...] = ()

    @property
    def module_path(self) -> str:
        """The module of the entry point; of a command, its name in the shape of a module."""
        return self.entry_point.partition(":")[0] if self.entry_point else self.name.replace("-", "_")

    @property
    def class_name(self) -> str:
        """The class of the entry point; `Command` for a command."""
        return self.entry_point.partition(":")[2] if self.entry_point else "Command"

    def registration(self) -> dict[str, Any]:
        """The body that registers this plugin (the specification's `plugin_data`, `dependencies` on plugins only)."""
        return {
            "name": self.name,
            "display_name": self.display_name or self.name,
            "description": self.description,
            "version": self.version,
            "author": self.author,
            "plugin_type": self.plugin_type,
            "module_path": self.module_path,
            "entry_point": self.class_name,
            "config_schema": dict(self.config_schema),
            "dependencies": [{"kind": "plugin", **asdict(need)} for need in self.requires.plugins],
            "hooks": [dict(hook) for hook in self.hooks],
            "exclusive": self.exclusive,
            "placement": self.placement,
        }

    def to_dict(self) -> dict[str, Any]:
        """The manifest as JSON, every field; `of` reads it back."""
        return {name: _listed(value) for name, value in asdict(self).items()}

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Self:
        """The manifest of what `to_dict` gave, or of a checked document; nothing is checked here."""
        known = {name: value[name] for name in cls.__dataclass_fields__ if value.get(name) is not None}
        requires, grants = known.get("requires", {}), known.get("grants", {})
        needs = tuple(PluginNeed(**need) for need in requires.get("plugins", ()))
        files = {kind: tuple(paths) for kind, paths in grants.get("files", {}).items()}
        known |= {
            "requires": Requires(**{**requires, "plugins": needs}),
            "grants": Grants(**{**_tupled(grants), "files": FileGrants(**files)}),
            "limits": Limits(**known.get("limits", {})),
            "schedules": tuple(Schedule(**one) for one in known.get("schedules", ())),
            "hooks": tuple(dict(hook) for hook in known.get("hooks", ())),
        }
        if "command" in known:
            known["command"] = tuple(known["command"])
        return cls(**known)


def _tupled(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}


def _listed(value: Any) -> Any:
    """The value with lists for tuples, as JSON has it."""
    if isinstance(value, Mapping):
        return {key: _listed(each) for key, each in value.items()}
    return [_listed(each) for each in value] if isinstance(value, (list, tuple)) else value
