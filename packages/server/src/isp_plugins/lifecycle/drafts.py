"""A plugin's description as it comes in: accepted raw, then validated, all mistakes reported at once.

1. A field that is unknown, missing, of the wrong type or out of its bounds is a mistake `{path, message, expected, got}`.
2. Text holds no NUL and no lone surrogate, which no database keeps; names are never paths.
3. A description that was accepted can be registered: its schema, dependencies and hooks are checked here, too.
"""

import dataclasses
import keyword
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Self, TypeVar

from packaging.version import InvalidVersion, Version

from isp_plugins.configuration.errors import ConfigSchemaInvalidError
from isp_plugins.configuration.schema import ConfigSchema
from isp_plugins.contracts.json_values import dotted, first_problem
from isp_plugins.contracts.vocabulary import LogLevel, Placement, PluginType, RuntimeKind
from isp_plugins.hooks.errors import BindingInvalidError
from isp_plugins.hooks.records import HookDraft
from isp_plugins.lifecycle.dependencies import Dependency, DependencyKind, specifier_mistake
from isp_plugins.lifecycle.errors import PluginDraftInvalidError

NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
SEMVER = re.compile(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?")
DISTRIBUTION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,198}[A-Za-z0-9])?")
MAX_TEXT = 200
MAX_DESCRIPTION = 20_000
MAX_DEPENDENCIES = 100
MAX_HOOKS = 200
SHOWN = 80
"""How much of a refused value is repeated, in characters."""

E = TypeVar("E", bound=Enum)
Mistake = dict[str, Any]
Reader = Callable[[Any, str, list[Mistake]], Any]
"""Reads one raw value at a path, adds what is wrong with it to the list, and returns what it means."""


def _mistake(path: str, expected: str, got: Any) -> Mistake:
    shown = repr(got)
    shown = shown if len(shown) <= SHOWN else shown[: SHOWN - 3] + "..."
    return {"path": path, "message": f"expected {expected}, got {shown}", "expected": expected, "got": shown}


def _text(limit: int, *, least: int = 0) -> Reader:
    expected = f"text of {least} to {limit} characters"

    def read(value: Any, path: str, mistakes: list[Mistake]) -> Any:
        if not isinstance(value, str) or not least <= len(value) <= limit:
            mistakes.append(_mistake(path, expected, value))
        elif problem := first_problem(value):
            mistakes.append({"path": path, "message": problem.message})
        return value

    return read


def _matching(fits: Callable[[str], Any], expected: str) -> Reader:
    def read(value: Any, path: str, mistakes: list[Mistake]) -> Any:
        if not isinstance(value, str) or len(value) > MAX_TEXT or not fits(value):
            mistakes.append(_mistake(path, expected, value))
        return value

    return read


def _one_of(enum: type[E]) -> Reader:
    expected = "one of " + ", ".join(str(member.value) for member in enum)

    def read(value: Any, path: str, mistakes: list[Mistake]) -> Any:
        try:
            return enum(value)
        except ValueError:
            mistakes.append(_mistake(path, expected, value))
            return value

    return read


def _flag(value: Any, path: str, mistakes: list[Mistake]) -> Any:
    if not isinstance(value, bool):
        mistakes.append(_mistake(path, "true or false", value))
    return value


def _is_version(text: str) -> bool:
    try:
        Version(text)
    except InvalidVersion:
        return SEMVER.fullmatch(text) is not None
    return True


def _is_identifier(text: str) -> bool:
    return text.isascii() and text.isidentifier() and not keyword.iskeyword(text)


def _is_dotted(text: str) -> bool:
    return all(_is_identifier(part) for part in text.split("."))


def _schema(value: Any, path: str, mistakes: list[Mistake]) -> Any:
    if not isinstance(value, Mapping):
        mistakes.append(_mistake(path, "an object that describes each configuration key", value))
        return value
    if problem := first_problem(dict(value)):
        mistakes.append({"path": f"{path}.{dotted(problem.path)}".rstrip("."), "message": problem.message})
        return value
    try:
        ConfigSchema.of(value)
    except ConfigSchemaInvalidError as error:
        found = error.details or [{"path": "", "message": error.message}]
        mistakes.extend(
            {**mistake, "path": f"{path}.{mistake.get('path', '')}".rstrip(".")} for mistake in found
        )
    return value


def _many(read_one: Reader, limit: int, what: str) -> Reader:
    def read(value: Any, path: str, mistakes: list[Mistake]) -> Any:
        if not isinstance(value, list | tuple) or len(value) > limit:
            mistakes.append(_mistake(path, f"a list of at most {limit} {what}", value))
            return value
        return tuple(read_one(item, f"{path}.{index}", mistakes) for index, item in enumerate(value))

    return read


_dependency_readers: Mapping[str, Reader] = {
    "kind": _one_of(DependencyKind),
    "name": _matching(DISTRIBUTION.fullmatch, "the name of a plugin or a Python package"),
    "specifier": _matching(
        lambda text: specifier_mistake(text) is None, "a version specifier like '>=1.2,<2', or ''"
    ),
    "optional": _flag,
}


def _dependency(value: Any, path: str, mistakes: list[Mistake]) -> Any:
    if isinstance(value, Dependency):
        value = dataclasses.asdict(value)
    if not isinstance(value, Mapping):
        mistakes.append(_mistake(path, "an object {kind, name, specifier, optional}", value))
        return value
    before = len(mistakes)
    fields = _read(value, _dependency_readers, ("kind", "name"), mistakes, prefix=f"{path}.")
    return Dependency(**fields) if len(mistakes) == before else value


def _dependencies(value: Any, path: str, mistakes: list[Mistake]) -> Any:
    needs = _many(_dependency, MAX_DEPENDENCIES, "dependencies")(value, path, mistakes)
    seen: set[tuple[Any, Any]] = set()
    for index, need in enumerate(needs if isinstance(needs, tuple) else ()):
        if not isinstance(need, Dependency):
            continue
        if (need.kind, need.name) in seen:
            mistakes.append(_mistake(f"{path}.{index}", "each dependency once", need.name))
        seen.add((need.kind, need.name))
    return needs


def _hook(value: Any, path: str, mistakes: list[Mistake]) -> Any:
    if not isinstance(value, HookDraft | Mapping):
        mistakes.append(_mistake(path, "an object {hook_name, hook_type, callback_method, ...}", value))
        return value
    try:
        return HookDraft.of(value.to_dict() if isinstance(value, HookDraft) else value)
    except BindingInvalidError as error:
        mistakes.extend({**mistake, "path": f"{path}.{mistake['path']}"} for mistake in error.details)
        return value


_READERS: Mapping[str, Reader] = {
    "name": _matching(
        NAME.fullmatch, "a name like my_plugin: a lower-case letter, then up to 63 of a-z, 0-9, _ and -"
    ),
    "display_name": _text(MAX_TEXT, least=1),
    "description": _text(MAX_DESCRIPTION),
    "version": _matching(_is_version, "a version like 1.0.0 (PEP 440 or semantic versioning)"),
    "author": _text(MAX_TEXT),
    "plugin_type": _one_of(PluginType),
    "module_path": _matching(_is_dotted, "a dotted module name like plugins.my_plugin"),
    "entry_point": _matching(_is_identifier, "the name of a class, like MyPlugin"),
    "config_schema": _schema,
    "dependencies": _dependencies,
    "hooks": _many(_hook, MAX_HOOKS, "hooks"),
    "runtime": _one_of(RuntimeKind),
    "placement": _one_of(Placement),
    "exclusive": _flag,
    "trusted_inline": _flag,
    "log_level": _one_of(LogLevel),
}
_REQUIRED = ("name", "version", "plugin_type", "module_path", "entry_point")


def _read(
    raw: Mapping[str, Any],
    readers: Mapping[str, Reader],
    required: tuple[str, ...],
    mistakes: list[Mistake],
    *,
    prefix: str = "",
) -> dict[str, Any]:
    """Read every field; unknown and missing ones are mistakes, too."""
    mistakes.extend(
        _mistake(f"{prefix}{key}", "one of the fields " + ", ".join(readers), key)
        for key in raw
        if key not in readers
    )
    mistakes.extend(
        {"path": f"{prefix}{key}", "message": "is required", "expected": "a value"}
        for key in required
        if key not in raw
    )
    return {key: read(raw[key], f"{prefix}{key}", mistakes) for key, read in readers.items() if key in raw}


def _refuse(mistakes: list[Mistake]) -> None:
    if mistakes:
        summary = "; ".join(f"{mistake['path']}: {mistake['message']}" for mistake in mistakes)
        raise PluginDraftInvalidError(summary=summary, mistakes=mistakes)


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginDraft:
    """A plugin to register: the specification's `plugin_data`, and what we add to it. Invalid ones cannot be made (`PluginDraftInvalidError`)."""

    name: str
    version: str
    plugin_type: PluginType
    module_path: str
    entry_point: str
    display_name: str = ""
    """For people; empty: the name."""
    description: str = ""
    author: str = ""
    config_schema: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    dependencies: tuple[Dependency, ...] = ()
    hooks: tuple[HookDraft, ...] = ()
    runtime: RuntimeKind = RuntimeKind.IN_PROCESS
    """Where its code runs."""
    placement: Placement = Placement.PER_NODE
    """On how many nodes it runs."""
    exclusive: bool = True
    """Two instances cannot live side by side: reload stops the old one before it starts the new one."""
    trusted_inline: bool = False
    """Its plain methods return quickly and may run on the event loop's own thread."""
    log_level: LogLevel = LogLevel.INFO

    def __post_init__(self) -> None:
        mistakes: list[Mistake] = []
        raw = {key: getattr(self, key) for key in _READERS}
        raw["display_name"] = raw["display_name"] or raw["name"]
        values = _read(raw, _READERS, _REQUIRED, mistakes)
        _refuse(mistakes)
        for key, value in values.items():
            object.__setattr__(self, key, value)

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Self:
        """Read a raw description; `PluginDraftInvalidError` with every mistake, unknown and missing fields among them."""
        mistakes: list[Mistake] = []
        values = _read(raw, _READERS, _REQUIRED, mistakes)
        _refuse(mistakes)
        return cls(**values)


@dataclass(frozen=True, slots=True)
class PluginChanges:
    """Fields of a plugin to change; those not named stay as they are. Subscriptions have endpoints of their own."""

    values: Mapping[str, Any]
    """Validated values by field name."""

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Self:
        """Read raw changes; `PluginDraftInvalidError` with every mistake."""
        mistakes: list[Mistake] = []
        readers = {key: read for key, read in _READERS.items() if key != "hooks"}
        values = _read(raw, readers, (), mistakes)
        _refuse(mistakes)
        return cls(values)
