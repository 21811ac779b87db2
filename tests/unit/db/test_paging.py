"""Pages of lists."""

import pytest
from sqlalchemy import select

from isp_plugins.db.engine import Database
from isp_plugins.db.paging import Page, fetch_page, page_of
from isp_plugins.db.tables import Role


@pytest.mark.parametrize(("total", "pages"), [(0, 0), (1, 1), (20, 1), (21, 2), (40, 2)])
def test_pages_are_counted_up(total: int, pages: int) -> None:
    assert Page([], total, 1, 20).pages == pages


def test_a_page_of_a_sequence() -> None:
    assert page_of(range(10), page=2, size=4) == Page(range(4, 8), 10, 2, 4)


def test_a_page_beyond_the_last_is_empty() -> None:
    assert list(page_of(range(10), page=9, size=4).items) == []


def test_a_page_is_converted_item_by_item() -> None:
    assert Page([1, 2], 5, 1, 2).map(str) == Page(["1", "2"], 5, 1, 2)


@pytest.mark.parametrize(
    ("page", "names"), [(1, ["admin", "caller"]), (3, ["viewer"]), (4, []), (10**30, [])]
)
async def test_a_page_of_a_table(database: Database, page: int, names: list[str]) -> None:
    async with database.reading() as session:
        found = await fetch_page(session, select(Role).order_by(Role.name), page=page, size=2)
    assert ([role.name for role in found.items], found.total, found.pages) == (names, 5, 3)
