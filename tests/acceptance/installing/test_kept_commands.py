"""`kept` as an operator types it: nothing, then one plugin's values, then nothing again."""

import json

import pytest

from support.commands import run
from support.installing import installed, plugin


@pytest.fixture
def isp(server):
    """Runs a command against the server, as somebody at its machine."""
    return lambda *arguments: run(*arguments, cwd=server.process.folder)


@pytest.fixture
def kept(api, packages, isp):
    """A plugin that was uninstalled, with a value, a secret and a stored value kept."""
    wheel = plugin(packages, "gone")
    found = installed(api, wheel, auto_enable=True, configuration={"greeting": "hi", "password": "s3cret"})
    call = {"method_name": "welcome", "parameters": [{"id": 1}]}
    api.post(f"/plugins/{found['id']}/execute", json=call).raise_for_status()
    done = isp("uninstall", "gone", "--yes", "--keep", "configuration,storage")
    assert done.returncode == 0, done.stderr
    yield "gone"
    api.delete("/plugins/kept/gone")


def test_nothing_kept_is_said_with_how_to_keep(isp):
    listed = isp("kept", "list")
    assert (listed.returncode, "--keep configuration,storage" in listed.stdout) == (0, True)
    assert json.loads(isp("kept", "list", "--json").stdout) == {"items": []}


def test_kept_plugin_is_listed_and_shown_without_its_secret(isp, kept):
    (line,) = [line for line in isp("kept", "list").stdout.splitlines() if line.startswith(kept)]
    assert ("1.0.0" in line, "2 keys" in line, "1 value" in line) == (True, True, True), line
    shown = isp("kept", "show", kept).stdout
    assert ('{"greeting": "hi"}' in shown, "password" in shown, "count" in shown) == (True, True, True), shown
    document = isp("kept", "show", kept, "--json").stdout
    assert (json.loads(document)["secrets"], "s3cret" in document + shown) == (["password"], False)


def test_kept_plugin_is_dropped_after_a_question(isp, api, kept):
    asked = isp("kept", "drop", kept)
    assert asked.returncode == 1
    assert "Drop 2 configuration keys and 1 stored value of gone 1.0.0 for good" in asked.stderr
    assert len(api.get("/plugins/kept").json()["items"]) == 1
    dropped = isp("kept", "drop", kept, "--yes", "--json")
    assert json.loads(dropped.stdout)["dropped"] is True
    assert api.get("/plugins/kept").json()["items"] == []


def test_unknown_name_is_refused_with_where_to_look(isp):
    done = isp("kept", "drop", "never_was", "--yes")
    assert done.returncode == 1
    assert "Nothing is kept of a plugin named never_was" in done.stderr
