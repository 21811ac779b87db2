"""Subscriptions as values: what comes in (`HookDraft`, `HookChanges`), and what is shown (`HookView`).

1. The fields are the specification's `hook_data`, with condition, deadline, failure policy, own echo and the operator's switch.
2. Raw input is read by `of`, which tells every mistake at once: unknown and missing fields, types, bounds.
3. A method that never may be bound (private, or the lifecycle's) is refused here already, before the plugin was ever loaded.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import Enum
from typing import Any, Self

from isp_plugin_sdk.plugin import LIFECYCLE_METHODS, PluginInterface
from isp_plugins.contracts.hooks import DEFAULT_PRIORITY, Retry
from isp_plugins.contracts.json_values import first_problem
from isp_plugins.contracts.vocabulary import BindingStatus, FailurePolicy, SubscriptionType
from isp_plugins.hooks.catalogue import HOOK_NAME
from isp_plugins.hooks.condition import compile_condition
from isp_plugins.hooks.errors import BindingInvalidError, ConditionInvalidError

MIN_PRIORITY, MAX_PRIORITY = 1, 1000
MAX_TIMEOUT_MS = 600_000
MAX_DESCRIPTION = 20_000
MAX_METHOD = 200
_METHOD = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_SHOWN = 80
"""How much of a refused value is repeated, in characters."""

Mistake = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class HookDraft:
    """A subscription to make; `of` reads raw input, and the store checks that it fits its hook."""

    hook_name: str
    hook_type: SubscriptionType
    callback_method: str
    priority: int = DEFAULT_PRIORITY
    description: str = ""
    conditions: str | None = None
    """CEL; None: it always runs."""
    timeout_ms: int | None = None
    failure_policy: FailurePolicy = FailurePolicy.CONTINUE
    own_echo: bool = False
    retry: Mapping[str, Any] | None = None
    """Of an event subscription: `{min_s, max_s, attempts}`, how it is tried again; None: the default."""
    is_active: bool = True
    start_from: str | None = None
    """Of an event subscription, when it is made: `now` (None, too), `beginning`, or a time with its zone."""

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Self:
        """Read raw input; `BindingInvalidError` with every mistake."""
        values, mistakes = _read(raw, required=("hook_name", "hook_type", "callback_method"))
        if values.get("start_from") is not None and values.get("hook_type") is not SubscriptionType.EVENT:
            mistakes.append(
                mistake("start_from", "nothing where hook_type is not event", values["start_from"])
            )
        refuse(mistakes)
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, enums as their words."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}


@dataclass(frozen=True, slots=True)
class HookChanges:
    """Fields of a subscription to change; those not named stay."""

    values: Mapping[str, Any]

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Self:
        """Read raw input; `BindingInvalidError` with every mistake."""
        values, mistakes = _read(raw, required=())
        if "start_from" in raw:
            hint = "isp-plugins events seek moves a subscription"
            mistakes.append(
                mistake("start_from", "it only when the subscription is made", raw["start_from"], hint=hint)
            )
        refuse(mistakes)
        return cls(values)


@dataclass(frozen=True, slots=True, kw_only=True)
class HookView(HookDraft):
    """A stored subscription, as the API shows it."""

    id: int
    plugin_id: int
    declared: bool
    """Comes from a decorator in the plugin's code."""
    overrides: tuple[str, ...] = ()
    """Fields of a declared one that the operator changed."""
    binding: BindingStatus
    binding_error: str | None
    created_at: datetime
    updated_at: datetime

    @property
    def draft(self) -> HookDraft:
        """What was asked for, without what the host knows."""
        return HookDraft(**{field.name: getattr(self, field.name) for field in fields(HookDraft)})


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value


def mistake(path: str, expected: str, got: Any, *, hint: str = "") -> Mistake:
    """One mistake: what was expected and what came."""
    shown = repr(got)
    shown = shown if len(shown) <= _SHOWN else shown[: _SHOWN - 3] + "..."
    message = f"expected {expected}, got {shown}{f'; {hint}' if hint else ''}"
    return {"path": path, "message": message, "expected": expected, "got": shown}


def refuse(mistakes: list[Mistake]) -> None:
    """`BindingInvalidError` where there is any mistake."""
    if mistakes:
        summary = "; ".join(f"{one['path']}: {one['message']}" for one in mistakes)
        raise BindingInvalidError(summary=summary, mistakes=mistakes)


def mistakes_in(draft: HookDraft) -> list[Mistake]:
    """What is wrong with a draft's values, however it was made."""
    return _read(draft.to_dict(), required=())[1]


Reader = Callable[[str, Any, list[Mistake]], Any]
"""Reads the value of a named field and adds what is wrong with it to the list."""


def _read(raw: Mapping[str, Any], *, required: tuple[str, ...]) -> tuple[dict[str, Any], list[Mistake]]:
    """The values that can be read, and every mistake."""
    known = ", ".join(_READERS)
    mistakes = [
        mistake(str(name), f"one of the fields {known}", name) for name in raw if name not in _READERS
    ]
    mistakes += [mistake(name, "a value", None) for name in required if name not in raw]
    values = {name: read(name, raw[name], mistakes) for name, read in _READERS.items() if name in raw}
    return values, mistakes


def _hook_name(name: str, value: Any, mistakes: list[Mistake]) -> Any:
    if not isinstance(value, str) or not HOOK_NAME.fullmatch(value):
        expected = "a hook's name like customer_created (a-z, then up to 99 of a-z, 0-9 and _)"
        mistakes.append(mistake(name, expected, value))
    return value


def _method(name: str, value: Any, mistakes: list[Mistake]) -> Any:
    if not isinstance(value, str) or len(value) > MAX_METHOD or not _METHOD.fullmatch(value):
        mistakes.append(mistake(name, "the name of a public method, like on_customer", value))
    elif value in LIFECYCLE_METHODS or hasattr(PluginInterface, value):
        hint = "write a method of your own that the hook calls"
        mistakes.append(mistake(name, "a method that is not the lifecycle's own", value, hint=hint))
    return value


def _choice(enum: type[SubscriptionType] | type[FailurePolicy]) -> Reader:
    def read(name: str, value: Any, mistakes: list[Mistake]) -> Any:
        try:
            return enum(value)
        except ValueError:
            mistakes.append(mistake(name, "one of " + ", ".join(enum), value))
            return value

    return read


def _whole(low: int, high: int, *, nullable: bool = False) -> Reader:
    expected = f"a whole number from {low:,} to {high:,}{' or null' if nullable else ''}"

    def read(name: str, value: Any, mistakes: list[Mistake]) -> Any:
        fits = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        if not fits and not (nullable and value is None):
            mistakes.append(mistake(name, expected, value))
        return value

    return read


def _text(name: str, value: Any, mistakes: list[Mistake]) -> Any:
    if not isinstance(value, str) or len(value) > MAX_DESCRIPTION:
        mistakes.append(mistake(name, f"text of at most {MAX_DESCRIPTION:,} characters", value))
    elif problem := first_problem(value):
        mistakes.append({"path": name, "message": problem.message})
    return value


def _condition(name: str, value: Any, mistakes: list[Mistake]) -> Any:
    if value is None:
        return None
    if not isinstance(value, str):
        mistakes.append(mistake(name, "a CEL expression or null", value))
    elif problem := first_problem(value):
        mistakes.append({"path": name, "message": problem.message})
    else:
        try:
            compile_condition(value)
        except ConditionInvalidError as error:
            at = f"line {error.fields['line']}, column {error.fields['column']}: {error.fields['problem']}"
            mistakes.append({**error.details[0], "path": name, "message": at})
    return value


def _retry(name: str, value: Any, mistakes: list[Mistake]) -> Any:
    """The bounds of retries; those left out are the default's."""
    if value is None:
        return None
    if not isinstance(value, Mapping) or value.keys() - _RETRY.keys():
        mistakes.append(mistake(name, "an object of min_s, max_s and attempts, or null", value))
        return value
    given = whole_retry(value) or {}
    for field, (low, high, kind) in _RETRY.items():
        fits = isinstance(given[field], kind) and not isinstance(given[field], bool)
        if not fits or not low <= given[field] <= high:
            expected = f"a {'whole ' if kind is int else ''}number from {low:g} to {high:,}"
            mistakes.append(mistake(f"{name}.{field}", expected, given[field]))
            return value
    if given["min_s"] > given["max_s"]:
        mistakes.append(mistake(f"{name}.min_s", f"at most max_s ({given['max_s']:g})", given["min_s"]))
    return given


def whole_retry(given: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Bounds as they are stored: what is left out is the default's."""
    return None if given is None else {field: getattr(Retry(), field) for field in _RETRY} | dict(given)


def _place(name: str, value: Any, mistakes: list[Mistake]) -> Any:
    """Where a new subscription begins in the events."""
    if value is not None and not is_place(value):
        mistakes.append(
            mistake(name, "now, beginning or a time with its zone (2026-01-31T00:00:00+00:00)", value)
        )
    return value


def is_place(value: Any) -> bool:
    """Whether it names a place in the events."""
    return value in {"now", "beginning"} or moment_of(value) is not None


def moment_of(value: Any) -> float | None:
    """The time that it names, in seconds of the epoch; None where it names none."""
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return moment.timestamp() if moment.tzinfo is not None else None


_RETRY: Mapping[str, tuple[float, int, Any]] = {
    "min_s": (0.001, 604_800, (int, float)),
    "max_s": (0.001, 604_800, (int, float)),
    "attempts": (1, 1000, int),
}


def _flag(name: str, value: Any, mistakes: list[Mistake]) -> Any:
    if not isinstance(value, bool):
        mistakes.append(mistake(name, "true or false", value))
    return value


_READERS: Mapping[str, Reader] = {
    "hook_name": _hook_name,
    "hook_type": _choice(SubscriptionType),
    "callback_method": _method,
    "priority": _whole(MIN_PRIORITY, MAX_PRIORITY),
    "description": _text,
    "conditions": _condition,
    "timeout_ms": _whole(1, MAX_TIMEOUT_MS, nullable=True),
    "failure_policy": _choice(FailurePolicy),
    "own_echo": _flag,
    "retry": _retry,
    "is_active": _flag,
    "start_from": _place,
}
