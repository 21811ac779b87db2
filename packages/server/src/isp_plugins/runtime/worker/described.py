"""What a worker's answer to `initialize` says of its plugin, read and checked."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from isp_plugins.contracts.runtime import DeclaredHook, DeclaredSchedule
from isp_plugins.contracts.vocabulary import SubscriptionType


class NotDescribedError(ValueError):
    """The answer to `initialize` is not what it must be; the text says where."""


@dataclass(frozen=True, slots=True)
class Method:
    """One method that may be called."""

    takes_payload: bool
    signature: str


@dataclass(frozen=True, slots=True)
class Described:
    """A plugin as its worker describes it."""

    name: str
    """Of its class."""
    hooks: Sequence[DeclaredHook] = ()
    methods: Mapping[str, Method] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    """Names that may not be called, and why."""
    capabilities: frozenset[str] = frozenset()
    schedules: Sequence[DeclaredSchedule] = ()

    @classmethod
    def of(cls, name: str, answer: Any) -> "Described":
        """Read an answer; `NotDescribedError`."""
        try:
            return cls(
                name,
                tuple(_hook(one) for one in answer.get("hooks", ())),
                {
                    str(one["name"]): Method(
                        one.get("takes_payload") is not False, str(one.get("signature", "(...)"))
                    )
                    for one in answer.get("methods", ())
                },
                {str(key): str(why) for key, why in answer.get("refused", {}).items()},
                frozenset(map(str, answer.get("capabilities", ()))),
                tuple(
                    DeclaredSchedule(str(one["method"]), str(one["cron"]))
                    for one in answer.get("schedules", ())
                ),
            )
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
            raise NotDescribedError(
                f"its answer to initialize is not {{hooks, methods, capabilities}}: {type(error).__name__}: {error}"
            ) from None

    def choices(self, method: str) -> str:
        """What could have been meant."""
        close = difflib.get_close_matches(method, self.methods, n=1)
        if close:
            return f"Perhaps you mean {close[0]}"
        names = ", ".join(self.methods)
        return f"Its methods are: {names}" if names else "It defines no public methods"


def _retry(given: Any) -> dict[str, float] | None:
    """What bounds an event's retries; whether the numbers may be those is checked with the subscription."""
    if given is None:
        return None
    found = {name: int(value) if name == "attempts" else float(value) for name, value in given.items()}
    if unknown := found.keys() - {"min_s", "max_s", "attempts"}:
        raise ValueError(f"retry: {', '.join(sorted(unknown))} is none of min_s, max_s and attempts")
    return found


def _hook(one: Mapping[str, Any]) -> DeclaredHook:
    timeout = one.get("timeout_ms")
    condition = one.get("condition")
    return DeclaredHook(
        hook=str(one["hook"]),
        type=SubscriptionType(one["type"]),
        method=str(one["method"]),
        priority=int(one.get("priority", 100)),
        condition=None if condition is None else str(condition),
        timeout_ms=None if timeout is None else int(timeout),
        failure_policy=str(one.get("failure_policy", "continue")),
        own_echo=one.get("own_echo") is True,
        description=str(one.get("description", "")),
        retry=_retry(one.get("retry")),
        start_from=None if one.get("start_from") is None else str(one["start_from"]),
    )
