"""One server process for each module of these tests."""

import pytest

from support.server import api_server


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A running server, used over HTTP and by the command line."""
    with api_server(tmp_path_factory.mktemp("templates")) as running:
        yield running


@pytest.fixture(scope="module")
def api(server):
    """A client with the admin's key."""
    return server.admin
