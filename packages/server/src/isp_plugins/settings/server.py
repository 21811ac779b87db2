"""All settings of the server as one dataclass, what concerns the server itself here and the rest by groups; read from `ISP_PLUGINS_*`.

1. A field `data_dir` is the environment variable `ISP_PLUGINS_DATA_DIR`; command-line options override the environment.
2. An unknown `ISP_PLUGINS_*` variable or a bad value stops the start; all mistakes are listed together.
3. `docs/settings.md` is generated from this dataclass.
"""

import dataclasses
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isp_plugins.errors import StartupError
from isp_plugins.settings.events import EventGroup
from isp_plugins.settings.packages import PackageGroup
from isp_plugins.settings.plugins import PluginGroup
from isp_plugins.settings.telemetry import TelemetryGroup
from isp_plugins.settings.values import PREFIX, check, folders_of, parse, setting
from isp_plugins.settings.workers import WorkerGroup

CLIENT_VARIABLES = frozenset({"ISP_PLUGINS_URL", "ISP_PLUGINS_API_KEY"})
"""What the command line's HTTP client reads; the server ignores them."""


class SettingsError(StartupError):
    """The settings cannot be used: {summary}. Mend the environment variables (or options) named and start again; docs/settings.md lists them all."""


@dataclass(frozen=True)
class Settings(PackageGroup, TelemetryGroup, EventGroup, WorkerGroup, PluginGroup):
    """Everything an operator can set about the server; durations are seconds unless the name says milliseconds."""

    data_dir: Path = setting(Path("var"), "Folder of everything the server keeps: database, keys, plugins.")
    database_url: str | None = setting(
        None,
        "SQLAlchemy URL; unset: SQLite in the data directory. `sqlite:///file` or `postgresql://user:password@host/name`.",
        pattern=r"(sqlite|postgresql)(\+\w+)?://.*",
        secret=True,
    )
    host: str = setting("127.0.0.1", "Address the HTTP server listens on.")
    port: int = setting(8080, "TCP port of the HTTP server; 0 takes a free one.", low=0, high=65535)
    node: str = setting(
        "local",
        "Name of this node, unique among the servers of one database.",
        pattern=r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}",
    )
    node_poll: float = setting(
        5.0,
        "How often a node of several looks for changes of the others that no notice told it of, in seconds.",
        low=0.05,
        high=3600.0,
    )
    node_heartbeat: float = setting(
        2.0,
        "How often a node is seen by the others of its PostgreSQL, in seconds; at least three times in `ISP_PLUGINS_NODE_LOST_AFTER`.",
        low=0.05,
        high=20.0,
    )
    node_lost_after: float = setting(
        6.0,
        "How long a node may be silent before the others declare it lost and take over what it leased, in seconds; the same on all nodes. A node that cannot reach the database stops its singletons after two thirds of it.",
        low=0.3,
        high=60.0,
    )
    plugin_path: str | None = setting(
        None, "Folders (separated like PATH) in which `module_path` is looked up; unset: the data directory."
    )
    secret_keys: str | None = setting(
        None,
        "Key ring for secrets, comma-separated urlsafe-base64 keys of 32 bytes, newest first; unset: `<data-dir>/secrets.key` (SQLite only).",
        secret=True,
    )
    log_level: str = setting(
        "INFO", "Level of the server's own log.", pattern="DEBUG|INFO|WARNING|ERROR|CRITICAL"
    )
    max_body_bytes: int = setting(1_048_576, "Largest request body, in bytes.", low=1024)
    max_json_depth: int = setting(64, "Deepest nesting of a JSON request body.", low=8, high=512)

    def __post_init__(self) -> None:
        mistakes = [
            problem for spec in dataclasses.fields(self) if (problem := check(spec, getattr(self, spec.name)))
        ]
        if mistakes:
            raise SettingsError(summary="; ".join(mistakes), mistakes=mistakes)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], **overrides: Any) -> "Settings":
        """Read `ISP_PLUGINS_*`; an override that is not None wins. All mistakes are raised together as `SettingsError`."""
        specs = {spec.name: spec for spec in dataclasses.fields(cls)}
        values: dict[str, Any] = {}
        mistakes: list[str] = []
        for variable, text in sorted(environ.items()):
            if not variable.startswith(PREFIX) or variable in CLIENT_VARIABLES:
                continue
            name = variable.removeprefix(PREFIX).lower()
            if name not in specs:
                close = difflib.get_close_matches(name, specs, n=1)
                hint = f", did you mean {PREFIX}{close[0].upper()}?" if close else ""
                mistakes.append(f"{variable} is not a setting{hint}")
                continue
            if overrides.get(name) is not None:
                continue
            try:
                values[name] = parse(specs[name], text)
            except ValueError as error:
                mistakes.append(f"{variable}: {error}")
        values |= {name: value for name, value in overrides.items() if value is not None}
        mistakes += [problem for name, value in values.items() if (problem := check(specs[name], value))]
        if mistakes:
            raise SettingsError(summary="; ".join(mistakes), mistakes=mistakes)
        return cls(**values)

    @property
    def url(self) -> str:
        """The database's URL, the default filled in."""
        return self.database_url or f"sqlite:///{self.data_dir.absolute() / 'isp-plugins.db'}"

    @property
    def plugin_folders(self) -> tuple[Path, ...]:
        """The folders of the plugin path."""
        if self.plugin_path is None:
            return (self.data_dir.absolute(),)
        return folders_of(self.plugin_path)
