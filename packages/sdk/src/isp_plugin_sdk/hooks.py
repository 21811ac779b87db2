"""Decorators that bind a plugin's methods to hooks by attaching data to them, and nothing else.

1. `@action`, `@filter` and `@event` may be stacked on one method, and one method may be bound to several hooks.
2. What is declared is checked at once; every mistake is told together (`DeclarationInvalidError`).
3. A subclass inherits the declarations of its bases. A method that overrides another keeps that one's declarations, unless it carries
   decorators of its own, which replace them; setting the name to None drops them.
4. The host makes a subscription of each declaration when it loads the plugin; the operator can switch it off.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from isp_plugin_sdk.errors import DeclarationInvalidError

HOOK_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")
MIN_PRIORITY, DEFAULT_PRIORITY, MAX_PRIORITY = 1, 100, 1000
RETRY = {"min_s": (0.001, 604_800), "max_s": (0.001, 604_800), "attempts": (1, 1000)}
"""What bounds an event's retries: fields, and what each may be."""
_ATTRIBUTE = "__isp_declarations__"
_Method = TypeVar("_Method", bound=Callable[..., Any])


class HookType(StrEnum):
    """How a subscription takes part in a dispatch."""

    ACTION = "action"
    """Runs inside the dispatch; what it returns is kept in the result."""
    FILTER = "filter"
    """Runs inside the dispatch; what it returns, unless None, replaces the value."""
    EVENT = "event"
    """Is delivered after the dispatch."""


class FailurePolicy(StrEnum):
    """What a failing subscription means for the rest of its dispatch."""

    CONTINUE = "continue"
    """The next subscription runs."""
    STOP = "stop"
    """The dispatch ends there."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """One subscription that a plugin's class declares; `method` is filled in by `declarations`."""

    hook: str
    type: HookType
    method: str
    priority: int
    condition: str | None
    timeout_ms: int | None
    failure_policy: FailurePolicy
    own_echo: bool
    description: str
    retry: Mapping[str, float] | None = None
    """Of an event: how it is tried again."""
    start_from: str | None = None
    """Of an event: where a new subscription begins; None: with the next event."""


def action(
    hook: str,
    *,
    priority: int = DEFAULT_PRIORITY,
    condition: str | None = None,
    timeout_ms: int | None = None,
    failure_policy: str = "continue",
    own_echo: bool = False,
    description: str = "",
) -> Callable[[_Method], _Method]:
    """Run the method inside each dispatch of the hook.

    Args:
        hook: The hook's name, of the catalogue or the ISP's own.
        priority: 1 to 1000; lower runs earlier, ties by plugin name, then method.
        condition: A CEL expression over the payload; the method runs only where it is true.
        timeout_ms: The call's own deadline in milliseconds, within the dispatch's.
        failure_policy: `continue` (the next subscription runs) or `stop` (the dispatch ends).
        own_echo: Also run for a dispatch that this plugin itself caused.
        description: For the operator; default: the first line of the method's docstring.
    """
    policy = _policy(failure_policy)
    return _decorator(
        Declaration(hook, HookType.ACTION, "", priority, condition, timeout_ms, policy, own_echo, description)
    )


def filter(  # noqa: A001  the specification's word for this hook type
    hook: str,
    *,
    priority: int = DEFAULT_PRIORITY,
    condition: str | None = None,
    timeout_ms: int | None = None,
    failure_policy: str = "continue",
    own_echo: bool = False,
    description: str = "",
) -> Callable[[_Method], _Method]:
    """Let the method change the hook's value: it gets a copy of its own and returns the new value, or None to leave it; arguments as for `action`."""
    policy = _policy(failure_policy)
    return _decorator(
        Declaration(hook, HookType.FILTER, "", priority, condition, timeout_ms, policy, own_echo, description)
    )


def event(
    hook: str,
    *,
    priority: int = DEFAULT_PRIORITY,
    condition: str | None = None,
    timeout_ms: int | None = None,
    failure_policy: str = "continue",
    own_echo: bool = False,
    description: str = "",
    retry: Mapping[str, float] | None = None,
    start_from: str | None = None,
) -> Callable[[_Method], _Method]:
    """Tell the method of the hook after its dispatch has ended; arguments as for `action`, and these.

    Args:
        hook: As for `action`.
        priority: As for `action`.
        condition: As for `action`.
        timeout_ms: Deadline of one attempt, in milliseconds.
        failure_policy: As for `action`.
        own_echo: As for `action`.
        description: As for `action`.
        retry: How a failing event is tried again: `{"min_s": 5, "max_s": 600, "attempts": 20}` (first and longest pause in seconds, failures
            after which it is a dead letter); what is left out, or None, is the host's default.
        start_from: Where the subscription begins when it is made: `now` (None, too), `beginning` (of what is kept), or a time with
            its zone (`2026-01-31T00:00:00+00:00`).
    """
    policy = _policy(failure_policy)
    return _decorator(
        Declaration(
            hook,
            HookType.EVENT,
            "",
            priority,
            condition,
            timeout_ms,
            policy,
            own_echo,
            description,
            retry,
            start_from,
        )
    )


def declarations(cls: type) -> list[Declaration]:
    """Every subscription that a plugin's class declares, its own and inherited, in the order of definition, bases first."""
    names = dict.fromkeys(name for base in reversed(cls.__mro__) for name in vars(base))
    found: list[Declaration] = []
    for name in names:
        found += [replace(declaration, method=name) for declaration in _declared(cls, name)]
    return found


def _declared(cls: type, name: str) -> tuple[Declaration, ...]:
    """What is declared on the nearest definition of a name that carries declarations; nothing where the name is no method any more."""
    if not callable(getattr(cls, name, None)):
        return ()
    for base in cls.__mro__:
        declared: tuple[Declaration, ...] = getattr(vars(base).get(name), _ATTRIBUTE, ())
        if declared:
            return declared
    return ()


def _decorator(declaration: Declaration) -> Callable[[_Method], _Method]:
    """A decorator that attaches one declaration, its values checked."""
    kind, hook = declaration.type, declaration.hook
    if mistakes := _mistakes(declaration):
        raise DeclarationInvalidError(decorator=kind.value, summary="; ".join(mistakes))

    def attach(method: _Method) -> _Method:
        if not _is_method(method):
            raise DeclarationInvalidError(
                decorator=kind.value, summary=f"expected a method, got {type(method).__name__}"
            )
        present: tuple[Declaration, ...] = vars(method).get(_ATTRIBUTE, ())
        if any((other.hook, other.type) == (hook, kind) for other in present):
            raise DeclarationInvalidError(
                decorator=kind.value, summary=f"the method is bound to {hook!r} as {kind.value} already"
            )
        described = (
            declaration if declaration.description else replace(declaration, description=_first_line(method))
        )
        # A decorator written above another runs after it: so the order of the lines is kept.
        setattr(method, _ATTRIBUTE, (described, *present))
        return method

    return attach


def _policy(value: str) -> FailurePolicy:
    """The policy of that name; an unknown one is kept as it is, to be told with the other mistakes."""
    return FailurePolicy(value) if value in list(FailurePolicy) else value  # type: ignore[return-value]  # refused by _mistakes


def _mistakes(declaration: Declaration) -> list[str]:
    """What is wrong with a decorator's arguments."""
    hook: Any = declaration.hook
    if callable(hook):
        return ['write the hook\'s name in brackets, as in @action("customer_created")']
    mistakes = []
    if not isinstance(hook, str) or not HOOK_NAME.fullmatch(hook):
        mistakes.append(f"hook: expected a name like customer_created ({HOOK_NAME.pattern}), got {hook!r}")
    if not _is_int(declaration.priority) or not MIN_PRIORITY <= declaration.priority <= MAX_PRIORITY:
        mistakes.append(f"priority: expected {MIN_PRIORITY} to {MAX_PRIORITY}, got {declaration.priority!r}")
    condition: Any = declaration.condition
    if condition is not None and (not isinstance(condition, str) or not condition.strip()):
        mistakes.append(f"condition: expected a CEL expression or None, got {condition!r}")
    timeout_ms = declaration.timeout_ms
    if timeout_ms is not None and (not _is_int(timeout_ms) or timeout_ms < 1):
        mistakes.append(f"timeout_ms: expected at least 1 or None, got {timeout_ms!r}")
    if declaration.failure_policy not in list(FailurePolicy):
        mistakes.append(f"failure_policy: expected continue or stop, got {declaration.failure_policy!r}")
    return [*mistakes, *_mistakes_of_events(declaration.retry, declaration.start_from)]


def _mistakes_of_events(retry: Any, start_from: Any) -> list[str]:
    """What is wrong with what only events have."""
    mistakes = []
    if retry is not None and (not isinstance(retry, Mapping) or retry.keys() - RETRY.keys()):
        mistakes.append(f"retry: expected an object of {', '.join(RETRY)} or None, got {retry!r}")
    elif retry is not None:
        for name, value in retry.items():
            low, high = RETRY[name]
            fits = _is_int(value) or (isinstance(value, float) and name != "attempts")
            if not fits or not low <= value <= high:
                mistakes.append(f"retry.{name}: expected {low:g} to {high:,}, got {value!r}")
        if not mistakes and retry.get("min_s", 1.0) > retry.get("max_s", 3600.0):
            mistakes.append(f"retry.min_s: expected at most max_s, got {retry!r}")
    if start_from is not None and not _is_place(start_from):
        mistakes.append(
            f"start_from: expected now, beginning or a time with its zone like 2026-01-31T00:00:00+00:00, got {start_from!r}"
        )
    return mistakes


def _is_place(value: Any) -> bool:
    """Whether it is a place in the events."""
    if value in {"now", "beginning"}:
        return True
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False


def _is_method(method: Any) -> bool:
    """Whether data can be attached to it and it can be called once it is in a class."""
    return hasattr(method, "__dict__") and (
        callable(method) or isinstance(method, (staticmethod, classmethod))
    )


def _is_int(value: Any) -> bool:
    """Whether a value is a whole number (True is not)."""
    return isinstance(value, int) and not isinstance(value, bool)


def _first_line(method: Any) -> str:
    """The first line of a method's docstring."""
    return next(iter((getattr(method, "__doc__", None) or "").strip().splitlines()), "")
