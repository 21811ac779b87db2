"""`/metrics` of a running server: Prometheus accepts it, its counts are right, and not everybody may read it."""

import shutil
import subprocess

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from support.server import api_server, assert_problem

CREATED = "customer_created"


@pytest.fixture(scope="module")
def busy(server):
    plugin = server.plugin(enabled=True)
    server.hook(plugin, CREATED, "welcome", conditions="id < 100")
    for number in (1, 2, 3, 100):
        server.admin.post(f"/hooks/{CREATED}/dispatch", json={"payload": {"id": number}}).raise_for_status()
    return plugin


def scrape(server, key=None, **headers):
    if key is not None:
        headers["X-API-Key"] = key
    return httpx.get(f"{server.url}/metrics", headers=headers, timeout=60)


@pytest.fixture(scope="module")
def text(server, busy):
    return scrape(server, server.key("viewer")).raise_for_status().text


def samples(text):
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_promtool_accepts_the_metrics(text):
    promtool = shutil.which("promtool")
    assert promtool, (
        "This test needs promtool: run tools/install_test_peers.sh, which installs it from Debian's package 'prometheus'."
    )
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=text, text=True, capture_output=True, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_every_metric_has_a_help_line_and_a_type(text):
    for family in text_string_to_metric_families(text):
        assert family.documentation
        assert family.type != "unknown"


def test_calls_and_skips_are_counted_exactly(text, busy):
    found = samples(text)
    pair = (("hook", CREATED), ("plugin", busy["name"]))
    assert found["isp_plugins_calls_total", *pair] == 3
    assert found["isp_plugins_skips_total", *pair, ("reason", "condition_false")] == 1
    assert found["isp_plugins_dispatches_total", ("hook", CREATED)] == 4


def test_plugins_are_counted_by_state(text, busy):
    found = samples(text)
    assert found["isp_plugins_plugins", ("state", "active")] >= 1
    assert found["isp_plugins_plugin_active", ("plugin", busy["name"])] == 1


def test_requests_are_counted_by_route_and_status(server, busy):
    key = server.key("viewer")
    before = samples(scrape(server, key).text)
    for _ in range(2):
        httpx.get(f"{server.url}/api/v1/plugins/999999", headers={"X-API-Key": key}, timeout=60)
        httpx.get(f"{server.url}/nowhere/at/all", timeout=60)
    found = samples(scrape(server, key).text)
    requests = "isp_plugins_http_requests_total", ("method", "GET")
    for route in ("/api/v1/plugins/{plugin_id}", "(none)"):
        counted = (*requests, ("route", route), ("status", "404"))
        assert found[counted] - before.get(counted, 0) == 2


def test_the_version_of_the_text_format_is_said(server, busy):
    answer = scrape(server, server.key("viewer"))
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


def test_without_a_key_nothing_is_told(server):
    assert_problem(scrape(server), 401)


def test_a_caller_may_not_read_metrics(server):
    assert_problem(scrape(server, server.key("caller")), 403, "scope-missing")


def test_a_limited_key_may_not_read_metrics(server, busy):
    assert_problem(scrape(server, server.key("viewer", plugins=[busy["name"]])), 403, "scope-missing")


def test_a_scraper_on_this_machine_needs_no_key_where_the_operator_says_so(tmp_path):
    with api_server(tmp_path, ISP_PLUGINS_METRICS_WITHOUT_KEY="loopback") as server:
        assert scrape(server).status_code == 200
        assert_problem(scrape(server, "isp_wrong"), 401)


def test_no_label_holds_what_a_caller_sent(server, busy):
    for path in ("/api/v1/hooks/secret_hook_name", "/secret_path"):
        httpx.get(server.url + path, headers={"X-API-Key": server.key("viewer")}, timeout=60)
    httpx.request("SECRET", f"{server.url}/healthz", timeout=60)
    assert "secret" not in scrape(server, server.key("viewer")).text.lower()
