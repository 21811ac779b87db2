"""The lifecycle's house on a SQLite database."""

from collections.abc import AsyncIterator

import pytest

from isp_plugins.db.engine import Database
from isp_plugins.keyring import KeyRing
from isp_plugins.settings import Settings
from isp_plugins.testing import FakeClock
from support.fakes_lifecycle import House


@pytest.fixture
async def house(
    sqlite_database: Database, keyring: KeyRing, clock: FakeClock, settings: Settings
) -> AsyncIterator[House]:
    """A started node without plugins."""
    house = House(sqlite_database, keyring, clock, settings)
    await house.manager.reconcile()
    yield house
    await house.manager.close()
