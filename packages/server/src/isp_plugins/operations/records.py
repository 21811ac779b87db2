"""An operation as a value, and its changes as pure functions.

1. States: `queued`, `running`, then one of the ended ones, for good.
2. Progress goes from 0 to 1: each step counts the same, and a step may tell how far it is itself.
3. An error is kept as the problem that the API shows: which, what it says, its single mistakes, and the step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from isp_plugins.actors import Actor
from isp_plugins.errors import PluginSystemError


class OperationState(StrEnum):
    """How far an operation is."""

    QUEUED = "queued"
    """It waits until another one has ended."""
    RUNNING = "running"
    """It is worked on."""
    SUCCEEDED = "succeeded"
    """It did what was asked for."""
    FAILED = "failed"
    """It did not; what it had done was undone."""
    CANCELLED = "cancelled"
    """Somebody cancelled it; what it had done was undone."""
    INTERRUPTED = "interrupted"
    """The server was stopped or killed meanwhile; what it had done was undone."""


ENDED = frozenset(
    {OperationState.SUCCEEDED, OperationState.FAILED, OperationState.CANCELLED, OperationState.INTERRUPTED}
)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the work."""

    name: str
    began: datetime | None = None
    ended: datetime | None = None
    detail: str = ""
    """What it does just now, or what came of it."""

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> "Step":
        """A step as a row keeps it."""
        return cls(raw["name"], _moment(raw["began"]), _moment(raw["ended"]), raw["detail"])

    def to_row(self) -> dict[str, Any]:
        """As a row keeps it."""
        return {
            "name": self.name,
            "began": self.began.isoformat() if self.began else None,
            "ended": self.ended.isoformat() if self.ended else None,
            "detail": self.detail,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One piece of long work, as it is now."""

    id: int
    kind: str
    subject: str
    """What it is about: a plugin's name, once that is known."""
    state: OperationState
    steps: tuple[Step, ...]
    progress: float
    actor: Mapping[str, Any]
    """Who asked: `{type, id, name, source}`."""
    request: Mapping[str, Any]
    result: Mapping[str, Any] | None
    error: Mapping[str, Any] | None
    """`{problem, detail, step, errors}`."""
    node: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None

    @property
    def is_ended(self) -> bool:
        """Whether nothing of it changes any more."""
        return self.state in ENDED

    @property
    def step(self) -> Step | None:
        """The step under way, or the last that was."""
        return next((step for step in reversed(self.steps) if step.began), None)

    def reached(self, name: str) -> bool:
        """Whether the step was begun."""
        return any(step.name == name and step.began for step in self.steps)


def begun(operation: Operation, name: str, now: datetime) -> Operation:
    """The operation with a step begun; those left out before it count as done."""
    return _with_step(operation, replace(_step(operation, name), began=now, detail=""), 0.0)


def at(operation: Operation, name: str, fraction: float, detail: str | None) -> Operation:
    """The operation with a step so far (0 to 1)."""
    step = _step(operation, name)
    step = step if detail is None else replace(step, detail=detail)
    return _with_step(operation, step, min(max(fraction, 0.0), 1.0))


def done(operation: Operation, name: str, now: datetime) -> Operation:
    """The operation with a step ended."""
    return _with_step(operation, replace(_step(operation, name), ended=now), 1.0)


def ended(
    operation: Operation,
    state: OperationState,
    now: datetime,
    *,
    result: Mapping[str, Any] | None = None,
    error: PluginSystemError | None = None,
) -> Operation:
    """The operation at its end."""
    steps = tuple(
        replace(step, ended=now) if step.began and not step.ended else step for step in operation.steps
    )
    return replace(
        operation,
        state=state,
        steps=steps,
        progress=1.0 if state is OperationState.SUCCEEDED else operation.progress,
        result=result,
        error=_problem(error, operation) if error is not None else None,
        ended_at=now,
    )


def actor_row(actor: Actor) -> dict[str, Any]:
    """Who asked, as a row keeps it."""
    return asdict(actor) | {"type": actor.type.value}


def _problem(error: PluginSystemError, operation: Operation) -> dict[str, Any]:
    step = operation.step
    return {
        "problem": error.problem,
        "detail": error.message,
        "step": step.name if step else None,
        "errors": list(error.details),
    }


def _step(operation: Operation, name: str) -> Step:
    return next(step for step in operation.steps if step.name == name)


def _with_step(operation: Operation, changed: Step, fraction: float) -> Operation:
    steps = tuple(changed if step.name == changed.name else step for step in operation.steps)
    return replace(operation, steps=steps, progress=_progress(steps, changed.name, fraction))


def _progress(steps: Sequence[Step], name: str, fraction: float) -> float:
    before = next(number for number, step in enumerate(steps) if step.name == name)
    return round((before + fraction) / len(steps), 4)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
