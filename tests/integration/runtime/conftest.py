"""A folder of plugins and a gate, of each test's own."""

import uuid

import pytest

from support.gates import gate
from support.runtime import PluginFolder, WorkerFolder


@pytest.fixture
def plugins(tmp_path):
    return PluginFolder(tmp_path)


@pytest.fixture
def workers(tmp_path):
    """A folder whose plugins run in workers."""
    return WorkerFolder(tmp_path)


@pytest.fixture(params=["in process", "worker"])
def anywhere(request, tmp_path):
    """The same folder in both runtimes: the author cannot tell the difference."""
    return PluginFolder(tmp_path) if request.param == "in process" else WorkerFolder(tmp_path)


@pytest.fixture
def hang():
    """`{hang}` in a plugin's source stands still there until the test is over; `{hang_async}` in a coroutine."""
    name = uuid.uuid4().hex
    yield Hang(name)
    gate(name).opened.set()


class Hang:
    def __init__(self, name):
        self.gate = gate(name)
        self.code = f"__import__('support.gates', fromlist=['gate']).gate({name!r}).wait()"
        self.code_async = f"await __import__('support.gates', fromlist=['gate']).gate({name!r}).wait_async()"
