"""A kit for sandboxed children, made once for each worker of the suite."""

import platform

import pytest

from isp_plugin_sdk.sandbox import landlock
from isp_plugin_sdk.sandbox.probe import filters
from support.sandbox import Kit


def pytest_collection_modifyitems(items):
    lacking = platform.machine() != "x86_64" or not filters() or landlock.abi() < 4
    for item in items:
        if lacking and "integration/sandbox" in str(item.path):
            item.add_marker(pytest.mark.skip(reason="needs x86_64, seccomp and Landlock ABI 4"))


@pytest.fixture(scope="session")
def kit():
    made = Kit()
    yield made
    made.remove()
