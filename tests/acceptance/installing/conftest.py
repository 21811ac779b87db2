"""One server for each module, whose plugins' dependencies come from a folder of wheels."""

import pytest

from support.commands import PATIENT
from support.installing import index
from support.server import api_server


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A running server, used over HTTP and by command line only."""
    folder = tmp_path_factory.mktemp("installing")
    links = index(folder / "links")
    (folder / "allowed").mkdir()
    with api_server(
        folder,
        **PATIENT,
        ISP_PLUGINS_PACKAGE_FIND_LINKS=str(links),
        ISP_PLUGINS_PACKAGE_OFFLINE="yes",
        ISP_PLUGINS_LOCAL_SOURCES=str(folder / "allowed"),
    ) as running:
        yield running


@pytest.fixture(scope="module")
def api(server):
    """A client with the admin's key."""
    return server.admin


@pytest.fixture
def packages(tmp_path):
    """Where a test's packages are made."""
    return tmp_path / "packages"
