"""The SDK's contract with a plugin: its author cannot tell where it runs, in the harness of the SDK, in the host's process or in a worker.

Each test hands the plugin a few lines to run as the body of one of its methods, plain or `async def`; one instance serves a module's tests.
"""

import textwrap

import pytest

from isp_plugin_sdk.testing import FakeHost
from support.contract_plugin import FILES, REGISTRATION, WORDS
from support.runtime_harness import HARNESSES


@pytest.fixture(scope="module", params=HARNESSES)
def harness(request, tmp_path_factory):
    """One instance that serves the module's tests."""
    folder = tmp_path_factory.mktemp("contract")
    for name, source in FILES.items():
        file = folder / "plugins" / "contract" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(source))
    kind = HARNESSES[request.param]
    made = kind.from_registration(REGISTRATION, {"names": ["a"]}, folder=folder, plugin_id=17, deadline_s=60)
    with made as running:
        yield running
    assert running.host.storage["cleaned"][:3] == ["constructed", "initialized", "activated"]


@pytest.fixture(autouse=True)
def host(harness):
    """The host that the plugin talks to, with nothing in it."""
    fresh = FakeHost()
    harness.host.__dict__.update(fresh.__dict__)
    return harness.host


@pytest.fixture(params=["plain", "coroutine"])
def run(harness, request):
    """Run lines as the body of a plain method, and of a coroutine (where `wait` awaits)."""
    words = WORDS[request.param]

    def body(code, payload=None, **options):
        filled = textwrap.dedent(code).strip()
        for word, meant in words.items():
            filled = filled.replace(word, meant)
        if "return" not in filled and "raise" not in filled:
            filled = f"return {filled}"
        return harness.action(request.param, {"code": filled, "payload": payload}, **options)

    return body
