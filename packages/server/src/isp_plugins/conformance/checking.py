"""What a check is: a function over a session, whose docstring is the rule that it checks."""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from isp_plugins.conformance.session import Session
from isp_plugins.conformance.vocabulary import DEFAULT_LIMIT, Stage


@dataclass(frozen=True, slots=True)
class Check:
    """One rule of the protocol."""

    name: str
    rule: str
    run: Callable[[Session], Awaitable[None]]
    stage: Stage
    """How far the worker is brought first."""
    methods: tuple[str, ...]
    """The methods of the conformance plugin that it needs."""
    capability: str | None
    """What the plugin must be able to do; where it cannot, the check is skipped."""
    limit: int
    """`max_message_bytes`."""


def check(
    stage: Stage,
    *,
    methods: tuple[str, ...] = (),
    capability: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Callable[[Callable[[Session], Awaitable[None]]], Check]:
    """Make a check of a function; its name is the function's, its rule the docstring."""

    def make(function: Callable[[Session], Awaitable[None]]) -> Check:
        name = function.__name__.replace("_", "-")
        rule = " ".join(inspect.getdoc(function).split()) if function.__doc__ else ""  # type: ignore[union-attr]
        return Check(name, rule, function, stage, methods, capability, limit)

    return make
