"""`upgrade`, `releases` and `rollback` as an operator types them, with real packages."""

import json

import pytest

from support.commands import run
from support.installing import MANIFEST, installed, plugin

BELOW_9 = MANIFEST.replace("[grants]", '[requires]\nhost = "<9"\n\n[grants]', 1)


@pytest.fixture
def isp(server):
    """Runs a command against the server, as somebody at its machine."""
    return lambda *arguments: run(*arguments, cwd=server.process.folder)


def test_plugin_is_upgraded_and_rolled_back(isp, api, packages):
    first = plugin(packages / "1", "climbing", "dep==1.0")
    second = plugin(packages / "2", "climbing", "dep==2.0", version="1.1.0")
    plugin_id = installed(api, first, auto_enable=True, configuration={"greeting": "hi"})["id"]

    tried = isp("upgrade", "climbing", second, "--dry-run")
    assert tried.returncode == 0, tried.stderr
    assert "would go from 1.0.0 to 1.1.0. Nothing was changed." in tried.stdout
    done = isp("upgrade", "climbing", second)
    assert done.returncode == 0, done.stderr
    assert "climbing is version 1.1.0 now (active)" in done.stdout
    info = api.post(f"/plugins/{plugin_id}/execute", json={"method_name": "version", "parameters": {}})
    assert info.json()["result"] == "2.0"

    again = isp("upgrade", "climbing", second)
    assert again.returncode == 1
    assert "is version 1.1.0 already" in again.stderr
    kept = json.loads(isp("releases", "climbing", "--json").stdout)["items"]
    assert [(one["version"], one["is_current"]) for one in kept] == [("1.1.0", True), ("1.0.0", False)]

    back = isp("rollback", "climbing")
    assert back.returncode == 0, back.stderr
    assert "climbing is version 1.0.0 now (active)" in back.stdout
    refused = isp("rollback", "climbing", "--to", "7.0.0")
    assert refused.returncode == 1
    assert "Kept are: 1.1.0" in refused.stderr


def test_api_refuses_what_an_upgrade_cannot_do(api, packages):
    plugin_id = installed(api, plugin(packages, "still"))["id"]
    body = {"source_type": "git", "source_location": "https://git.example.net/x.git", "auto_enable": True}
    answer = api.post(f"/plugins/{plugin_id}/upgrade", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, "auto_enable")
    answer = api.post(f"/plugins/{plugin_id}/upgrade?dry_run=perhaps", json=body)
    assert answer.status_code == 422
    answer = api.post(f"/plugins/{plugin_id}/rollback", json={})
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/release-not-kept")


def test_plugin_is_rolled_back_where_no_server_runs(isp, server, api, packages):
    first = plugin(packages / "1", "resting")
    second = plugin(packages / "2", "resting", version="1.1.0")
    plugin_id = installed(api, first, configuration={"greeting": "hi"})["id"]
    assert isp("upgrade", "resting", second, "--config", "greeting=bye").returncode == 0
    refused = isp("rollback", "resting", "--offline")
    assert refused.returncode == 1  # the server holds the lock
    server.process.stop()
    try:
        done = isp("rollback", "resting", "--offline")
        checked = isp("check", "--against", "9.1", "--offline", "--json")
        wrong = isp("check", "--against", ">9", "--offline")
    finally:
        server.process.start()
    assert done.returncode == 0, done.stderr
    assert "resting is version 1.0.0 now" in done.stdout
    assert checked.returncode == 4, checked.stderr
    assert {one["name"]: one["version"] for one in json.loads(checked.stdout)["items"]}["resting"] == "1.0.0"
    assert wrong.returncode == 1
    assert "must be one like 1.4.0" in wrong.stderr
    assert api.get(f"/plugins/{plugin_id}").json()["version"] == "1.0.0"
    values = api.get(f"/plugins/{plugin_id}/config/").json()["items"]
    assert {one["key"]: one["value"] for one in values}["greeting"] == "hi"


def test_check_tells_what_another_host_would_not_load(isp, server, api, packages):
    installed(api, plugin(packages, "staying", manifest=BELOW_9))
    fine = isp("check", "--against", "0.2.0")
    assert fine.returncode == 0, fine.stderr
    assert "Every plugin would load on isp-plugins 0.2.0" in fine.stdout
    found = isp("check", "--against", "9.1", "--json")
    assert found.returncode == 4, found.stderr
    report = json.loads(found.stdout)
    (one,) = [one for one in report["items"] if one["name"] == "staying"]
    assert {reason["kind"] for reason in one["reasons"]} == {"host", "sdk"}
    python = isp("check", "--against", "0.2.0", "--python", "3.99")
    assert python.returncode == 4
    assert "an environment for Python 3." in python.stdout
    answer = api.get("/plugins/check", params={"against": "the newest"})
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/target-version-invalid")
