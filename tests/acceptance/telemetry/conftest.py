"""One server process for each module of these tests."""

import pytest

from support.server import api_server


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A running server, used over HTTP only."""
    with api_server(tmp_path_factory.mktemp("telemetry"), ISP_PLUGINS_STATISTICS_INTERVAL="0.2") as running:
        yield running


@pytest.fixture(scope="module")
def api(server):
    """A client with the admin's key."""
    return server.admin
