"""Health over HTTP and on the command line, of plugins of every bad kind, on a real server."""

import json

import httpx
import pytest

from support.commands import run
from support.server import assert_problem
from support.waiting import wait_until

SICK = """
import time
from pathlib import Path

from app.services.plugin_service import PluginInterface

FLAGS = Path(__file__).with_suffix("")


class Plugin(PluginInterface):
    def initialize(self):
        return not self._flag("refuse")

    def health_check(self):
        while self._flag("hang"):
            time.sleep(0.01)
        status = "unhealthy" if self._flag("ill") else "healthy"
        check = {"name": "peer", "status": "fail" if self._flag("ill") else "pass", "message": "looked"}
        return {"status": status, "checks": [check]}

    def work(self, payload):
        if self._flag("raise"):
            raise ValueError("no such customer")
        return {"done": True}

    def _flag(self, name):
        return (FLAGS / name).exists()
"""


class Sick:
    """A plugin whose behaviour the test switches with files beside it."""

    def __init__(self, server, hook=None, **fields):
        self.server = server
        self.plugin = server.plugin(SICK, enabled=True, **fields)
        self.id, self.name = self.plugin["id"], self.plugin["name"]
        self.flags = server.process.folder / "var" / "plugins" / self.name
        self.flags.mkdir()
        if hook:
            server.hook(self.plugin, hook, "work")

    def set(self, *names):
        for flag in self.flags.iterdir():
            flag.unlink()
        for name in names:
            (self.flags / name).touch()

    def get(self, path=""):
        return self.server.admin.get(f"/plugins/{self.id}{path}").raise_for_status().json()

    def until(self, condition):
        """The plugin as soon as this is true of it."""

        def found():
            shown = self.get()
            return shown if condition(shown) else None

        return wait_until(found, seen=self.get)


def dispatch(server, hook):
    answer = (
        server.admin.post(f"/hooks/{hook}/dispatch", json={"payload": {"id": 7}}).raise_for_status().json()
    )
    return [one["skip_reason"] or one["status"] for one in answer["subscriptions"]]


def test_health_has_the_specifications_shape_and_what_the_host_knows(server):
    report = Sick(server).get("/health")
    assert report["status"] == "healthy"
    assert report["checks"] == [{"name": "peer", "status": "pass", "message": "looked"}]
    assert (report["state"], report["failures"], report["misses"], report["restarts"]) == ("active", 0, 0, 0)
    assert report["uptime_s"] > 0
    assert report["last_probe"]["answered"] is True
    assert report["breaker"]["state"] == "closed"


def test_plugin_that_always_raises_is_cut_off_and_the_host_works(server):
    sick = Sick(server, "sms_sent")
    sick.set("raise")
    assert [dispatch(server, "sms_sent") for _ in range(5)] == [["error"]] * 5
    assert dispatch(server, "sms_sent") == ["breaker_open"]
    (entry,) = server.admin.get("/hooks/sms_sent").json()["chain"]
    assert (entry["runs"], entry["skip_reason"], entry["breaker"]["state"]) == (False, "breaker_open", "open")
    assert "ValueError: no such customer" in entry["breaker"]["cause"]
    assert entry["breaker"]["since"]
    shown = run(
        "hooks", "show", "sms_sent", "--url", server.url, "--data-dir", "var", cwd=server.process.folder
    )
    assert "open since" in shown.stdout
    assert "no such customer" in shown.stdout
    sick.set()
    wait_until(lambda: dispatch(server, "sms_sent") == ["ok"])
    sick.until(lambda it: it["health"]["status"] == "healthy")


def test_hanging_health_check_ends_in_quarantine_which_survives_kill_9(server):
    sick = Sick(server, "radius_start")
    sick.set("hang")
    quarantined = sick.until(lambda it: it["state"] == "quarantined")
    assert "does not answer its health checks" in quarantined["cause"]
    assert quarantined["retry_at"]
    assert httpx.get(f"{server.url}/readyz", timeout=60).is_success
    server.process.kill()
    server.process.start()
    after = sick.get()
    assert {name: after[name] for name in ("state", "cause", "retry_at", "desired")} == {
        name: quarantined[name] for name in ("state", "cause", "retry_at", "desired")
    }
    sick.set()
    assert server.admin.post(f"/plugins/{sick.id}/enable").json()["state"] == "active"
    assert dispatch(server, "radius_start") == ["ok"]


def test_history_tells_the_story_newest_first(server):
    sick = Sick(server)
    sick.set("ill")
    sick.until(lambda it: it["health"]["status"] == "unhealthy")
    sick.set()
    sick.until(lambda it: it["health"]["status"] == "healthy")
    page = sick.get("/health/history?size=200")
    story = [(entry["event"], entry["status"]) for entry in page["items"]]
    assert story[0] == ("answered", "healthy")
    assert ("answered", "unhealthy") in story
    assert story[-1] == ("started", "healthy")
    ill = next(entry for entry in page["items"] if entry["status"] == "unhealthy")
    assert ill["checks"] == [{"name": "peer", "status": "fail", "message": "looked"}]
    assert ill["message"] == "peer: looked"


def test_overview_lists_the_worst_first_and_counts(server):
    sick = Sick(server)
    sick.set("ill")
    sick.until(lambda it: it["health"]["status"] == "unhealthy")
    overview = server.admin.get("/plugins/health", params={"size": 200}).json()
    assert overview["status"] == "unhealthy"
    assert overview["summary"]["unhealthy"] >= 1
    assert (
        sum(overview["summary"][status] for status in ("healthy", "degraded", "unhealthy", "unknown"))
        == overview["total"]
    )
    statuses = [item["status"] for item in overview["items"]]
    assert statuses == sorted(statuses, key=["unhealthy", "degraded", "unknown", "healthy"].index)
    only = server.admin.get("/plugins/health", params={"status": "unhealthy", "q": sick.name}).json()
    assert [item["name"] for item in only["items"]] == [sick.name]
    sick.set()


def test_ill_plugin_does_not_make_the_server_unready(server):
    sick = Sick(server)
    sick.set("ill")
    sick.until(lambda it: it["health"]["status"] == "unhealthy")
    assert httpx.get(f"{server.url}/readyz", timeout=60).json() == {"status": "ready"}
    assert httpx.get(f"{server.url}/healthz", timeout=60).is_success
    sick.set()


def test_viewer_sees_but_does_not_probe(server):
    sick = Sick(server)
    with server.client(server.key("viewer")) as viewer:
        assert viewer.get("/plugins/health").is_success
        assert viewer.get(f"/plugins/{sick.id}/health/history").is_success
        assert_problem(viewer.get(f"/plugins/{sick.id}/health"), 403)
    with server.client(server.key("operator")) as operator:
        assert operator.get(f"/plugins/{sick.id}/health").is_success


def test_limited_key_sees_its_plugins_alone(server):
    sick, other = Sick(server), Sick(server)
    with server.client(server.key("viewer", plugins=[sick.name])) as limited:
        overview = limited.get("/plugins/health").json()
        assert [item["name"] for item in overview["items"]] == [sick.name]
        assert overview["total"] == sum(
            overview["summary"][name] for name in ("healthy", "degraded", "unhealthy", "unknown")
        )
        assert_problem(limited.get(f"/plugins/{other.id}/health/history"), 403)


def test_bad_parameters_are_refused(server):
    assert_problem(server.admin.get("/plugins/health", params={"state": "active"}), 422)
    assert_problem(server.admin.get("/plugins/health", params={"status": "fine"}), 422)
    assert_problem(server.admin.get("/plugins/999999/health/history"), 404)


@pytest.fixture
def cli(server):
    def call(*arguments):
        return run("health", *arguments, "--url", server.url, "--data-dir", "var", cwd=server.process.folder)

    return call


def test_command_shows_one_all_and_the_history(server, cli):
    sick = Sick(server)
    sick.until(lambda it: it["health"]["status"] == "healthy")
    one = cli(sick.name)
    assert (one.returncode, "healthy" in one.stdout, "peer" in one.stdout) == (0, True, True)
    sick.set("ill")
    assert cli(sick.name).returncode == 4
    sick.until(lambda it: it["health"]["status"] == "unhealthy")
    every = cli("--size", "200")
    assert every.returncode == 4
    assert sick.name in every.stdout
    assert "unhealthy" in every.stdout
    history = cli(sick.name, "--history")
    assert (history.returncode, "answered" in history.stdout) == (0, True)
    assert json.loads(cli(sick.name, "--history", "--json").stdout)["total"] >= 2
    sick.set()


def test_command_says_what_is_missing(cli):
    done = cli("--history")
    assert done.returncode == 2
    assert "isp-plugins health PLUGIN --history" in done.stderr
