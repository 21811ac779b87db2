"""Rows of `operations` to values and back, always in the caller's session."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from isp_plugins.db.paging import Page, fetch_page
from isp_plugins.db.tables.operations import OperationRow
from isp_plugins.operations.errors import OperationNodeLostError
from isp_plugins.operations.records import ENDED, Operation, OperationState, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationFilters:
    """Which operations a list is about; None: all."""

    kind: str | None = None
    state: OperationState | None = None
    subject: str | None = None
    subjects: frozenset[str] | None = None
    """Only about these: what a key that is limited to some plugins may see."""


async def insert(session: AsyncSession, values: Mapping[str, Any]) -> Operation:
    """Store a new operation."""
    row = OperationRow(**values)
    session.add(row)
    await session.flush()
    return _operation(row)


async def save(session: AsyncSession, operation: Operation) -> None:
    """Store an operation as it is now."""
    values = {
        "subject": operation.subject,
        "state": operation.state.value,
        "steps": [step.to_row() for step in operation.steps],
        "progress": operation.progress,
        "result": dict(operation.result) if operation.result is not None else None,
        "error": dict(operation.error) if operation.error is not None else None,
        "started_at": operation.started_at,
        "ended_at": operation.ended_at,
    }
    await session.execute(update(OperationRow).where(OperationRow.id == operation.id).values(values))


async def get(session: AsyncSession, operation_id: int) -> Operation | None:
    """One operation."""
    row = await session.get(OperationRow, operation_id)
    return _operation(row) if row is not None else None


async def page(session: AsyncSession, filters: OperationFilters, number: int, size: int) -> Page[Operation]:
    """Operations that match, newest first."""
    statement = select(OperationRow).order_by(OperationRow.id.desc())
    for column, value in (
        (OperationRow.kind, filters.kind),
        (OperationRow.state, filters.state.value if filters.state else None),
        (OperationRow.subject, filters.subject),
    ):
        if value is not None:
            statement = statement.where(column == value)
    if filters.subjects is not None:
        statement = statement.where(OperationRow.subject.in_(filters.subjects))
    return (await fetch_page(session, statement, page=number, size=size)).map(_operation)


async def unfinished(session: AsyncSession, node: str) -> Sequence[Operation]:
    """What a node had not brought to its end, oldest first; also what others ended in its stead, since it was lost."""
    states = [state.value for state in OperationState if state not in ENDED]
    rows = await session.scalars(
        select(OperationRow)
        .where(
            OperationRow.node == node,
            OperationRow.state.in_([*states, OperationState.INTERRUPTED.value]),
        )
        .order_by(OperationRow.id)
    )
    found = [_operation(row) for row in rows]
    return [
        one
        for one in found
        if not one.is_ended or (one.error or {}).get("problem") == OperationNodeLostError.problem
    ]


async def delete_ended(session: AsyncSession, before: datetime | None, keep: int) -> None:
    """Drop operations that ended before a moment, and all but the newest `keep`; those under way stay."""
    over = OperationRow.ended_at.is_not(None)
    if before is not None:
        await session.execute(delete(OperationRow).where(over, OperationRow.ended_at < before))
    newest = await session.scalar(select(func.max(OperationRow.id))) or 0
    await session.execute(delete(OperationRow).where(over, OperationRow.id <= newest - keep))


def _operation(row: OperationRow) -> Operation:
    return Operation(
        id=row.id,
        kind=row.kind,
        subject=row.subject,
        state=OperationState(row.state),
        steps=tuple(Step.of(raw) for raw in row.steps),
        progress=row.progress,
        actor=row.actor,
        request=row.request,
        result=row.result,
        error=row.error,
        node=row.node,
        created_at=row.created_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
    )
