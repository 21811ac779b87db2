"""One server process for each module of log tests."""

import pytest

from support.log_stream import CHATTY
from support.server import api_server


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A running server, used over HTTP only."""
    with api_server(tmp_path_factory.mktemp("logs")) as running:
        yield running


@pytest.fixture
def plugin(server):
    """An active plugin that logs what it is told."""
    return server.plugin(CHATTY, enabled=True)
