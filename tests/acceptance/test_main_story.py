"""The main job: a plugin registered over HTTP is configured, enabled and hooked, and the welcome mail arrives; kill -9 changes nothing."""

import json
import shutil
import sqlite3

import pytest

from support.commands import ROOT, serving
from support.examples import RUNTIMES
from support.mail import mailbox

EXAMPLE = ROOT / "examples" / "plugins" / "email_notification"
CUSTOMER = {"id": 7, "name": "Ada", "emails": ["ada@example.org"]}
PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="module", params=RUNTIMES)
def story(request, tmp_path_factory):
    """A server on which the operator did everything, the mailbox, and the dispatch's answer."""
    folder = tmp_path_factory.mktemp("story")
    shutil.copytree(
        EXAMPLE, folder / "var" / "plugins" / EXAMPLE.name, ignore=shutil.ignore_patterns("tests")
    )
    with mailbox(folder, username="isp", password=PASSWORD) as mail, serving(folder) as server:
        with server.client() as api:
            plugin = (
                api.post("/plugins/", json=registration() | {"runtime": request.param})
                .raise_for_status()
                .json()
            )
            values = {
                "smtp_server": "localhost", "smtp_port": mail.port, "username": "isp", "password": PASSWORD,
                "from_address": "isp@example.net", "ca_file": str(mail.ca_file),
            }  # fmt: skip
            api.put(f"/plugins/{plugin['id']}/config", json={"values": values}).raise_for_status()
            api.post(f"/plugins/{plugin['id']}/enable").raise_for_status()
            bind(api, plugin["id"])
            result = (
                api.post("/hooks/customer_created/dispatch", json={"payload": CUSTOMER})
                .raise_for_status()
                .json()
            )
        yield server, mail, plugin["id"], result


def registration():
    """The example's own registration, without the hooks that it suggests: the operator binds one."""
    return {
        name: value
        for name, value in json.loads((EXAMPLE / "plugin.json").read_text()).items()
        if name != "hooks"
    }


def bind(api, plugin_id):
    """Bind the method that the specification names."""
    hook = {
        "hook_name": "customer_created",
        "hook_type": "action",
        "callback_method": "send_customer_welcome_email",
        "priority": 100,
    }
    api.post(f"/plugins/{plugin_id}/hooks", json=hook).raise_for_status()


def test_dispatch_completed(story):
    result = story[3]
    assert result["status"] == "completed"
    assert result["subscriptions"][0]["value"]["sent"] is True


def test_welcome_mail_arrived(story):
    assert story[1].received[0]["to"] == "ada@example.org"


def test_audit_trail_tells_what_happened(story):
    with story[0].client() as api:
        tags = {entry["tag"] for entry in api.get("/audit", params={"size": 100}).json()["items"]}
        report = api.post("/audit/verify").json()
    assert {"plugin.registered", "configuration.changed", "plugin.enabled", "hook.created"} <= tags
    assert report["intact"]


def test_plugin_log_tells_what_happened(story):
    server, _, plugin_id, _ = story
    with server.client() as api:
        lines = api.get("/plugins/logs", params={"plugin_id": plugin_id, "hook": "customer_created"}).json()[
            "items"
        ]
    assert lines, "the mail should have been logged with its hook"


def test_secret_is_nowhere_in_the_data_directory(story):
    for file in (story[0].folder / "var").rglob("*"):
        if file.is_file():
            assert PASSWORD.encode() not in file.read_bytes(), file


def test_secret_is_masked_in_the_api(story):
    server, _, plugin_id, _ = story
    with server.client() as api:
        entries = {entry["key"]: entry for entry in api.get(f"/plugins/{plugin_id}/config").json()["items"]}
    assert entries["password"]["is_encrypted"]
    assert entries["password"]["value"] == "********"


def test_everything_survives_kill_and_restart(story):
    server, mail, plugin_id, _ = story
    before = len(mail.received)
    server.kill()
    server.start()
    with server.client() as api:
        assert api.get(f"/plugins/{plugin_id}").json()["state"] == "active"
        result = api.post("/hooks/customer_created/dispatch", json={"payload": CUSTOMER}).json()
    assert result["subscriptions"][0]["status"] == "ok"
    assert len(mail.received) == before + 1


def test_database_is_sound_after_the_kill(story):
    with sqlite3.connect(story[0].folder / "var" / "isp-plugins.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()
