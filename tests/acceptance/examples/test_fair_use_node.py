"""The fair use example in Node.js: installed by command line into a running server, called by HTTP, and by command line again."""

import json
import shutil

import pytest

from support.commands import ROOT, run, serving
from support.node import MISSING, path_with_node
from support.waiting import until

EXAMPLE = ROOT / "examples" / "plugins" / "fair_use_node"
GIGABYTE = 10**9


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A server into which the example is installed, and what its installation printed."""
    path = path_with_node()
    if path is None:
        pytest.skip(MISSING)
    folder = tmp_path_factory.mktemp("fair_use")
    source = shutil.copytree(EXAMPLE, folder / "fair_use_node")
    with serving(folder, PATH=path) as server:
        done = run(
            "install",
            source,
            "--accept-grants",
            "--config",
            "allowance_gb=1",
            "--config",
            "policy=block",
            "--enable",
            cwd=folder,
        )
        assert done.returncode == 0, (done.stdout, done.stderr, server.log.read_text())
        yield server, done


@pytest.fixture
def isp(installed):
    """Runs a command against the server, and returns what it answered."""

    def answer(*arguments):
        done = run(*arguments, "--json", cwd=installed[0].folder)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return answer


def usage(isp, service):
    return isp("execute", "fair_use_node", "usage", json.dumps({"service_id": service}))["result"]


def all_are_settled(api):
    newest = api.get("/events", params={"hook": "usage_record"}).json()["items"][0]["id"]
    return all(lag["position"] >= newest for lag in api.get("/events/lag").json()["items"])


def test_folder_becomes_an_active_plugin_in_a_process(installed, isp):
    _, done = installed
    assert "Installed fair_use_node 1.0.0 as plugin" in done.stdout
    assert "(active)" in done.stdout
    shown = isp("show", "fair_use_node")
    assert (shown["state"], shown["runtime"]) == ("active", "process")


def test_dispatched_hook_reaches_javascript_and_its_answer_comes_back(installed, isp):
    server, _ = installed
    isp("execute", "fair_use_node", "set_allowance", '{"service_id": 7, "gb": 2}')
    with server.client() as api:
        answer = api.post("/hooks/quota_reset/dispatch", json={"payload": {"service_id": 7}}).json()
    (ran,) = answer["subscriptions"]
    assert (answer["status"], ran["plugin"], ran["status"]) == ("completed", "fair_use_node", "ok"), answer


async def test_usage_record_is_delivered_as_an_event_and_counted_once(installed, isp):
    server, _ = installed
    record = {
        "service_id": 501,
        "counters": {"in_octets": GIGABYTE // 2, "out_octets": GIGABYTE},
        "dedupe_key": "radius-1",
    }
    last = record | {"counters": {"in_octets": 1}, "dedupe_key": "radius-2"}
    with server.client() as api:
        for payload in (record, record, last):
            answer = api.post("/hooks/usage_record/dispatch", json={"payload": payload})
            assert answer.is_success, answer.text
        await until(lambda: all_are_settled(api), within=60)
    assert usage(isp, 501)["used"] == GIGABYTE * 3 // 2 + 1


def test_method_that_it_does_not_have_is_named(installed):
    done = run("execute", "fair_use_node", "nonsense", "{}", cwd=installed[0].folder)
    assert done.returncode == 1
    assert "nonsense" in done.stderr


def test_uninstalled_it_leaves_no_process_and_nothing_kept(installed, isp):
    assert run("uninstall", "fair_use_node", "--yes", cwd=installed[0].folder).returncode == 0
    assert isp("workers")["items"] == []
