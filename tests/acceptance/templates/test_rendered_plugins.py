"""Each plugin that ships as a template runs on a real server, in both runtimes and as a package: made by `new`, registered or installed, enabled, called, disabled, deleted."""

import json
import re
import shutil
import socket
import threading
import tomllib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from support.commands import run
from support.examples import RUNTIMES
from support.installing import installed
from support.waiting import until
from support.wheels import make_wheel


class Answering(BaseHTTPRequestHandler):
    """A peer that says yes to a payment, an event and a token alike."""

    def do_POST(self):
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        body = json.dumps({"id": "txn_1", "active": True, "sub": "maria"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture(scope="module")
def peer():
    """That peer; `url` and `bodies`, what it was sent."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.bodies = []
    server.url = f"http://127.0.0.1:{server.server_port}"
    server.grants = [f"127.0.0.1:{server.server_port}"]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


INSTALLED = "installed"


def packed(made, name, peers):
    """The wheel of what `new` made, as its build makes it; of the network only this test's own peers are granted."""
    files = {str(file.relative_to(made)): file.read_text() for file in sorted((made / name).rglob("*.*"))}
    manifest = f"{name}/plugin.toml"
    files[manifest] = re.sub(r"network = .*", f"network = {json.dumps(peers)}", files[manifest])
    project = tomllib.loads((made / "pyproject.toml").read_text())["project"]
    ((plugin, entry_point),) = project["entry-points"]["isp_plugins"].items()
    offered = f"[isp_plugins]\n{plugin} = {entry_point}\n"
    version = tomllib.loads(files[manifest])["version"]
    return make_wheel(made / "dist", project["name"], version, files=files, entry_points=offered)


@pytest.fixture(params=[*RUNTIMES, INSTALLED])
def enabled(server, api, tmp_path, request):
    """Make a plugin from a template and bring it up, as `new` says to; afterwards it is cleaned up."""
    up = []

    def bring_up(template, peers=(), **config):
        name = f"my_{template}_{request.param}"
        done = run("new", template, name, "--json", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        made = tmp_path / name
        if request.param == INSTALLED:
            wheel = packed(made, name, list(peers))
            plugin = installed(api, wheel, configuration=config, auto_enable=True)
            up.append(plugin["id"])
            assert (plugin["state"], plugin["runtime"]) == ("active", "process")
            return plugin["id"]
        shutil.copytree(made / name, server.process.folder / "var" / "plugins" / name, dirs_exist_ok=True)
        registration = json.loads((made / "plugin.json").read_text()) | {"runtime": request.param}
        plugin = api.post("/plugins/", json=registration).raise_for_status().json()
        up.append(plugin["id"])
        if config:
            api.put(f"/plugins/{plugin['id']}/config", json={"values": config}).raise_for_status()
        answer = api.post(f"/plugins/{plugin['id']}/enable")
        assert (answer.json()["state"], answer.json()["runtime"]) == ("active", request.param), answer.text
        return plugin["id"]

    yield bring_up
    for plugin_id in up:
        assert api.post(f"/plugins/{plugin_id}/disable").json()["state"] == "disabled"
        asked = {"plugin_id": plugin_id, "q": "not in good order"}
        logged = api.get("/plugins/logs", params=asked).raise_for_status().json()
        assert logged["total"] == 0, logged
        api.delete(f"/plugins/{plugin_id}").raise_for_status()


def outcome(api, hook, payload):
    """Dispatch a hook; the one outcome and the value."""
    result = api.post(f"/hooks/{hook}/dispatch", json={"payload": payload}).raise_for_status().json()
    assert result["status"] == "completed", result
    (found,) = result["subscriptions"]
    return found, result["value"]


def test_action(api, enabled):
    plugin = enabled("action", prefix="ISP")
    found, _ = outcome(api, "customer_created", {"id": 7})
    assert found["status"] == "ok"
    assert found["value"]["reference"].endswith("ISP00000007")
    assert api.get(f"/plugins/{plugin}/health").json()["status"] == "healthy"
    body = {"method_name": "find_subject", "parameters": [found["value"]["reference"]]}
    assert api.post(f"/plugins/{plugin}/execute", json=body).json()["result"] == {"found": True, "id": 7}


def test_filter(api, enabled):
    enabled("filter", percent=10)
    _, value = outcome(api, "invoice_items", {"items": [{"amount": 2990, "currency": "EUR"}]})
    assert [item["amount"] for item in value["items"]] == [2990, -299]


async def test_event(api, enabled, peer):
    plugin = enabled("event", peer.grants, url=peer.url, secret="correct horse battery staple")
    found, _ = outcome(api, "invoice_paid", {"id": 9001})
    assert found["status"] == "queued"
    await until(lambda: any(b'"payload": {"id": 9001}' in body for body in peer.bodies))
    assert api.get(f"/plugins/{plugin}/health").json()["status"] == "healthy"


def test_payment_gateway(api, enabled, peer):
    enabled("payment_gateway", peer.grants, api_url=peer.url, api_key="key")
    payment = {
        "id": 301,
        "amount": 2990,
        "currency": "EUR",
        "token_ref": "methods/55",
        "idempotency_key": "payment-301",
    }
    found, _ = outcome(api, "payment_requested", payment)
    assert found["value"] == {"success": True, "transaction_id": "txn_1"}


def test_network_poller(api, enabled):
    with socket.create_server(("127.0.0.1", 0)) as device:
        where = {"address": "127.0.0.1", "port": device.getsockname()[1]}
        grants = [f"127.0.0.1:{where['port']}"]
        plugin = enabled("network_poller", grants, devices=[{"id": "olt-1", **where}], interval=3600)
        body = {"method_name": "check_device_status", "parameters": where}
        found = api.post(f"/plugins/{plugin}/execute", json=body).raise_for_status().json()
        assert found["result"]["status"] == "online"


def test_authentication_provider(api, enabled, peer):
    config = {"introspection_url": peer.url, "client_id": "isp", "client_secret": "secret"}
    enabled("authentication_provider", peer.grants, **config)
    attempt = {"realm": "staff", "credentials_ref": "token", "identity": None}
    _, value = outcome(api, "auth_authenticate", attempt)
    assert value["identity"]["subject"] == "maria"
