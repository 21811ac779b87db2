"""A node over each of the two databases."""

import pytest

from support.events import Inbox, post_office


@pytest.fixture
async def post(database, keyring):
    """An open node with one plugin, `post.plugin`."""
    async with post_office(database, keyring, lease_s=5.0) as opened:
        yield opened


@pytest.fixture
def inbox():
    return Inbox()
