"""Who may do what: keys, roles, limits; and that every refusal is written down."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from support.commands import PLAIN
from support.server import assert_problem

PAYLOAD = {"payload": {}}
ROUTES = [
    ("GET", "/plugins/", "viewer"),
    ("GET", "/plugins/{id}", "viewer"),
    ("POST", "/plugins/", "admin"),
    ("PUT", "/plugins/{id}", "admin"),
    ("DELETE", "/plugins/{id}", "admin"),
    ("POST", "/plugins/{id}/enable", "admin"),
    ("POST", "/plugins/{id}/disable", "admin"),
    ("POST", "/plugins/{id}/reload", "admin"),
    ("POST", "/plugins/{id}/execute", "admin"),
    ("GET", "/plugins/{id}/health", "operator"),
    ("GET", "/plugins/{id}/config", "viewer"),
    ("POST", "/plugins/{id}/config", "admin"),
    ("PUT", "/plugins/{id}/config", "admin"),
    ("PUT", "/plugins/{id}/config/1", "admin"),
    ("DELETE", "/plugins/{id}/config/1", "admin"),
    ("GET", "/plugins/{id}/config/versions", "viewer"),
    ("POST", "/plugins/{id}/config/versions/1/rollback", "admin"),
    ("GET", "/plugins/{id}/hooks", "viewer"),
    ("POST", "/plugins/{id}/hooks", "admin"),
    ("PUT", "/plugins/{id}/hooks/1", "admin"),
    ("DELETE", "/plugins/{id}/hooks/1", "admin"),
    ("GET", "/plugins/logs", "viewer"),
    ("GET", "/plugins/logs/usage", "viewer"),
    ("GET", "/hooks", "viewer"),
    ("GET", "/hooks/customer_created", "viewer"),
    ("POST", "/hooks/customer_created/dispatch", "caller"),
    ("POST", "/events", "caller"),
    ("GET", "/keys", "admin"),
    ("POST", "/keys", "admin"),
    ("DELETE", "/keys/99", "admin"),
    ("GET", "/audit", "viewer"),
    ("POST", "/audit/verify", "viewer"),
    ("POST", "/secrets/rotate", "admin"),
]
"""Every route and the least role that may use it."""
ROLES = ("caller", "viewer", "operator", "developer", "admin")
MAY = {
    "caller": {"caller", "operator", "developer", "admin"},
    "viewer": {"viewer", "operator", "developer", "admin"},
    "operator": {"operator", "developer", "admin"},
    "admin": {"admin"},
}


@pytest.fixture(scope="module")
def keys(server):
    """A token of every role."""
    return {role: server.key(role) for role in ROLES}


@pytest.fixture(scope="module")
def plugin(server):
    return server.plugin()


MATRIX = [
    (method, path, least, role)
    for method, path, least in ROUTES
    for role in ROLES
    if (method, role) != ("DELETE", "admin")  # it would delete what the other rows need; test_plugins deletes
]


@pytest.mark.parametrize(("method", "path", "least", "role"), MATRIX)
def test_route_is_open_to_its_roles_alone(server, keys, plugin, method, path, least, role):
    with server.client(keys[role]) as client:
        answer = client.request(method, path.format(id=plugin["id"]))
    if role in MAY[least]:
        assert answer.status_code not in {401, 403}, answer.text
    else:
        assert_problem(answer, 403)


@pytest.mark.parametrize(("method", "path", "least"), ROUTES)
def test_route_without_a_key_is_refused(server, plugin, method, path, least):
    answer = httpx.request(
        method, f"{server.url}/api/v1{path.format(id=plugin['id'])}", timeout=60, verify=PLAIN
    )
    assert_problem(answer, 401)
    assert "Bearer" in answer.headers["www-authenticate"]


@pytest.mark.parametrize("key", ["", "isp_", "isp_" + "A" * 43, "x" * 5000, "a b", "isp_ÿ".encode("latin-1")])
def test_foreign_key_is_refused(server, key):
    assert_problem(
        httpx.get(f"{server.url}/api/v1/me", headers={"X-API-Key": key}, timeout=60, verify=PLAIN), 401
    )


def test_key_works_as_a_bearer_token(server, keys):
    answer = httpx.get(
        f"{server.url}/api/v1/me", headers={"Authorization": f"Bearer {keys['viewer']}"}, timeout=60
    )
    assert answer.json()["role"] == "viewer"


def test_revoked_key_is_refused_at_once(api, server):
    created = api.post("/keys", json={"name": "short", "role": "viewer"}).json()
    assert api.delete(f"/keys/{created['id']}").json()["revoked_at"]
    with server.client(created["token"]) as client:
        assert_problem(client.get("/me"), 401, "revoked-key")


def test_key_cannot_be_created_expired(api):
    past = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    assert api.post("/keys", json={"name": "late", "role": "viewer", "expires_at": past}).status_code in {
        201,
        422,
    }


def test_unknown_role_is_refused(api):
    assert_problem(api.post("/keys", json={"name": "x", "role": "emperor"}), 422)


def test_token_is_shown_once(api, server):
    token = server.key("viewer")
    assert token not in api.get("/keys", params={"size": 200}).text


def test_me_tells_role_scopes_and_limits(server):
    with server.client(server.key("caller", hooks=["customer_created"])) as client:
        me = client.get("/me").json()
    assert (me["role"], me["hooks"], me["plugins"]) == ("caller", ["customer_created"], None)
    assert "hooks:dispatch" in me["scopes"]


def test_key_limited_to_hooks_dispatches_no_other(server):
    with server.client(server.key("caller", hooks=["customer_created"])) as client:
        assert client.post("/hooks/customer_created/dispatch", json=PAYLOAD).status_code == 200
        assert_problem(client.post("/hooks/customer_updated/dispatch", json=PAYLOAD), 403)
        event = {
            "specversion": "1.0",
            "type": "isp.customer_updated.v1",
            "source": "/x",
            "id": "1",
            "data": {},
        }
        assert_problem(
            client.post("/events", json=event, headers={"Content-Type": "application/cloudevents+json"}), 403
        )


def test_key_limited_to_plugins_sees_no_other(server, plugin):
    other = server.plugin()
    with server.client(server.key("viewer", plugins=[plugin["name"]])) as client:
        assert [item["id"] for item in client.get("/plugins/").json()["items"]] == [plugin["id"]]
        assert client.get(f"/plugins/{plugin['id']}").status_code == 200
        assert_problem(client.get(f"/plugins/{other['id']}"), 403)
        assert_problem(client.get("/plugins/logs"), 403)
        assert client.get("/plugins/logs", params={"plugin_id": plugin["id"]}).status_code == 200


def test_limited_admin_can_neither_make_keys_nor_register_others(server, plugin):
    with server.client(server.key("admin", plugins=[plugin["name"]])) as client:
        assert_problem(client.post("/keys", json={"name": "more", "role": "admin"}), 403)
        assert_problem(client.post("/plugins/", json=server.registration()), 403)
        assert_problem(client.post("/secrets/rotate"), 403)


def test_refused_attempt_is_audited(api, server, keys):
    with server.client(keys["caller"]) as client:
        refused = client.get("/plugins/")
    entries = api.get("/audit", params={"tag": "access.refused", "size": 200}).json()["items"]
    mine = [entry for entry in entries if entry["request_id"] == refused.headers["x-request-id"]]
    assert [(entry["outcome"], entry["subject_id"]) for entry in mine] == [
        ("refused", "GET /api/v1/plugins/")
    ]


def test_mutation_is_audited_with_its_request(api, server):
    made = api.post("/plugins/", json=server.registration(), headers={"X-Request-ID": "ticket-4711"}).json()
    found = api.get("/audit", params={"subject": f"plugin/{made['id']}"}).json()["items"]
    assert [entry["request_id"] for entry in found] == ["ticket-4711"]


def test_mutation_is_audited_with_who_did_it(api, server):
    plugin = server.plugin()
    entry = api.get(
        "/audit", params={"tag": "plugin.registered", "subject": f"plugin/{plugin['id']}"}
    ).json()["items"][0]
    assert entry["actor_name"] == "admin"


def test_audit_trail_is_whole_after_all_this(api):
    assert api.post("/audit/verify").json()["intact"] is True
