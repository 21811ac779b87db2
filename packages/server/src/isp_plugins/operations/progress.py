"""What the work of an operation is given: it says which step it is in and how far, and learns here that it was cancelled.

1. Cancelling is looked for when a step begins; inside a step that may be interrupted, the work is interrupted (`asyncio.CancelledError`).
2. It is interrupted once: what it does to undo itself, outside its steps, is never interrupted.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from isp_plugins.clock import Clock
from isp_plugins.operations import records
from isp_plugins.operations.records import Operation

Save = Callable[[Operation], Awaitable[None]]


class Progress:
    """One operation under way, as its work sees it; the service holds the other end."""

    def __init__(self, operation: Operation, *, clock: Clock, save: Save) -> None:
        self.operation = operation
        self.task: asyncio.Task[None] | None = None
        self.changed = asyncio.Event()
        """Set once, at the next change; then there is another."""
        self.ended = asyncio.Event()
        self.cancelled_by: str | None = None
        """Who cancelled it; None: nobody."""
        self.is_interruptible = True
        """While it is queued, and inside steps that say so."""
        self._clock = clock
        self._save = save

    @asynccontextmanager
    async def step(self, name: str, *, interruptible: bool = True) -> AsyncIterator[None]:
        """Do one of the steps that were announced; the next one that begins ends this one."""
        self.check()
        self.show(records.begun(self.operation, name, self._clock.now()))
        await self._save(self.operation)
        self.check()
        self.is_interruptible = interruptible
        try:
            yield
        finally:
            self.is_interruptible = False
        self.show(records.done(self.operation, name, self._clock.now()))

    def at(self, fraction: float, detail: str | None = None) -> None:
        """Tell how far the present step is (0 to 1); shown at once, stored with the next step."""
        if (step := self.operation.step) is not None:
            self.show(records.at(self.operation, step.name, fraction, detail))

    def detail(self, text: str) -> None:
        """Tell what the present step does, or what came of it."""
        if (step := self.operation.step) is not None:
            steps = tuple(
                replace(each, detail=text) if each.name == step.name else each
                for each in self.operation.steps
            )
            self.show(replace(self.operation, steps=steps))

    def about(self, subject: str) -> None:
        """Tell what it is about, once that is known."""
        self.show(replace(self.operation, subject=subject))

    def check(self) -> None:
        """Raise `asyncio.CancelledError` if somebody cancelled it."""
        if self.cancelled_by is not None:
            raise asyncio.CancelledError

    def cancel(self, who: str) -> None:
        """Ask it to end; it does so as soon as it can."""
        if self.cancelled_by is not None:
            return
        self.cancelled_by = who
        if self.is_interruptible and self.task is not None:
            self.task.cancel()

    def show(self, operation: Operation) -> None:
        """Let everyone who follows it see this."""
        self.operation = operation
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()
