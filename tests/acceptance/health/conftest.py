"""Servers whose pauses are short, so that healing can be watched."""

import pytest

from support.health import QUICK
from support.server import api_server


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server that heals quickly, and stays in quarantine for the ten minutes of the default."""
    with api_server(tmp_path_factory.mktemp("health"), **QUICK) as running:
        yield running
