"""One page of a list: the shape that every list in the product has."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

T = TypeVar("T")
U = TypeVar("U")
LAST_OFFSET = 2**62
"""Beyond what either database counts to: a page further on is empty, not an error."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """The items of page `page` (from 1) of `size`, out of `total`."""

    items: Sequence[T]
    total: int
    page: int
    size: int

    @property
    def pages(self) -> int:
        """How many pages there are; 0 when there is nothing."""
        return -(-self.total // self.size)

    def map(self, convert: Callable[[T], U]) -> "Page[U]":
        """The same page of converted items."""
        return Page([convert(item) for item in self.items], self.total, self.page, self.size)


def page_of(items: Sequence[T], *, page: int, size: int) -> Page[T]:
    """One page of a sequence in memory."""
    start = (page - 1) * size
    return Page(items[start : start + size], len(items), page, size)


async def fetch_page(session: AsyncSession, statement: Select[Any], *, page: int, size: int) -> Page[Any]:
    """One page of an ordered select of one entity (or column), with the total of the same snapshot."""
    total = await session.scalar(select(func.count()).select_from(statement.order_by(None).subquery())) or 0
    offset = min((page - 1) * size, LAST_OFFSET)
    rows = (await session.scalars(statement.limit(size).offset(offset))).all() if offset < total else []
    return Page(rows, total, page, size)
