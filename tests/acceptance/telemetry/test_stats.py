"""Statistics of a running server: over HTTP, from the command line, for limited keys, across restarts."""

import json

import pytest

from support.commands import run
from support.server import api_server, assert_problem

CREATED = "customer_created"


@pytest.fixture(scope="module")
def busy(server):
    """A plugin that was called: five times well, three times it failed, twice its condition was false."""
    plugin = server.plugin(enabled=True)
    server.hook(plugin, CREATED, "welcome", conditions="id < 100")
    server.hook(plugin, "customer_updated", "fail")
    dispatch(server.admin, CREATED, [1, 2, 3, 4, 5, 100, 101])
    dispatch(server.admin, "customer_updated", [1, 2, 3])
    return plugin


def dispatch(client, hook, ids):
    for number in ids:
        client.post(f"/hooks/{hook}/dispatch", json={"payload": {"id": number}}).raise_for_status()


def figures(api, plugin, **params):
    return api.get(f"/plugins/{plugin['id']}/stats", params=params).raise_for_status().json()


@pytest.mark.parametrize("window", ["5m", "1h", "1d"])
def test_counts_are_exact_in_every_window(api, busy, window):
    totals = figures(api, busy, window=window)["totals"]
    assert (totals["calls"], totals["errors"], totals["rejects"]) == (8, 3, 0)
    assert totals["skips"] == {"condition_false": 2}


def test_each_subscription_and_hook_has_its_figures(api, busy):
    found = figures(api, busy)
    assert {line["method"]: (line["calls"], line["errors"]) for line in found["subscriptions"]} == {
        "welcome": (5, 0),
        "fail": (3, 3),
    }
    assert {line["hook"]: line["calls"] for line in found["hooks"]} == {CREATED: 5, "customer_updated": 3}


def test_percentiles_rise(api, busy):
    totals = figures(api, busy)["totals"]
    assert 0 < totals["p50_ms"] <= totals["p95_ms"] <= totals["p99_ms"]


def test_the_last_error_and_run_are_shown(api, busy):
    failing = figures(api, busy)["top_failing"][0]
    assert failing["method"] == "fail"
    assert failing["last_error"] == "ValueError: no such customer"
    assert failing["last_error_at"]
    assert failing["last_run"]


def test_the_overview_has_every_plugin_and_hook(api, busy):
    found = api.get("/plugins/stats").raise_for_status().json()
    assert [line["calls"] for line in found["plugins"] if line["plugin"] == busy["name"]] == [8]
    assert {line["hook"]: line["dispatches"] for line in found["hooks"]}[CREATED] >= 7
    assert found["top_slow"]


def test_a_limited_key_sees_its_own_alone(server, busy):
    other = server.plugin(enabled=True)
    server.hook(other, "customer_invited", "welcome")
    dispatch(server.admin, "customer_invited", [200])
    with server.client(server.key("viewer", plugins=[busy["name"]])) as limited:
        found = limited.get("/plugins/stats").raise_for_status().json()
        assert {line["plugin"] for line in found["plugins"]} == {busy["name"]}
        assert found["totals"]["calls"] == 8
        assert_problem(limited.get(f"/plugins/{other['id']}/stats"), 403, "plugin-not-allowed")


def test_a_key_limited_to_a_hook_sees_that_hook_alone(server, busy):
    with server.client(server.key("viewer", hooks=["customer_updated"])) as limited:
        found = limited.get("/plugins/stats").raise_for_status().json()
    assert [line["hook"] for line in found["hooks"]] == ["customer_updated"]


@pytest.mark.parametrize("query", ["window=2h", "top=0", "top=51", "colour=red"])
def test_unknown_windows_and_parameters_are_refused(api, query):
    assert_problem(api.get(f"/plugins/stats?{query}"), 422)


def test_an_unknown_plugin_is_not_found(api):
    assert_problem(api.get("/plugins/999999/stats"), 404, "plugin-not-found")


def test_a_deleted_plugin_is_not_counted_any_more(server):
    plugin = server.plugin(enabled=True)
    server.hook(plugin, "customer_deleted", "welcome")
    dispatch(server.admin, "customer_deleted", [300])
    server.admin.delete(f"/plugins/{plugin['id']}").raise_for_status()
    found = server.admin.get("/plugins/stats").json()
    assert plugin["name"] not in {line["plugin"] for line in found["plugins"]}


def test_a_reload_keeps_the_counts(server):
    plugin = server.plugin(enabled=True)
    server.hook(plugin, "customer_merged", "welcome")
    dispatch(server.admin, "customer_merged", [1, 2])
    server.admin.post(f"/plugins/{plugin['id']}/reload").raise_for_status()
    dispatch(server.admin, "customer_merged", [3])
    assert figures(server.admin, plugin)["totals"]["calls"] == 3


def test_the_command_line_shows_tables(server, busy):
    shown = run("stats", "--window", "1d", "--url", server.url, cwd=server.process.folder)
    assert shown.returncode == 0, shown.stderr
    assert busy["name"] in shown.stdout
    assert "Failing most" in shown.stdout
    one = run("stats", busy["name"], "--url", server.url, cwd=server.process.folder)
    assert "2 condition_false" in one.stdout


def test_the_command_line_gives_json(server, busy):
    shown = run("stats", busy["name"], "--json", "--url", server.url, cwd=server.process.folder)
    assert json.loads(shown.stdout)["totals"]["calls"] == 8


def test_counts_survive_a_restart(tmp_path):
    with api_server(tmp_path) as server:
        plugin = server.plugin(enabled=True)
        server.hook(plugin, CREATED, "welcome")
        dispatch(server.admin, CREATED, range(4))
        server.process.stop()
        server.process.start()
        dispatch(server.admin, CREATED, range(2))
        found = figures(server.admin, plugin)
        assert (found["totals"]["calls"], found["subscriptions"][0]["last_run"] is not None) == (6, True)


def test_nothing_called_yet_is_said(tmp_path):
    with api_server(tmp_path) as server:
        shown = run("stats", "--url", server.url, cwd=server.process.folder)
        assert "Nothing was ever called" in shown.stdout
