"""Bad input of every kind is a 4xx problem document, never a 500, and never changes anything."""

import socket

import httpx
import pytest

from support.server import assert_problem

DEEP = "[" * 5000 + "]" * 5000
MEGABYTES = b'{"payload": "' + b"x" * 10_000_000 + b'"}'

RAW_BODIES = [
    (b"", 422), (b"{", 400), (b"nonsense", 400), (b"[1,]", 400), (b"\xff\xfe", 400), (b"\x00", 400), (b'{"payload": NaN}', 400),
    (b'{"payload": 1e999}', 400), (b'{"payload": "\\ud800"}', 400), (b'{"payload": "\\u0000"}', 422), (b'{"\\u0000": 1}', 422),
    (b'{"payload": 123456789012345678901234567890}', 422), (b'{"payload": ' + DEEP.encode() + b"}", 422), (DEEP.encode(), 422),
    (b"[" * 100_000, 422), (MEGABYTES, 413), (b"null", 422), (b"[]", 422), (b'"text"', 422), (b"{}", 422),
]  # fmt: skip
"""Bodies that no endpoint accepts, and the status of each."""

VALUES = [
    None,
    True,
    -1,
    0,
    1.5,
    10**18,
    "",
    "x" * 100_000,
    [],
    {},
    [[]],
    "../../etc/passwd",
    "/etc/passwd",
    "a\nb",
    "\u202e",
    "é",
    " ",
    "'; DROP TABLE plugins; --",
]
"""Values that are wrong for most fields."""


@pytest.fixture(scope="module")
def plugin(server):
    return server.plugin()


def bodied(plugin):
    """Every operation that takes a body."""
    path = f"/plugins/{plugin['id']}"
    return [
        ("POST", "/plugins/"), ("PUT", path), ("POST", f"{path}/execute"), ("POST", f"{path}/config"), ("PUT", f"{path}/config"),
        ("POST", f"{path}/hooks"), ("POST", "/keys"), ("POST", "/hooks/customer_created/dispatch"), ("POST", "/events"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "status"),
    RAW_BODIES,
    ids=lambda value: repr(value[:24]) if isinstance(value, bytes) else str(value),
)
def test_body_that_cannot_be_used_is_refused_everywhere(api, plugin, body, status):
    for method, path in bodied(plugin):
        if body == b"{}" and method == "PUT" and path.count("/") == 2:
            continue  # a plugin changed in nothing is allowed
        answer = api.request(method, path, content=body, headers={"Content-Type": "application/json"})
        assert_problem(answer, status)


@pytest.mark.parametrize("given", ["text/plain", "application/x-www-form-urlencoded", "application/xml", ""])
def test_body_of_another_type_is_refused_everywhere(api, plugin, given):
    for method, path in bodied(plugin):
        assert_problem(
            api.request(method, path, content=b"{}", headers={"Content-Type": given}),
            415,
            "media-type-unsupported",
        )


def test_undeclared_body_is_refused_as_soon_as_it_is_too_long(api):
    def parts():
        for _ in range(200):
            yield b"x" * 65536

    answer = api.post(
        "/hooks/customer_created/dispatch", content=parts(), headers={"Content-Type": "application/json"}
    )
    assert_problem(answer, 413, "body-too-large")


@pytest.mark.parametrize(
    "field",
    [
        "name",
        "version",
        "plugin_type",
        "module_path",
        "entry_point",
        "config_schema",
        "dependencies",
        "hooks",
        "exclusive",
        "log_level",
        "display_name",
    ],
)
def test_wrong_value_in_a_registration_is_never_an_error_of_ours(api, server, field):
    draft = server.registration()
    for value in VALUES:
        answer = api.post("/plugins/", json=draft | {field: value})
        assert answer.status_code in {201, 409, 422}, (value, answer.text)
        if answer.status_code == 201:
            api.delete(f"/plugins/{answer.json()['id']}").raise_for_status()
        else:
            assert_problem(answer, answer.status_code)


@pytest.mark.parametrize(
    "field",
    [
        "hook_name",
        "hook_type",
        "callback_method",
        "priority",
        "conditions",
        "timeout_ms",
        "failure_policy",
        "is_active",
    ],
)
def test_wrong_value_in_a_subscription_is_never_an_error_of_ours(api, plugin, field):
    draft = {"hook_name": "my_hook", "hook_type": "action", "callback_method": "welcome"}
    for value in VALUES:
        answer = api.post(f"/plugins/{plugin['id']}/hooks", json=draft | {field: value})
        assert answer.status_code in {201, 409, 422}, (value, answer.text)
        if answer.status_code == 201:
            api.delete(f"/plugins/{plugin['id']}/hooks/{answer.json()['id']}").raise_for_status()


@pytest.mark.parametrize(
    "name",
    ["../x", "/etc/passwd", "plugins/../../x", "plugins.my\0plugin", ".hidden", "os", "a..b", "file.py"],
)
def test_module_that_is_a_path_is_refused_or_never_loads(api, server, name):
    answer = api.post("/plugins/", json=server.registration(module_path=name))
    if answer.status_code == 201:
        assert_problem(api.post(f"/plugins/{answer.json()['id']}/enable"), 409)
    else:
        assert_problem(answer, 422)


@pytest.mark.parametrize("value", [*VALUES, "x" * 60_000])
def test_any_json_may_be_a_payload(api, value):
    answer = api.post("/hooks/a_hook_of_ours/dispatch", json={"payload": value})
    assert answer.status_code in {200, 422}, answer.text


@pytest.mark.parametrize(
    "query",
    [
        "page=0",
        "page=-1",
        "page=x",
        "page=99999999999999999999",
        "size=0",
        "size=1000000",
        "q=%00",
        "sort=%00",
        "%00=1",
        "name=" + "x" * 10_000,
        "page=1.5",
        "state=",
    ],
)
def test_bad_query_is_refused(api, query):
    assert_problem(api.get(f"/plugins/?{query}"), 422)


@pytest.mark.parametrize(
    "query",
    [
        "level=LOUD",
        "since=yesterday",
        "since=2030-01-01T00:00:00",
        "plugin_id=x",
        "plugin_id=99999999999",
        "q=%00",
        "colour=red",
    ],
)
def test_bad_log_filter_is_refused(api, query):
    assert_problem(api.get(f"/plugins/logs?{query}"), 422)


@pytest.mark.parametrize(
    "path",
    [
        "/plugins/0",
        "/plugins/-1",
        "/plugins/1.5",
        "/plugins/999999999",
        "/plugins/" + "9" * 5000,
        "/plugins/%00",
        "/plugins/..%2f..%2fetc",
        "/nothing",
        "/hooks/%F0%9F%92%A9",
        "/keys/x",
        "/plugins/1e3/config",
    ],
)
def test_path_that_leads_nowhere_is_a_problem(api, path):
    answer = api.get(path)
    assert answer.status_code in {404, 405, 422}
    assert_problem(answer, answer.status_code)


def test_page_beyond_the_end_is_empty(api):
    page = api.get("/plugins/", params={"page": 1_000_000, "size": 200}).json()
    assert page["items"] == []


def test_wrong_methods_are_refused_everywhere(api, plugin):
    for path in (
        "/plugins/",
        f"/plugins/{plugin['id']}",
        "/hooks",
        "/hooks/customer_created/dispatch",
        "/me",
        "/plugins/logs",
    ):
        for method in ("PATCH", "TRACE", "OPTIONS"):
            answer = api.request(method, path)
            assert_problem(answer, 405, "method-not-allowed")
            assert answer.headers["allow"]


def test_garbage_instead_of_http_does_not_disturb_the_server(server):
    host, port = "127.0.0.1", server.process.port
    for garbage in (
        b"\x00\x01\x02\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /api/v1/plugins/ HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
    ):
        with socket.create_connection((host, port), timeout=60) as connection:
            connection.sendall(garbage)
            connection.recv(1000)
    assert httpx.get(f"{server.url}/healthz", timeout=60).status_code == 200


def test_connection_lost_in_the_middle_of_a_body_does_not_disturb_the_server(server):
    key = server.process.admin_key
    head = f"POST /api/v1/plugins/ HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{"
    with socket.create_connection(("127.0.0.1", server.process.port), timeout=60) as connection:
        connection.sendall(head.encode())
    assert httpx.get(f"{server.url}/healthz", timeout=60).status_code == 200


def test_nothing_of_all_this_was_logged_as_unexpected(server):
    assert "Unexpected error" not in server.process.log.read_text()
    assert "Traceback" not in server.process.log.read_text()
