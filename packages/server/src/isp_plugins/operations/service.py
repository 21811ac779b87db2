"""`Operations`: begins long work, works on it in the background, tells how far it is, cancels it, and brings to an end what a kill cut off.

1. An operation and its audit entry are stored before its work begins; each step is stored as it begins, the end with its audit entry.
2. So many work at a time (`concurrency`), the others are queued in the order in which they came.
3. What this node had not finished when it was stopped is handed to the recoverer of its kind at the next start: that finishes it, or undoes it.
4. Work undoes what it did before it raises; here is only written down how it ended.
"""

import asyncio
import errno
import logging
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

from isp_plugins.actors import Actor, ActorType
from isp_plugins.audit import AuditLog, AuditOutcome, AuditTag
from isp_plugins.clock import Clock
from isp_plugins.db.engine import Database
from isp_plugins.db.errors import DatabaseUnavailableError
from isp_plugins.db.paging import Page
from isp_plugins.errors import PluginSystemError
from isp_plugins.operations import records, store
from isp_plugins.operations.errors import (
    OperationBrokenError,
    OperationCancelledError,
    OperationDiskError,
    OperationElsewhereError,
    OperationEndedError,
    OperationInterruptedError,
    OperationNodeLostError,
    OperationNotFoundError,
)
from isp_plugins.operations.progress import Progress
from isp_plugins.operations.records import Operation, OperationState, Step
from isp_plugins.operations.store import OperationFilters
from isp_plugins.periodic import Periodic

TICK_S = 1.0
"""How often a follower looks up, and how old news from another node may be."""
CLEAN_EVERY_S = 3600.0
MOST_KEPT = 10_000
STOPPED = "the server's stop"

Work = Callable[[Progress], Awaitable[Mapping[str, Any] | None]]
"""Does the work and returns its result; raises what went wrong, everything undone."""
logger = logging.getLogger(__name__)


class Operations:
    """Long work on this node; `open` before and `close` after use, `recover` once its recoverers are known."""

    def __init__(
        self,
        database: Database,
        audit: AuditLog,
        *,
        node: str,
        clock: Clock,
        concurrency: int = 2,
        keep_days: float = 30.0,
    ) -> None:
        self._database = database
        self._audit = audit
        self._node = node
        self._clock = clock
        self._slots = asyncio.Semaphore(concurrency)
        self._keep_days = keep_days
        self._live: dict[int, Progress] = {}
        self._recoverers: dict[str, Work] = {}
        self._cleaning = Periodic(self._clean, CLEAN_EVERY_S, name="the retention of operations")
        self._closing = asyncio.Event()

    async def open(self) -> None:
        """Delete old ones from now on."""
        await self._clean()
        self._cleaning.start()

    async def close(self) -> None:
        """Interrupt what is worked on, and wait until it has undone itself."""
        self.end_following()
        for progress in list(self._live.values()):
            progress.cancel(STOPPED)
        tasks = [progress.task for progress in self._live.values() if progress.task is not None]
        if tasks:
            await asyncio.wait(tasks)
        await self._cleaning.stop()

    def end_following(self) -> None:
        """End every `follow`: the server stops."""
        self._closing.set()

    def recoverer(self, kind: str, work: Work) -> None:
        """Register what finishes an operation of this kind that a kill cut off, or undoes it and raises `OperationInterruptedError`."""
        self._recoverers[kind] = work

    async def recover(self) -> list[Operation]:
        """Bring to an end, in the background, what this node had not finished when it was stopped."""
        async with self._database.reading() as session:
            left = await store.unfinished(session, self._node)
        for operation in left:
            if operation.id not in self._live:
                again = replace(operation, state=OperationState.RUNNING, ended_at=None, error=None)
                self._start(
                    again if operation.is_ended else operation, self._recoverers.get(operation.kind, _undone)
                )
        return list(left)

    async def node_lost(self, node: str) -> None:
        """End, for whoever waits, what a node had under way that was lost; its next start brings it to its real end."""
        async with self._database.reading() as session:
            left = [one for one in await store.unfinished(session, node) if not one.is_ended]
        for operation in left:
            error = OperationNodeLostError(node=node, where=_where(operation))
            await self._save_end(
                records.ended(
                    operation, OperationState.INTERRUPTED, self._clock.now(), result=None, error=error
                )
            )

    async def begin(
        self,
        kind: str,
        subject: str,
        steps: Sequence[str],
        work: Work,
        actor: Actor,
        *,
        request: Mapping[str, Any] | None = None,
        after: Callable[[], Awaitable[None]] | None = None,
    ) -> Operation:
        """Store an operation and begin its work; `request` tells what was asked for, without any secret.

        `after` is awaited when it has ended, even if its work never began.
        """
        values = {
            "kind": kind,
            "subject": subject,
            "state": OperationState.QUEUED.value,
            "steps": [Step(name).to_row() for name in steps],
            "actor": records.actor_row(actor),
            "request": dict(request or {}),
            "node": self._node,
            "progress": 0.0,
            "created_at": self._clock.now(),
        }
        async with self._database.transaction() as session:
            operation = await store.insert(session, values)
            await self._audit.record(
                session,
                AuditTag.OPERATION_BEGUN,
                actor,
                subject=("operation", str(operation.id)),
                details={"kind": kind, "about": subject, **operation.request},
            )
        self._start(operation, work, after)
        return operation

    async def get(self, operation_id: int) -> Operation:
        """An operation as it is now; `OperationNotFoundError`."""
        if (live := self._live.get(operation_id)) is not None:
            return live.operation
        async with self._database.reading() as session:
            found = await store.get(session, operation_id)
        if found is None:
            raise OperationNotFoundError(operation=operation_id)
        return found

    async def page(self, filters: OperationFilters, page: int = 1, size: int = 50) -> Page[Operation]:
        """Operations that match, newest first."""
        async with self._database.reading() as session:
            found = await store.page(session, filters, page, size)
        return found.map(lambda one: self._live[one.id].operation if one.id in self._live else one)

    async def cancel(self, operation_id: int, actor: Actor) -> Operation:
        """Ask an operation to end and to undo itself, which may take a moment; `OperationEndedError`, `OperationElsewhereError`."""
        operation = await self.get(operation_id)
        if operation.is_ended:
            raise OperationEndedError(operation=operation_id, state=operation.state.value)
        progress = self._live.get(operation_id)
        if progress is None:
            raise OperationElsewhereError(operation=operation_id, node=operation.node)
        async with self._database.transaction() as session:
            await self._audit.record(
                session,
                AuditTag.OPERATION_CANCELLED,
                actor,
                subject=("operation", str(operation_id)),
                details={"kind": operation.kind, "about": operation.subject},
            )
        progress.cancel(actor.name)
        return progress.operation

    async def wait(self, operation_id: int, seconds: float) -> Operation:
        """The operation at its end, or after so many seconds as it is then."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not (operation := await self.get(operation_id)).is_ended:
                    await self._news(operation_id, ended=True)
                return operation
        return await self.get(operation_id)

    async def follow(self, operation_id: int) -> AsyncGenerator[Operation | None, None]:
        """The operation whenever it has changed, None every second in which it has not; ends after its end, or when the server stops."""
        last: Operation | None = None
        while not self._closing.is_set():
            operation = await self.get(operation_id)
            yield operation if operation != last else None
            if operation.is_ended:
                return
            last = operation
            await self._news(operation_id, since=operation)

    async def _news(self, operation_id: int, *, since: Operation | None = None, ended: bool = False) -> None:
        """Wait until the operation has changed, or ended, or a second has passed."""
        progress = self._live.get(operation_id)
        if progress is not None and since is not None and progress.operation != since:
            return
        event = asyncio.Event() if progress is None else progress.ended if ended else progress.changed
        with suppress(TimeoutError):
            async with asyncio.timeout(TICK_S):
                await event.wait()

    def _start(
        self, operation: Operation, work: Work, after: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        progress = Progress(operation, clock=self._clock, save=self._save)
        self._live[operation.id] = progress
        progress.task = asyncio.get_running_loop().create_task(
            self._run(progress, work, after), name=f"operation {operation.id}"
        )

    async def _run(self, progress: Progress, work: Work, after: Callable[[], Awaitable[None]] | None) -> None:
        """Work on it when its turn has come, and write down how it ended."""
        try:
            result, error = await self._outcome(progress, work), None
        except PluginSystemError as caught:
            result, error = None, caught
        if after is not None:
            await after()
        state = _state_of(error)
        operation = records.ended(progress.operation, state, self._clock.now(), result=result, error=error)
        try:
            await self._save_end(operation)
        except DatabaseUnavailableError:
            logger.exception("The end of operation %d could not be stored", operation.id)
        finally:
            self._live.pop(operation.id, None)
            progress.show(operation)
            progress.ended.set()

    async def _outcome(self, progress: Progress, work: Work) -> Mapping[str, Any] | None:
        """What the work returns; whatever it raises is an error of the product's own here."""
        try:
            async with self._slots:
                progress.is_interruptible = False
                progress.check()
                progress.show(
                    replace(
                        progress.operation,
                        state=OperationState.RUNNING,
                        started_at=progress.operation.started_at or self._clock.now(),
                    )
                )
                return await work(progress)
        except PluginSystemError:
            raise
        except asyncio.CancelledError:
            raise _cancelled(progress) from None
        except OSError as error:
            step = progress.operation.step
            cause = os.strerror(error.errno) if error.errno else str(error)
            if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}:
                logger.exception("Operation %d failed", progress.operation.id)
            raise OperationDiskError(step=step.name if step else "queued", cause=cause) from error
        except Exception as error:
            logger.exception("Operation %d failed unexpectedly", progress.operation.id)
            step = progress.operation.step
            raise OperationBrokenError(
                step=step.name if step else "queued", operation=progress.operation.id
            ) from error

    async def _save(self, operation: Operation) -> None:
        async with self._database.transaction() as session:
            await store.save(session, operation)

    async def _save_end(self, operation: Operation) -> None:
        outcome = AuditOutcome.DONE if operation.state is OperationState.SUCCEEDED else AuditOutcome.FAILED
        details = {"kind": operation.kind, "about": operation.subject, "state": operation.state.value}
        if operation.error is not None:
            details |= {"problem": operation.error["problem"], "step": operation.error["step"]}
        async with self._database.transaction() as session:
            await store.save(session, operation)
            await self._audit.record(
                session,
                AuditTag.OPERATION_ENDED,
                _actor_of(operation),
                subject=("operation", str(operation.id)),
                details=details,
                outcome=outcome,
            )

    async def _clean(self) -> None:
        before = self._clock.now() - timedelta(days=self._keep_days) if self._keep_days else None
        async with self._database.transaction() as session:
            await store.delete_ended(session, before, MOST_KEPT)


async def _undone(progress: Progress) -> Mapping[str, Any] | None:
    """What becomes of an operation whose kind nobody recovers: nothing of it is left but its row."""
    raise interrupted(progress.operation)


def interrupted(operation: Operation) -> OperationInterruptedError:
    """What an operation ends with that a stop cut off, and that was undone."""
    return OperationInterruptedError(where=_where(operation))


def _cancelled(progress: Progress) -> PluginSystemError:
    if progress.cancelled_by in {None, STOPPED}:
        return interrupted(progress.operation)
    return OperationCancelledError(who=progress.cancelled_by, where=_where(progress.operation))


def _where(operation: Operation) -> str:
    return f" in step {operation.step.name}" if operation.step else ""


def _state_of(error: PluginSystemError | None) -> OperationState:
    if error is None:
        return OperationState.SUCCEEDED
    if isinstance(error, OperationCancelledError):
        return OperationState.CANCELLED
    return (
        OperationState.INTERRUPTED if isinstance(error, OperationInterruptedError) else OperationState.FAILED
    )


def _actor_of(operation: Operation) -> Actor:
    raw = dict(operation.actor)
    return Actor(ActorType(raw["type"]), raw["id"], raw["name"], raw.get("source"))
