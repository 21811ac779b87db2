"""A node over each of the two databases."""

import pytest

from isp_plugins.events import lines
from support.events import Inbox, post_office


@pytest.fixture(autouse=True)
def _patient(request, monkeypatch):
    """A busy machine's database is slow, not away; only what is about its being away goes by the product's own limit."""
    if request.path.stem != "test_outages":
        monkeypatch.setattr(lines, "PATIENCE_S", 60.0)


@pytest.fixture
async def post(database, keyring):
    """An open node with one plugin, `post.plugin`."""
    async with post_office(database, keyring, lease_s=5.0) as opened:
        yield opened


@pytest.fixture
def inbox():
    return Inbox()
