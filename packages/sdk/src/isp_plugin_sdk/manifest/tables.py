"""Every key of a manifest: its shape, its bounds and what it is for; the reader and the JSON Schema follow from it."""

import keyword
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from isp_plugin_sdk.hooks import MAX_PRIORITY, MIN_PRIORITY, FailurePolicy, HookType
from isp_plugin_sdk.manifest.shapes import Choice, Field, Flag, Many, Table, Text, Whole
from isp_plugin_sdk.schema import mistakes_in
from isp_plugin_sdk.schema.keywords import DIALECT, TYPES
from isp_plugin_sdk.schema.mistakes import Mistake, mistake, shown
from isp_plugin_sdk.values import below

PLUGIN_TYPES = (
    "COMMUNICATION", "BILLING", "NETWORKING", "AUTHENTICATION", "MONITORING", "INTEGRATION", "UTILITY", "CUSTOM",
)  # fmt: skip
NAME_PATTERN = "[a-z][a-z0-9_-]{0,63}"

_IDENTIFIER = "[A-Za-z_][A-Za-z0-9_]*"
_RELEASE = r"(?:[0-9]+!)?[0-9]+(?:\.[0-9]+)*"
_SUFFIX = r"(?:(?:a|b|rc)[0-9]+)?(?:\.post[0-9]+)?(?:\.dev[0-9]+)?"
_LOCAL = r"(?:\+[a-z0-9]+(?:[._-][a-z0-9]+)*)?"
_CLAUSE = rf" *(?:~= *(?:[0-9]+!)?[0-9]+(?:\.[0-9]+)+{_SUFFIX}|[=!]= *{_RELEASE}(?:{_SUFFIX}{_LOCAL}|\.\*)|[<>]=? *{_RELEASE}{_SUFFIX}) *"
_CRON_TERM = r"(?:\*|[0-9A-Za-z]+(?:-[0-9A-Za-z]+)?)(?:/[0-9]+)?"
_CRON_FIELD = rf"{_CRON_TERM}(?:,{_CRON_TERM})*"
_PATH_PART = r"(?:[^/.\u0000][^/\u0000]*|\.[^/.\u0000][^/\u0000]*|\.\.[^/\u0000]+)"

_NAME = Text(
    "a name like my_plugin: a lower-case letter, then up to 63 of a-z, 0-9, _ and -", 64, 1, NAME_PATTERN
)
_SPECIFIER = Text("a version specifier like '>=1.2,<2', or ''", 200, 0, rf"(?:{_CLAUSE}(?:,{_CLAUSE})*)?")
_METHOD = Text("the name of a public method, like on_customer", 200, 1, "[A-Za-z][A-Za-z0-9_]*")
_DOTTED = Text(
    "a module and a class like my_plugin.plugin:MyPlugin", 400, 3, rf"{_IDENTIFIER}(?:\.{_IDENTIFIER})*:{_IDENTIFIER}"
)  # fmt: skip
_PATHS = Many(Text("an absolute path without . and ..", 1000, 1, rf"(?:/{_PATH_PART})+"), "paths", 100)


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """`package.module:Class`."""

    text: Text

    def mistakes(self, value: Any, path: str) -> Iterator[Mistake]:
        """Whether it names something that can be imported; that no part is a word of the language is not in the JSON Schema."""
        found = list(self.text.mistakes(value, path))
        yield from found
        parts = [] if found else value.replace(":", ".").split(".")
        if reserved := next((part for part in parts if keyword.iskeyword(part)), None):
            yield mistake(
                path, "no word of the Python language in it", shown(value), f"{reserved!r} is reserved"
            )

    def schema(self) -> dict[str, Any]:
        """A string."""
        return self.text.schema()


@dataclass(frozen=True, slots=True)
class ConfigSchema:
    """The description of the configuration, in the short form or as a complete JSON Schema."""

    def mistakes(self, value: Any, path: str) -> Iterator[Mistake]:
        """Every mistake of the schema; what TOML has and JSON has not is one."""
        found = list(_not_json(value, path))
        yield from found
        if not found:
            for one in mistakes_in(value):
                yield {**one, "path": below(path, one["path"]) if one["path"] else path}

    def schema(self) -> dict[str, Any]:
        """Either form; of the short one the frame only: the reader knows its keywords in full."""
        short = {
            "type": "object",
            "not": {"anyOf": [{"required": ["$schema"]}, _type_is_word()]},
            "propertyNames": {"pattern": r"^[A-Za-z_][A-Za-z0-9_.-]{0,99}$"},
            "additionalProperties": {
                "type": "object",
                "required": ["type"],
                "properties": {"type": {"enum": list(TYPES)}, "required": {"type": "boolean"}},
            },
        }
        full = {
            "type": "object",
            "required": ["type"],
            "properties": {"$schema": {"const": DIALECT}, "type": {"const": "object"}},
        }
        return {"anyOf": [short, full]}


def _type_is_word() -> dict[str, Any]:
    return {"required": ["type"], "properties": {"type": {"type": ["string", "array"]}}}


def _not_json(value: Any, path: str) -> Iterator[Mistake]:
    """Dates, times, and numbers that are none."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _not_json(each, below(path, key))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _not_json(each, below(path, index))
    elif isinstance(value, int | float) and not abs(value) < 2**63:
        yield mistake(path, "a number of 64 bits", str(value)[:40])
    elif not isinstance(value, str | bool | int | float):
        yield mistake(
            path, "a value that JSON has too", f"a {type(value).__name__}", "write it as text, in quotes"
        )


_REQUIRES = Table(
    {
        "host": Field(_SPECIFIER, "Versions of the distribution isp-plugins that it runs on."),
        "python": Field(_SPECIFIER, "Versions of Python that it runs on."),
        "plugins": Field(
            Many(
                Table(
                    {
                        "name": Field(_NAME, "The other plugin's name."),
                        "specifier": Field(_SPECIFIER, "Its versions; empty: any."),
                        "optional": Field(Flag(), "Whether this plugin also runs without it."),
                    },
                    required=("name",),
                ),
                "plugins",
                100,
                unique="name",
            ),
            "Plugins that must be active before this one.",
        ),
    }
)
_HOOK = Table(
    {
        "hook_name": Field(Text("a hook's name like customer_created", 100, 1, "[a-z][a-z0-9_]*"), "The hook."),
        "hook_type": Field(Choice(tuple(HookType)), "How the method takes part in a dispatch."),
        "callback_method": Field(_METHOD, "The method of the class."),
        "priority": Field(Whole(MIN_PRIORITY, MAX_PRIORITY), "Lower runs earlier; 100 by default."),
        "description": Field(Text("text of at most 20,000 characters", 20_000), "What the operator reads."),
        "conditions": Field(Text("a CEL expression", 20_000, 1), "The method runs only where this is true of the payload."),
        "timeout_ms": Field(Whole(1, 600_000), "The call's own deadline in milliseconds."),
        "failure_policy": Field(Choice(tuple(FailurePolicy)), "What an error means for the rest of the dispatch."),
        "own_echo": Field(Flag(), "Also run for a dispatch that this plugin caused."),
        "is_active": Field(Flag(), "Whether it is switched on from the start."),
    },
    required=("hook_name", "hook_type", "callback_method"),
)  # fmt: skip
_HOST_CALL = r"storage|(?:dispatch|emit)(?::(?:[a-z][a-z0-9_]*\*?|\*))?"
_PEER = r"(?:\*|[A-Za-z0-9._/-]+|\[[0-9A-Fa-f:./]+\])"
_GRANTS = Table(
    {
        "network": Field(
            Many(
                Text(
                    "host:port, network/prefix:port or *:port (a port may be *), with udp: before it for UDP, or icmp:host",
                    300,
                    3,
                    rf"(?:(?:tcp|udp):)?{_PEER}:(?:[0-9]{{1,5}}|\*)|icmp:{_PEER}",
                ),
                "addresses",
                100,
            ),
            "Where it connects to over TCP, with udp: where it sends datagrams to, with icmp: whom it pings.",
        ),
        "listen": Field(
            Many(Text("tcp:port or udp:port", 9, 5, r"(?:tcp|udp):[0-9]{1,5}"), "ports", 100),
            "Ports that the host listens on for it.",
        ),
        "files": Field(
            Table(
                {
                    "read": Field(_PATHS, "What it reads, outside its own folder."),
                    "write": Field(_PATHS, "What it writes, outside its own folder."),
                }
            ),
            "Files that it reaches.",
        ),
        "native_ports": Field(
            Many(Whole(1, 65_535), "ports", 100),
            "TCP ports to which native code connects by itself, at any address; weaker than `network`.",
        ),
        "host_calls": Field(
            Many(
                Text("storage, dispatch, dispatch:HOOK, emit or emit:HOOK", 100, 4, _HOST_CALL),
                "host calls",
                100,
            ),
            "What it asks of the host; a hook may end in *.",
        ),
        "secrets": Field(
            Many(Text("a key of the configuration", 100, 1, "[A-Za-z_][A-Za-z0-9_.-]*"), "keys", 100),
            "Secret keys of its configuration that it must see in clear.",
        ),
        "processes": Field(Flag(), "Whether it starts child processes."),
        "file_mb": Field(Whole(1, 1_048_576), "Its largest file, in MiB."),
        "cpu_seconds": Field(
            Whole(1, 4_000_000_000), "Processor time over its whole life, after which it is ended."
        ),
    }
)
_LIMITS = Table(
    {
        "memory_mb": Field(Whole(32, 1_048_576), "Resident memory of its worker, in MiB."),
        "cpu_percent": Field(Whole(1, 100_000), "Processor time, in percent of one core."),
        "open_files": Field(Whole(32, 1_048_576), "File descriptors."),
        "threads": Field(Whole(2, 100_000), "Threads."),
    }
)
_SCHEDULE = Table(
    {
        "name": Field(_NAME, "The schedule's name."),
        "cron": Field(
            Text("five fields like '*/5 * * * *'", 200, 9, rf"{_CRON_FIELD}(?: {_CRON_FIELD}){{4}}"), "When, in the server's time zone."
        ),
        "method": Field(_METHOD, "The method that is called."),
    },
    required=("name", "cron", "method"),
)  # fmt: skip

MANIFEST = Table(
    {
        "name": Field(_NAME, "The plugin's name, unique among the plugins of a host."),
        "display_name": Field(Text("text of 1 to 200 characters", 200, 1), "The name for people."),
        "description": Field(Text("text of at most 20,000 characters", 20_000), "What it does."),
        "version": Field(
            Text("a version like 1.0.0 or 1.0.0rc1 (PEP 440)", 100, 1, _RELEASE + _SUFFIX + _LOCAL), "The same as the distribution's."
        ),
        "author": Field(Text("text of at most 200 characters", 200), "Who wrote it."),
        "plugin_type": Field(Choice(PLUGIN_TYPES), "Its domain."),
        "entry_point": Field(EntryPoint(_DOTTED), "Module and class of a plugin in Python, the same as the distribution's entry point."),
        "command": Field(
            Many(Text("text of 1 to 4,000 characters", 4000, 1), "texts", 100, least=1), "Command line of a plugin in another language."
        ),
        "requires": Field(_REQUIRES, "What must be there."),
        "config_schema": Field(ConfigSchema(), "The keys of its configuration: short form, or a complete JSON Schema 2020-12."),
        "hooks": Field(Many(_HOOK, "hooks", 200), "Methods bound to hooks."),
        "grants": Field(_GRANTS, "What it asks of the host and the system; nothing by default."),
        "limits": Field(_LIMITS, "What its worker may use; the operator's caps are above it."),
        "exclusive": Field(Flag(), "It cannot live twice: at a reload the old one stops before the new one starts."),
        "placement": Field(Choice(("per-node", "singleton")), "Whether it runs on every node, or on one at a time; per-node unless said."),
        "schedules": Field(Many(_SCHEDULE, "schedules", 100, unique="name"), "Methods that are called at times."),
    },
    required=("name", "version", "plugin_type"),
    exactly_one=("entry_point", "command"),
)  # fmt: skip
