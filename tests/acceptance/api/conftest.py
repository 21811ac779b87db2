"""One server process for each module of API tests; every test brings plugins and keys of its own."""

import pytest

from support.server import api_server


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A running server, used over HTTP only."""
    with api_server(tmp_path_factory.mktemp("api")) as running:
        yield running


@pytest.fixture(scope="module")
def api(server):
    """A client with the admin's key."""
    return server.admin
