"""Nodes on a PostgreSQL database of the test's own."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from support.converging import Nodes


@pytest.fixture
async def nodes(postgres_url: str, tmp_path: Path) -> AsyncIterator[Nodes]:
    """None are open yet; all are closed at the end."""
    async with AsyncExitStack() as stack:
        yield Nodes(postgres_url, tmp_path, stack)
