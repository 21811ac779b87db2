"""The payment example on a real server: a dispatch moves money in the gateway, a signed callback settles, and kill -9 in between charges nobody twice."""

import base64

import pytest

from support.commands import serving
from support.examples import RUNTIMES, example_test_module, heard, install, install_listener

double = example_test_module("payment_gateway", "gateway")
PAYMENT = {
    "id": 301,
    "customer_id": 1001,
    "amount": 2990,
    "currency": "EUR",
    "token_ref": "pm_55",
    "idempotency_key": "payment-301",
}
HOOKS = ("payment_received", "payment_failed", "payment_refunded")


@pytest.fixture(scope="module", params=RUNTIMES)
def runtime(request):
    """Where the example runs; it cannot tell."""
    return request.param


@pytest.fixture(scope="module")
def gateway(runtime):
    with double.running() as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory, gateway, runtime):
    with serving(tmp_path_factory.mktemp("payments")) as running:
        yield running


@pytest.fixture(scope="module")
def plugins(server, gateway, runtime):
    """The ids of the example and of the listener."""
    values = {
        "endpoint": gateway.url,
        "api_key": double.KEY,
        "webhook_secret": double.SECRET,
        "timeout": 1,
        "max_retries": 1,
    }
    with server.client() as api:
        plugin = install(server, api, "payment_gateway", values, runtime=runtime)
        return plugin, install_listener(server, api, *HOOKS)


@pytest.fixture
def api(server, plugins):
    with server.client() as client:
        yield client


def dispatch(api, hook, payload):
    """The outcome of the example's subscription."""
    result = api.post(f"/hooks/{hook}/dispatch", json={"payload": payload}).raise_for_status().json()
    (outcome,) = [one for one in result["subscriptions"] if one["plugin"] == "payment_gateway"]
    return outcome


def call_back(api, gateway, intent):
    body = gateway.event("payment_intent.succeeded", intent)
    reference = "data:application/json;base64," + base64.b64encode(body).decode()
    callback = {
        "gateway": "stripe",
        "headers": double.signed(body),
        "raw_body_ref": reference,
        "remote_ip": "198.51.100.7",
    }
    return dispatch(api, "payment_callback_received", callback)


def told_of(api, plugins, payment_id):
    """The hooks dispatched about a payment."""
    return [one["hook"] for one in heard(api, plugins[1]) if str(one["payload"]["id"]) == str(payment_id)]


def test_dispatch_charges_once_however_often_it_comes(api, gateway, plugins):
    first, second = dispatch(api, "payment_requested", PAYMENT), dispatch(api, "payment_requested", PAYMENT)
    (charge,) = gateway.charges
    assert first["value"]["transaction_id"] == second["value"]["transaction_id"] == charge["id"]
    assert told_of(api, plugins, 301) == ["payment_received"]


def test_decline_is_told_to_the_second_plugin(api, plugins):
    outcome = dispatch(
        api,
        "payment_requested",
        PAYMENT | {"id": 302, "idempotency_key": "payment-302", "token_ref": "pm_declined"},
    )
    assert outcome["value"]["success"] is False
    assert told_of(api, plugins, 302) == ["payment_failed"]


def test_kill_between_charge_and_callback_settles_once(server, gateway, plugins):
    with server.client() as api:
        pending = dispatch(
            api,
            "payment_requested",
            PAYMENT | {"id": 303, "idempotency_key": "payment-303", "token_ref": "pm_bank"},
        )
    server.kill()
    server.start()
    done = gateway.finish(pending["value"]["transaction_id"])
    with server.client() as api:
        assert call_back(api, gateway, done)["value"]["effect"] == "succeeded"
        assert call_back(api, gateway, done)["value"]["effect"] == "known already"
        assert told_of(api, plugins, 303) == ["payment_received"]


def test_kill_while_the_gateway_hangs_after_the_charge_charges_once(server, gateway, plugins):
    import threading

    import httpx

    payment = PAYMENT | {"id": 304, "idempotency_key": "payment-304"}
    gateway.faults, before = ["hang_after"], len(gateway.charges)
    gateway.handled.clear()

    def lost():
        with server.client() as api, pytest.raises(httpx.TransportError):
            dispatch(api, "payment_requested", payment)

    caller = threading.Thread(target=lost)
    caller.start()
    assert gateway.handled.wait(60)
    server.kill()
    caller.join()
    server.start()
    with server.client() as api:
        assert dispatch(api, "payment_requested", payment)["value"]["success"] is True
        assert told_of(api, plugins, 304) == ["payment_received"]
    assert len(gateway.charges) == before + 1


def test_forged_callback_is_refused_and_logged(api, gateway, plugins):
    payment = PAYMENT | {"id": 305, "idempotency_key": "payment-305"}
    dispatch(api, "payment_requested", payment)
    body = gateway.event("payment_intent.succeeded", gateway.charges[-1])
    callback = {
        "gateway": "stripe",
        "headers": double.signed(body, secret="whsec_x"),
        "raw_body_ref": "data:," + body.decode(),
        "remote_ip": "203.0.113.9",
    }
    outcome = dispatch(api, "payment_callback_received", callback)
    assert outcome["status"] == "error"
    assert "A callback was refused" in outcome["error"]["message"]


def test_method_is_offered_to_the_customer(api):
    payload = {"methods": [], "currency": "EUR", "customer": {"id": 1}}
    result = api.post("/hooks/payment_methods/dispatch", json={"payload": payload}).raise_for_status().json()
    assert [one["gateway"] for one in result["value"]["methods"]] == ["stripe"]


def test_health_and_connection_are_really_checked(api, gateway, plugins):
    report = api.get(f"/plugins/{plugins[0]}/health").raise_for_status().json()
    assert {check["name"] for check in report["checks"]} >= {"connection", "key", "payments"}
    assert report["status"] == "healthy"


def test_key_is_nowhere_in_the_data_directory(server, api, plugins):
    for file in (server.folder / "var").rglob("*"):
        if file.is_file():
            assert double.KEY.encode() not in file.read_bytes(), file
