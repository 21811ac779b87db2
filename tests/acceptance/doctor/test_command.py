"""The doctor from outside: exit codes, JSON, scopes, the audit trail; and where no server can start."""

import json

import pytest

from support.commands import run, serving
from support.server import api_server, assert_problem


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A running server."""
    with api_server(tmp_path_factory.mktemp("doctor")) as running:
        yield running


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """A folder whose server stopped, and whose database was then damaged."""
    folder = tmp_path_factory.mktemp("broken")
    with serving(folder):
        pass
    (folder / "var" / "isp-plugins.db").write_bytes(b"\xa5" * 100_000)
    return folder


def test_problem_ends_with_code_4_and_the_report(server):
    name = server.plugin("class Plugin:\n    pass\n")["name"]
    done = run("doctor", "plugin", name, "--json", cwd=server.process.folder)
    assert done.returncode == 4
    assert json.loads(done.stdout)["status"] == "problem"


def test_well_plugin_ends_with_code_0(server):
    done = run("doctor", "plugin", server.plugin(enabled=True)["name"], cwd=server.process.folder)
    assert done.returncode == 0, done.stdout
    assert "problem " not in done.stdout


def test_unknown_plugin_is_refused(server):
    assert run("doctor", "plugin", "nobody", cwd=server.process.folder).returncode == 1


def test_hook_is_looked_at_with_the_payload_given(server):
    plugin = server.plugin(enabled=True)
    server.hook(plugin, "invoice_created", "welcome", conditions="total > 100")
    arguments = ("--plugin", plugin["name"], "--payload", '{"total": 7}', "--json")
    done = run("doctor", "hook", "invoice_created", *arguments, cwd=server.process.folder)
    conditions = [one for one in json.loads(done.stdout)["findings"] if one["check"] == "condition"]
    assert done.returncode == 4
    assert "total = 7" in conditions[0]["found"]


def test_option_before_the_command_is_told_where_it_belongs(server):
    done = run("doctor", "--json", "plugin", "nobody", cwd=server.process.folder)
    assert done.returncode == 2
    assert "put --json behind 'doctor plugin'" in done.stderr


def test_offline_beside_a_running_server_is_refused(server):
    done = run("doctor", "--offline", cwd=server.process.folder)
    assert done.returncode == 1
    assert "in use by another host" in done.stderr


def test_damaged_database_is_a_finding_and_no_traceback(broken):
    done = run("doctor", "--offline", cwd=broken)
    assert done.returncode == 4
    assert "file is not a database" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_report_offline_is_json_too(broken):
    report = json.loads(run("doctor", "--offline", "--json", cwd=broken).stdout)
    assert report["kind"] == "installation"
    assert {"database", "keys", "disk space", "kernel"} <= {
        finding["check"] for finding in report["findings"]
    }


@pytest.mark.parametrize("role", ["viewer", "caller"])
def test_role_without_the_scope_is_refused(server, role):
    with server.client(server.key(role)) as client:
        assert_problem(client.get("/doctor"), 403, "scope-missing")


def test_limited_key_never_sees_the_installation(server):
    name = server.plugin()["name"]
    with server.client(server.key("operator", plugins=[name])) as client:
        assert client.get("/doctor").status_code == 403


def test_operator_may_ask(server):
    with server.client(server.key("operator")) as client:
        assert client.get("/doctor").json()["kind"] == "installation"


def test_body_of_a_hooks_doctor_may_be_left_out(server):
    answer = server.admin.post("/hooks/customer_created/doctor")
    assert answer.status_code == 200
    assert answer.json()["name"] == "customer_created"


def test_null_is_a_payload(server):
    plugin = server.plugin(enabled=True)
    server.hook(plugin, "my_own_hook", "welcome", conditions="payload == null")
    answer = server.admin.post("/hooks/my_own_hook/doctor", json={"payload": None}).json()
    assert {one["check"]: one["status"] for one in answer["findings"]}["condition"] == "ok"


def test_asking_for_health_is_audited(server):
    plugin = server.plugin(enabled=True)["id"]
    server.admin.get(f"/plugins/{plugin}/doctor", params={"health": "true"}).raise_for_status()
    entries = server.admin.get("/audit", params={"tag": "plugin.probed"}).json()["items"]
    assert entries[0]["subject_id"] == str(plugin)
